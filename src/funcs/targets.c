/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  The LSNs of recovery targets.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_targets.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_lsn_at);
BB_SQL_FUNCTION(bb_sql_lsn_at_text);
BB_SQL_FUNCTION(bb_sql_lsn_of_restore_point);
BB_SQL_FUNCTION(bb_sql_lsn_of_xid);
BB_SQL_FUNCTION(bb_sql_lsn_of_target);
BB_SQL_FUNCTION(bb_sql_lsn_latest);
BB_SQL_FUNCTION(bb_sql_restore_points);

/* Open the timeline that the arguments from "first" on name: store, timeline. */
static BbPageStore *
place_arg(const BbReqCtx *ctx, FunctionCallInfo fcinfo, int first)
{
	char	   *server = bb_arg_name(fcinfo, first, "store");

	return bb_store_timeline(ctx, server,
							 bb_arg_text(fcinfo, first + 1, "timeline"));
}

/* bb_lsn_at(time timestamptz, inclusive bool, store name, timeline text) */
static Datum
bb_sql_lsn_at_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	TimestampTz time = bb_arg_int64(fcinfo, 0, "time");
	bool		inclusive = bb_arg_bool(fcinfo, 1, "inclusive");
	XLogRecPtr	lsn = bb_store_lsn_at(ctx, place_arg(ctx, fcinfo, 2), time,
									  inclusive);

	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* bb_lsn_at(target text, inclusive bool, store name, timeline text) */
static Datum
bb_sql_lsn_at_text_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *time = bb_arg_text(fcinfo, 0, "target");
	bool		inclusive = bb_arg_bool(fcinfo, 1, "inclusive");
	XLogRecPtr	lsn = bb_store_lsn_at_text(ctx, place_arg(ctx, fcinfo, 2),
										   time, inclusive);

	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* bb_lsn_of_restore_point(name text, store name, timeline text) */
static Datum
bb_sql_lsn_of_restore_point_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *name = bb_arg_text(fcinfo, 0, "name");
	XLogRecPtr	lsn = bb_store_lsn_of_name(ctx, place_arg(ctx, fcinfo, 1),
										   name);

	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* bb_lsn_of_xid(xid xid8, inclusive bool, store name, timeline text) */
static Datum
bb_sql_lsn_of_xid_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	uint64		xid = (uint64) bb_arg_int64(fcinfo, 0, "xid");
	bool		inclusive = bb_arg_bool(fcinfo, 1, "inclusive");
	XLogRecPtr	lsn = bb_store_lsn_of_xid(ctx, place_arg(ctx, fcinfo, 2), xid,
										  inclusive);

	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* bb_lsn_of_target(target text, inclusive bool, store name, timeline text) */
static Datum
bb_sql_lsn_of_target_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *target = bb_arg_text(fcinfo, 0, "target");
	bool		inclusive = bb_arg_bool(fcinfo, 1, "inclusive");
	XLogRecPtr	lsn = bb_store_lsn_of_target(ctx, place_arg(ctx, fcinfo, 2),
											 target, inclusive);

	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* bb_lsn_latest(store name, timeline text) */
static Datum
bb_sql_lsn_latest_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	XLogRecPtr	lsn = bb_store_lsn_latest(ctx, place_arg(ctx, fcinfo, 0));

	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* bb_restore_points(store name, timeline text) */
static Datum
bb_sql_restore_points_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	List	   *points;
	MemoryContext row_context;
	ListCell   *cell;

	points = bb_pagestore_restore_points(ctx, place_arg(ctx, fcinfo, 0), NULL);
	row_context = bb_result_begin(fcinfo);
	foreach(cell, points)
	{
		const BbRestorePointAt *at = lfirst(cell);
		MemoryContext old = MemoryContextSwitchTo(row_context);

		if (at->readable)
			bb_result_row(fcinfo,
						  (Datum[]){bb_text_datum(at->point.name),
									LSNGetDatum(at->lsn),
									TimestampTzGetDatum(at->point.time)},
						  (bool[3]){0});
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
