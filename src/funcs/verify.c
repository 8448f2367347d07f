/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Is a store whole?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "upkeep/pace.h"
#include "upkeep/verify.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"

BB_SQL_FUNCTION(bb_sql_verify);

static void
finding_row(FunctionCallInfo fcinfo, const char *timeline,
			const BbFinding *finding)
{
	bool		nulls[10] = {0};

	nulls[3] = finding->layer == NULL;
	bb_result_row(fcinfo,
				  (Datum[lengthof(nulls)]){
					  CStringGetTextDatum(timeline),
					  CStringGetTextDatum(bb_finding_kind_name(finding->kind)),
					  bb_result_text(finding->layer, &nulls[2]),
					  Int64GetDatum((int64) finding->offset),
					  bb_result_lsn(finding->lsn_from, &nulls[4]),
					  bb_result_lsn(finding->lsn_until, &nulls[5]),
					  CStringGetTextDatum(bb_key_text(&finding->keys.start)),
					  CStringGetTextDatum(bb_key_text(&finding->keys.end)),
					  CStringGetTextDatum(bb_finding_lost(finding)),
					  bb_text_datum(finding->message)},
				  nulls);
}

/* Verify a timeline, and return a row for each finding. */
static void
verify(const BbReqCtx *ctx, FunctionCallInfo fcinfo, BbObjectStore *objects,
	   const char *timeline, BbVerifyLevel level)
{
	BbVerifyPass *pass = bb_verify_begin(timeline, level);
	ListCell   *cell;

	while (bb_verify_step(ctx, objects, pass))
		bb_reqctx_check(ctx);
	foreach(cell, pass->findings)
		finding_row(fcinfo, timeline, lfirst(cell));
	if (pass->nfindings > list_length(pass->findings))
		ereport(NOTICE,
				(errmsg("timeline \"%s\" has " UINT64_FORMAT
						" findings; the first %d are shown",
						timeline, pass->nfindings,
						list_length(pass->findings))));
	MemoryContextDelete(pass->context);
}

/*
 * bb_verify(store name, timeline text, level text); timeline NULL: all timelines
 */
static Datum
bb_sql_verify_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_VERIFY);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	char	   *timeline = PG_ARGISNULL(1)
		? NULL
		: bb_arg_text(fcinfo, 1, "timeline");
	BbVerifyLevel level = bb_verify_level_of(bb_arg_text(fcinfo, 2, "level"));
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	MemoryContext row_context = bb_result_begin(fcinfo);
	List	   *names;
	ListCell   *cell;

	names = timeline ? list_make1(timeline)
					 : bb_store_timelines(ctx, objects, server);
	bb_upkeeppace_begin(ctx, NULL);
	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		verify(ctx, fcinfo, objects, lfirst(cell), level);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
