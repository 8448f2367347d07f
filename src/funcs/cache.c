/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Layers in a store's cache: bb_prefetch(), bb_evict(), bb_evict_idle().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "base/settings.h"
#include "funcapi.h"
#include "funcs/arguments.h"
#include "stats/shared.h"
#include "stores/store_access.h"
#include "stores/store_cache.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_prefetch);
BB_SQL_FUNCTION(bb_sql_evict);
BB_SQL_FUNCTION(bb_sql_evict_idle);

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
	uint64		call_id = bb_store_prefetch(ctx, server, timeline, lsn, full,
											wait);

	bb_reqctx_end(ctx);
	if (!bb_stats_shared())
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) call_id);
}

/* bb_evict(layer text, store name, timeline text) */
static Datum
bb_sql_evict_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_EVICTION);
	char	   *layer = bb_arg_text(fcinfo, 0, "layer");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	bool		evicted;

	bb_store_need_cache(objects, server);
	evicted = bb_store_evict(ctx, objects, timeline, layer);
	bb_reqctx_end(ctx);
	PG_RETURN_BOOL(evicted);
}

/* Layers that were last used before this time are idle.  DT_NOBEGIN: none is. */
static TimestampTz
idle_since(FunctionCallInfo fcinfo)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz since;

	if (PG_ARGISNULL(0))
		return bb_setting_eviction_threshold_s == 0
			? DT_NOBEGIN
			: now - bb_setting_eviction_threshold_s * USECS_PER_SEC;

	since = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
													TimestampTzGetDatum(now),
													PG_GETARG_DATUM(0)));
	if (since > now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unused_for must not be negative")));
	return since;
}

/* bb_evict_idle(unused_for interval, store name) */
static Datum
bb_sql_evict_idle_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_EVICTION);
	TimestampTz since = idle_since(fcinfo);
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	BbObjectStore *objects = bb_store_open(ctx, server, NULL);
	BbEvicted	evicted;
	Datum		values[2];

	bb_store_need_cache(objects, server);
	evicted = bb_objstore_evict_idle(ctx, objects, since);
	values[0] = Int64GetDatum((int64) evicted.objects);
	values[1] = Int64GetDatum((int64) evicted.bytes);
	bb_reqctx_end(ctx);
	return bb_result_record(fcinfo, values);
}
