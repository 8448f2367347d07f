/*-------------------------------------------------------------------------
 *
 * copies.c
 *	  Copies of timelines in other page stores, and moves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "intake/follow.h"
#include "stores/store_access.h"
#include "upkeep/mend.h"
#include "upkeep/move.h"
#include "upkeep/pace.h"
#include "upkeep/replicate.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_replicate);
BB_SQL_FUNCTION(bb_sql_move);
BB_SQL_FUNCTION(bb_sql_detach_copy);
BB_SQL_FUNCTION(bb_sql_mend);

/* Return the rows of a copy or a move. */
static void
return_rows(FunctionCallInfo fcinfo, List *done)
{
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, done)
	{
		const BbReplicated *one = lfirst(cell);
		MemoryContext old = MemoryContextSwitchTo(row_context);

		bb_result_row(fcinfo,
					  (Datum[]){CStringGetTextDatum(one->timeline),
								Int64GetDatum((int64) one->layers_copied),
								Int64GetDatum((int64) one->bytes_copied),
								Int64GetDatum((int64) one->layers_found),
								Int64GetDatum((int64) one->layers_retired),
								LSNGetDatum(one->end_lsn),
								TimestampTzGetDatum(
									time_t_to_timestamptz(one->end_time))},
					  NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
}

/* bb_replicate(timeline text, from_store name, to_store name) */
static Datum
bb_sql_replicate_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_COPY);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *from = bb_arg_name(fcinfo, 1, "from_store");
	char	   *to = bb_arg_name(fcinfo, 2, "to_store");
	BbObjectStore *source = bb_store_open(ctx, from, timeline);
	BbObjectStore *target = bb_store_open(ctx, to, timeline);

	bb_upkeeppace_begin(ctx, NULL);
	return_rows(fcinfo, bb_replication_run(ctx, source, target, timeline));
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* A follower would go on to write the timeline where it was. */
static void
check_not_followed(const char *store, const char *timeline)
{
	if (bb_following_find(store, timeline) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" of page store \"%s\" follows a server, and cannot be moved",
						timeline, store),
				 errhint("Call bb_unfollow() first, and bb_follow() for the other page store afterwards.")));
}

/* bb_move(timeline text, from_store name, to_store name) */
static Datum
bb_sql_move_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_COPY);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *from = bb_arg_name(fcinfo, 1, "from_store");
	char	   *to = bb_arg_name(fcinfo, 2, "to_store");
	BbObjectStore *source = bb_store_open(ctx, from, timeline);
	BbObjectStore *target = bb_store_open(ctx, to, timeline);

	check_not_followed(from, timeline);
	bb_upkeeppace_begin(ctx, NULL);
	return_rows(fcinfo, bb_moving_run(ctx, source, target, timeline));
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_detach_copy(timeline text, store name) */
static Datum
bb_sql_detach_copy_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *store = bb_arg_name(fcinfo, 1, "store");

	bb_replication_detach(ctx, bb_store_open(ctx, store, timeline), timeline);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/* bb_mend(timeline text, from_store name, store name) */
static Datum
bb_sql_mend_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_VERIFY);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *other = bb_arg_name(fcinfo, 1, "from_store");
	char	   *server = bb_arg_name(fcinfo, 2, "store");
	BbObjectStore *from = bb_store_open(ctx, other, timeline);
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	ListCell   *cell;
	int			left = 0;

	(void) bb_result_begin(fcinfo);
	bb_upkeeppace_begin(ctx, NULL);
	foreach(cell, bb_mending_run(ctx, objects, from, timeline))
	{
		const BbMended *mended = lfirst(cell);

		left += !mended->mended;
		bb_result_row(fcinfo,
					  (Datum[]){CStringGetTextDatum(mended->layer),
								CStringGetTextDatum(
									bb_finding_kind_name(mended->kind)),
								Int64GetDatum((int64) mended->bytes),
								BoolGetDatum(mended->mended),
								bb_text_datum(mended->message)},
					  NULL);
	}
	if (left > 0)
		ereport(NOTICE,
				(errmsg_plural("%d layer of timeline \"%s\" could not be mended",
							   "%d layers of timeline \"%s\" could not be mended",
							   left, left, timeline),
				 errhint("Try another copy. Without one, what they had is lost; import the cluster again, as another timeline.")));
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
