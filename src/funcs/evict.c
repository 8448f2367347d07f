/*-------------------------------------------------------------------------
 *
 * evict.c
 *	  Taking layers out of a store's cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "base/settings.h"
#include "funcapi.h"
#include "funcs/arguments.h"
#include "layer/manifest.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_evict);
BB_SQL_FUNCTION(bb_sql_evict_idle);

/* By its name, or as messages name it, which is as the object in the store. */
static const BbLayerDesc *
find_layer(const BbManifest *manifest, const char *name)
{
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (strcmp(bb_layer_name(layer), name) == 0 ||
			strcmp(bb_layer_object_name(manifest->timeline, layer), name) == 0)
			return layer;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("timeline \"%s\" has no layer \"%s\"", manifest->timeline,
					name),
			 errhint("bb_layers() lists them.  Those of an ancestor belong to "
					 "its timeline.")));
}

/* bb_evict(layer text, store name, timeline text): was it resident? */
static Datum
bb_sql_evict_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_EVICTION);
	char	   *name = bb_arg_text(fcinfo, 0, "layer");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	BbObjectStore *store = bb_store_open(ctx, server);
	BbManifest *manifest;
	BbWholeObject object;
	BbEviction	eviction;

	bb_store_need_cache(store, server);
	bb_calls_describe(ctx, &(BbCallAbout){.timeline = timeline});
	manifest = bb_manifest_read(ctx, store, timeline);
	object = bb_layer_object(timeline, find_layer(manifest, name));
	eviction = bb_object_evict(store, &object);
	if (eviction == BB_EVICTION_IN_USE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("layer \"%s\" is in use", name),
				 errdetail("A call reads it right now."),
				 errhint("Try again later; bb_access_stats shows calls that "
						 "run.")));
	bb_reqctx_end(ctx);
	PG_RETURN_BOOL(eviction == BB_EVICTED);
}

/* The time before which who was used last is idle; DT_NOBEGIN: nobody is. */
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
	BbObjectStore *store = bb_store_open(ctx, server);
	BbEvicted	evicted;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {0};

	bb_store_need_cache(store, server);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	evicted = bb_objstore_evict_idle(ctx, store, since);
	values[0] = Int64GetDatum((int64) evicted.objects);
	values[1] = Int64GetDatum((int64) evicted.bytes);
	bb_reqctx_end(ctx);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
