/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  bb_prefetch().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stats/shared.h"
#include "stores/prefetch_call.h"

BB_SQL_FUNCTION(bb_sql_prefetch);

/*
 * bb_prefetch(lsn, full_backup, store, timeline, wait)
 *
 * Returns NULL unless statistics are shared: no other session knows the
 * worker's call then.
 */
static Datum
bb_sql_prefetch_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_PREFETCH);
	char	   *server = bb_arg_name(fcinfo, 2, "store");
	char	   *timeline = bb_arg_text(fcinfo, 3, "timeline");
	bool		wait = bb_arg_bool(fcinfo, 4, "wait");
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 0, "lsn");
	bool		full = bb_arg_bool(fcinfo, 1, "full_backup");
	uint64		call_id = bb_prefetch_call(ctx, server, timeline, lsn, full,
										   wait);

	bb_reqctx_end(ctx);
	if (!bb_stats_shared())
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) call_id);
}
