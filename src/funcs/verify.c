/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Is a store whole?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_type_d.h"
#include "funcs/arguments.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "upkeep/pace.h"
#include "upkeep/verify.h"
#include "utils/array.h"
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

/* The LSNs at which pages are checked. */
typedef struct Lsns
{
	int			n;
	XLogRecPtr	at[BB_VERIFY_LSNS_MAX];
} Lsns;

/* Argument n, "lsns". */
static Lsns
arg_lsns(FunctionCallInfo fcinfo, int n)
{
	Lsns		lsns = {0};
	Datum	   *values;
	bool	   *nulls;

	if (PG_ARGISNULL(n))
		return lsns;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), PG_LSNOID, sizeof(XLogRecPtr),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls,
					  &lsns.n);
	if (lsns.n > BB_VERIFY_LSNS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many LSNs"),
				 errdetail("There are %d; the limit is %d.", lsns.n,
						   BB_VERIFY_LSNS_MAX)));
	for (int i = 0; i < lsns.n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"lsns\" must not contain nulls")));
		lsns.at[i] = DatumGetLSN(values[i]);
	}
	return lsns;
}

/* Those of a timeline, if the user names none: its start, middle and end. */
static Lsns
usual_lsns(const BbManifest *manifest)
{
	BbManifest	readable = bb_manifest_readable(manifest);
	XLogRecPtr	start = readable.start_lsn;
	XLogRecPtr	end = readable.end_lsn;
	Lsns		lsns = {.n = 1, .at = {end}};
	const XLogRecPtr others[] = {start + (end - start) / 2, start};

	for (int i = 0; i < lengthof(others); i++)
		if (bb_verify_lsn_readable(&readable, others[i]) &&
			others[i] != lsns.at[lsns.n - 1])
			lsns.at[lsns.n++] = others[i];
	return lsns;
}

static void
check_lsns(const BbManifest *manifest, const Lsns *lsns)
{
	BbManifest	readable = bb_manifest_readable(manifest);

	for (int i = 0; i < lsns->n; i++)
		if (!bb_verify_lsn_readable(&readable, lsns->at[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("timeline \"%s\" cannot be read at %X/%X",
							manifest->timeline, LSN_FORMAT_ARGS(lsns->at[i])),
					 errdetail("It reaches from %X/%X to %X/%X.",
							   LSN_FORMAT_ARGS(readable.start_lsn),
							   LSN_FORMAT_ARGS(readable.end_lsn))));
}

/* Verify a timeline, and return a row for each finding. */
static void
verify(const BbReqCtx *ctx, FunctionCallInfo fcinfo, BbObjectStore *objects,
	   const char *timeline, BbVerifyLevel level, Lsns lsns)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, timeline, &error);
	BbVerifyPass *pass;
	ListCell   *cell;

	/* a manifest that can't be read is a finding */
	if (manifest != NULL && lsns.n > 0)
		check_lsns(manifest, &lsns);
	else if (manifest != NULL && bb_manifest_consistent(manifest))
		lsns = usual_lsns(manifest);

	pass = bb_verify_begin(timeline, level, lsns.at, lsns.n);
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
 * bb_verify(store name, timeline text, level text, lsns pg_lsn[]); timeline NULL:
 * all timelines
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
	Lsns		lsns = arg_lsns(fcinfo, 3);
	BbObjectStore *objects;
	MemoryContext row_context;
	List	   *names;
	ListCell   *cell;

	if (lsns.n > 0 && (timeline == NULL || level != BB_VERIFY_PAGES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"lsns\" requires a timeline and the level \"pages\"")));
	objects = bb_store_open(ctx, server, timeline);
	row_context = bb_result_begin(fcinfo);
	names = timeline ? list_make1(timeline)
					 : bb_store_timelines(ctx, objects, server);
	bb_upkeeppace_begin(ctx, NULL);
	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		verify(ctx, fcinfo, objects, lfirst(cell), level, lsns);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
