/*-------------------------------------------------------------------------
 *
 * expiry.c
 *	  What can be read and what goes: bb_expire(), and the view bb_window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_list.h"
#include "stores/store_timelines.h"
#include "upkeep/expiry.h"
#include "upkeep/keeps.h"
#include "upkeep/window.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_expire);
BB_SQL_FUNCTION(bb_sql_get_window);

static int64
time_now(void)
{
	return (int64) timestamptz_to_time_t(GetCurrentTimestamp());
}

/* bb_expire(dry_run boolean, store name, timeline text) */
static Datum
bb_sql_expire_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_UPKEEP);
	bool		dry_run = bb_arg_bool(fcinfo, 0, "dry_run");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_expiry_rows(ctx, objects, timeline, dry_run, time_now()))
	{
		const BbExpiryRow *row = lfirst(cell);
		const BbLayerDesc *layer = row->layer;
		MemoryContext old = MemoryContextSwitchTo(row_context);

		bb_result_row(fcinfo,
					  (Datum[]){CStringGetTextDatum(bb_layer_name(layer)),
								CStringGetTextDatum(layer->image ? "image"
																 : "delta"),
								LSNGetDatum(layer->lsn_start),
								LSNGetDatum(layer->lsn_end),
								Int64GetDatum((int64) layer->size),
								CStringGetTextDatum(row->goes ? "goes"
															  : "stays"),
								CStringGetTextDatum(row->why)},
					  NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* ---- the view ---- */

static Datum
time_datum(int64 time, bool *null)
{
	*null = *null || time < 0;
	return TimestampTzGetDatum(
		time_t_to_timestamptz((pg_time_t) Max(time, 0)));
}

static void
window_row(FunctionCallInfo fcinfo, const char *server,
		   const BbManifest *manifest, const BbWindow *window)
{
	bool		nulls[19] = {0};
	Datum		values[lengthof(nulls)];
	NameData	store;
	int			n = 0;

	namestrcpy(&store, server);
	values[n++] = NameGetDatum(&store);
	values[n++] = CStringGetTextDatum(manifest->timeline);
	values[n++] = CStringGetTextDatum(
		bb_keeps_text(&manifest->keeps.retention));
	values[n++] = LSNGetDatum(window->oldest_lsn);
	values[n] = time_datum(window->oldest_time, &nulls[n]);
	n++;
	values[n++] = LSNGetDatum(window->newest_lsn);
	values[n] = time_datum(window->newest_time, &nulls[n]);
	n++;
	values[n++] = Int64GetDatum(window->ngaps);
	values[n++] = Int64GetDatum(window->npoints);
	values[n] = bb_result_lsn(window->oldest_point, &nulls[n]);
	n++;
	nulls[n] = window->npoints == 0;
	values[n] = time_datum(window->oldest_point_time, &nulls[n]);
	n++;
	values[n++] = CStringGetTextDatum(window->held_by);
	values[n++] = Int64GetDatum(window->nlayers);
	values[n++] = Int64GetDatum((int64) window->bytes);
	values[n++] = Int64GetDatum((int64) window->bytes_window);
	values[n++] = Int64GetDatum((int64) window->bytes_points);
	values[n++] = Int64GetDatum(
		(int64) (window->bytes_expired + window->bytes_retired));
	nulls[n] = window->bytes_per_day < 0;
	values[n++] = Int64GetDatum((int64) window->bytes_per_day);
	values[n++] = CStringGetTextDatum(window->wal_needed);
	Assert(n == lengthof(nulls));
	bb_result_row(fcinfo, values, nulls);
}

typedef struct WindowCall
{
	const BbReqCtx *ctx;
	FunctionCallInfo fcinfo;
} WindowCall;

static void
windows_of_store(const char *server, void *arg)
{
	WindowCall *call = arg;
	BbObjectStore *objects = bb_store_open(call->ctx, server, NULL);
	ListCell   *cell;

	foreach(cell, bb_manifest_list(call->ctx, objects))
	{
		BbManifest *manifest = bb_store_listed_timeline(call->ctx, objects,
														lfirst(cell));
		BbWindow	window;

		if (manifest == NULL || !bb_manifest_consistent(manifest))
			continue;
		window = bb_window_of(call->ctx, objects, manifest, time_now());
		window_row(call->fcinfo, server, manifest, &window);
	}
}

/* bb_get_window(store name); NULL: all stores that the user may use */
static Datum
bb_sql_get_window_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	WindowCall	call = {.ctx = ctx, .fcinfo = fcinfo};

	(void) bb_result_begin(fcinfo);
	bb_store_each(PG_ARGISNULL(0) ? NULL : bb_arg_name(fcinfo, 0, "store"),
				  windows_of_store, &call);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
