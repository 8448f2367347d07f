/*-------------------------------------------------------------------------
 *
 * timelines.c
 *	  The timelines of a page store; branches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "layer/manifest.h"
#include "redo/installation.h"
#include "stats/calls.h"
#include "stores/replicating.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "timeline/timeline.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_timelines);
BB_SQL_FUNCTION(bb_sql_gaps);
BB_SQL_FUNCTION(bb_sql_create_branch);
BB_SQL_FUNCTION(bb_sql_drop_timeline);
BB_SQL_FUNCTION(bb_sql_set_upgraded_from);

/* Are there redo helpers for the timeline's pages? */
static bool
has_redo(const BbManifest *manifest)
{
	const BbMajor *major = bb_major_of(manifest->pg_version_num);

	return major != NULL && bb_redo_installation_exists(major);
}

static void
timeline_row(FunctionCallInfo fcinfo, const BbManifest *stored)
{
	BbManifest	readable = bb_manifest_readable(stored);
	const BbManifest *manifest = &readable;
	bool		nulls[16] = {0};
	uint64		bytes = 0;

	for (int i = 0; i < manifest->nlayers; i++)
		bytes += manifest->layers[i].size;
	nulls[3] = !bb_manifest_consistent(manifest);
	bb_result_row(fcinfo,
				  (Datum[lengthof(nulls)]){
					  CStringGetTextDatum(manifest->timeline),
					  bb_result_text(manifest->ancestor, &nulls[1]),
					  bb_result_lsn(manifest->ancestor_lsn, &nulls[2]),
					  LSNGetDatum(manifest->start_lsn),
					  LSNGetDatum(manifest->end_lsn),
					  bb_result_lsn(manifest->prev_lsn, &nulls[5]),
					  TimestampTzGetDatum(
						  time_t_to_timestamptz(manifest->end_time)),
					  Int64GetDatum((int64) manifest->system_identifier),
					  Int32GetDatum((int32) manifest->pg_version_num),
					  Int32GetDatum((int32) manifest->tli),
					  BoolGetDatum(manifest->data_checksum_version != 0),
					  Int64GetDatum((int64) manifest->generation),
					  Int64GetDatum(manifest->nlayers),
					  Int64GetDatum((int64) bytes),
					  bb_result_text(manifest->upgraded_from, &nulls[14]),
					  BoolGetDatum(has_redo(manifest))},
				  nulls);
}

static void
gap_rows(FunctionCallInfo fcinfo, const BbManifest *manifest)
{
	int			n;
	const BbGap *gaps = bb_manifest_gaps(manifest, &n);

	for (int i = 0; i < n; i++)
	{
		const BbGap *gap = &gaps[i];
		bool		open = gap->until > manifest->end_lsn;

		bb_result_row(fcinfo,
					  (Datum[]){CStringGetTextDatum(manifest->timeline),
								LSNGetDatum(gap->from),
								LSNGetDatum(gap->until),
								TimestampTzGetDatum(
									time_t_to_timestamptz(gap->from_time)),
								TimestampTzGetDatum(
									time_t_to_timestamptz(gap->until_time))},
					  (bool[]){false, false, open, false, open});
	}
}

/*
 * Return rows for one timeline of a store, or for all of them (NULL), in a
 * context that is reset for each.
 */
static void
rows_of_timelines(const BbReqCtx *ctx, FunctionCallInfo fcinfo,
				  BbObjectStore *objects, List *names,
				  void (*rows) (FunctionCallInfo fcinfo,
								const BbManifest *manifest))
{
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		BbManifest *manifest = bb_store_listed_timeline(ctx, objects,
														lfirst(cell));

		if (manifest != NULL)
			rows(fcinfo, manifest);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
}

/* bb_timelines(store name) */
static Datum
bb_sql_timelines_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	BbObjectStore *objects = bb_store_open(ctx, server, NULL);

	rows_of_timelines(ctx, fcinfo, objects,
					  bb_store_timelines(ctx, objects, server), timeline_row);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_gaps(store name, timeline text); timeline NULL: of all timelines */
static Datum
bb_sql_gaps_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	char	   *timeline = PG_ARGISNULL(1)
		? NULL
		: bb_arg_text(fcinfo, 1, "timeline");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	List	   *names;

	if (timeline == NULL)
		names = bb_store_timelines(ctx, objects, server);
	else
	{
		(void) bb_manifest_read(ctx, objects, timeline);
		names = list_make1(timeline);
	}
	rows_of_timelines(ctx, fcinfo, objects, names, gap_rows);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_create_branch(timeline text, ancestor text, lsn pg_lsn, store name) */
static Datum
bb_sql_create_branch_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *name = bb_arg_text(fcinfo, 0, "timeline");
	char	   *ancestor = bb_arg_text(fcinfo, 1, "ancestor");
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 2, "lsn");
	char	   *server = bb_arg_name(fcinfo, 3, "store");
	BbStoreAccess access = bb_store_access(ctx, server, name);
	BbPageStore *store = bb_store_timeline_of(ctx, &access, ancestor);

	lsn = bb_store_snapshot(ctx, store, lsn).lsn;
	bb_timeline_branch(ctx, bb_pagestore_object_store(store), name, ancestor,
					   lsn);
	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/*
 * bb_set_upgraded_from(timeline text, upgraded_from text, store name);
 * upgraded_from NULL: of none
 */
static Datum
bb_sql_set_upgraded_from_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *name = bb_arg_text(fcinfo, 0, "timeline");
	char	   *from = PG_ARGISNULL(1)
		? NULL
		: bb_arg_text(fcinfo, 1, "upgraded_from");
	char	   *server = bb_arg_name(fcinfo, 2, "store");

	bb_timeline_set_upgraded_from(ctx, bb_store_open(ctx, server, name), name,
								  from);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/* The worker would make a copy again. */
static void
check_no_copy(const char *store, const char *timeline)
{
	List	   *copied = bb_replicating_to(store, timeline);

	if (copied != NIL)
	{
		const BbReplicating *row = linitial(copied);

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" of page store \"%s\" is a copy that is kept up to date",
						timeline, store),
				 errhint("End that first: SELECT bb_stop_replicating(%s, %s, %s).",
						 quote_literal_cstr(timeline),
						 quote_literal_cstr(row->from_store),
						 quote_literal_cstr(store))));
	}
}

static void
note_copies(const char *store, const char *timeline)
{
	ListCell   *cell;

	foreach(cell, bb_replicating_from(store, timeline))
	{
		const BbReplicating *row = lfirst(cell);

		ereport(NOTICE,
				(errmsg("the copy of timeline \"%s\" in page store \"%s\" is not updated any more",
						timeline, row->to_store),
				 errhint("bb_detach_copy(%s, %s) makes it independent; bb_stop_replicating() leaves it a copy.",
						 quote_literal_cstr(timeline),
						 quote_literal_cstr(row->to_store))));
	}
}

/* bb_drop_timeline(timeline text, store name) */
static Datum
bb_sql_drop_timeline_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *name = bb_arg_text(fcinfo, 0, "timeline");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	BbObjectStore *objects;

	objects = bb_store_open(ctx, server, name);
	check_no_copy(server, name);
	bb_timeline_drop(ctx, objects, name);
	note_copies(server, name);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}
