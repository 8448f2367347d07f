/*-------------------------------------------------------------------------
 *
 * layers.c
 *	  The layers of a page store: their contents and their use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "funcs/timeline_rows.h"
#include "layer/manifest.h"
#include "lib/stringinfo.h"
#include "stats/calls.h"
#include "stats/layerstats.h"
#include "stats/shared.h"
#include "timeline/timeline.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_layers);
BB_SQL_FUNCTION(bb_sql_layer_stats);

typedef void (*LayerRow) (FunctionCallInfo fcinfo, BbObjectStore *objects,
						  const BbManifest *manifest,
						  const BbLayerDesc *layer);

static void
layer_row(FunctionCallInfo fcinfo, BbObjectStore *objects,
		  const BbManifest *manifest, const BbLayerDesc *layer)
{
	Datum		values[] = {CStringGetTextDatum(manifest->timeline),
							CStringGetTextDatum(bb_layer_name(layer)),
							CStringGetTextDatum(layer->image ? "image"
															 : "delta"),
							LSNGetDatum(layer->lsn_start),
							LSNGetDatum(layer->lsn_end),
							CStringGetTextDatum(
								bb_key_text(&layer->keys.start)),
							CStringGetTextDatum(bb_key_text(&layer->keys.end)),
							Int64GetDatum((int64) layer->entries),
							Int64GetDatum((int64) layer->size)};

	bb_result_row(fcinfo, values, NULL);
}

static Datum
time_or_null(TimestampTz time, bool *null)
{
	*null = time == 0;
	return TimestampTzGetDatum(time);
}

/* {"basebackup": 3}, without the kinds that have no access. */
static Datum
accesses_json(const BbLayerStats *stats)
{
	StringInfoData text;
	const char *separator = "";

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int kind = 0; kind < BB_TASK_KIND_COUNT; kind++)
	{
		if (stats->accesses[kind] == 0)
			continue;
		appendStringInfo(&text, "%s\"%s\": " UINT64_FORMAT, separator,
						 bb_task_kind_name((BbTaskKind) kind),
						 stats->accesses[kind]);
		separator = ", ";
	}
	appendStringInfoChar(&text, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
}

static void
stats_row(FunctionCallInfo fcinfo, BbObjectStore *objects,
		  const BbManifest *manifest, const BbLayerDesc *layer)
{
	BbLayerStats stats = bb_layerstats_of(layer->file_id);
	BbWholeObject object = bb_layer_object(manifest->timeline, layer);
	bool		resident = bb_object_is_resident(objects, &object);
	uint64		accesses = 0;
	Datum		values[12];
	bool		nulls[12] = {0};

	for (int kind = 0; kind < BB_TASK_KIND_COUNT; kind++)
		accesses += stats.accesses[kind];

	values[0] = CStringGetTextDatum(manifest->timeline);
	values[1] = CStringGetTextDatum(bb_layer_name(layer));
	values[2] = Int64GetDatum((int64) layer->size);
	values[3] = BoolGetDatum(resident);
	values[4] = time_or_null(resident ? stats.resident_since : 0, &nulls[4]);
	values[5] = time_or_null(stats.first_access, &nulls[5]);
	values[6] = time_or_null(stats.last_access, &nulls[6]);
	values[7] = Int64GetDatum((int64) accesses);
	values[8] = accesses_json(&stats);
	values[9] = Int64GetDatum((int64) stats.downloads);
	values[10] = Int64GetDatum((int64) stats.evictions);
	values[11] = CStringGetTextDatum(bb_stats_shared() ? "shared" : "session");
	bb_result_row(fcinfo, values, nulls);
}

static void
rows_of_layers(const BbReqCtx *ctx, FunctionCallInfo fcinfo,
			   BbObjectStore *objects, const BbManifest *manifest, void *arg)
{
	const LayerRow *row = arg;

	for (int i = 0; i < manifest->nlayers; i++)
		(*row)(fcinfo, objects, manifest, &manifest->layers[i]);
}

static void
list_layers(FunctionCallInfo fcinfo, LayerRow row)
{
	bb_timeline_rows(fcinfo, rows_of_layers, &row);
}

/* bb_layers(store name, timeline text) */
static Datum
bb_sql_layers_body(PG_FUNCTION_ARGS)
{
	list_layers(fcinfo, layer_row);
	return (Datum) 0;
}

/* bb_layer_stats(store name, timeline text) */
static Datum
bb_sql_layer_stats_body(PG_FUNCTION_ARGS)
{
	list_layers(fcinfo, stats_row);
	return (Datum) 0;
}
