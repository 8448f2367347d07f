/*-------------------------------------------------------------------------
 *
 * check.c
 *	  What bb_check() and bb_metrics ask page stores and sources:
 *	  bb_try_store(), bb_store_space(), bb_store_growth(),
 *	  bb_timeline_states(), bb_source_slot().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stores/source_access.h"
#include "stores/store_access.h"
#include "stores/store_probe.h"
#include "stores/store_timelines.h"
#include "upkeep/growth.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_try_store);
BB_SQL_FUNCTION(bb_sql_store_space);
BB_SQL_FUNCTION(bb_sql_store_growth);
BB_SQL_FUNCTION(bb_sql_timeline_states);
BB_SQL_FUNCTION(bb_sql_source_slot);

/* bb_try_store(store name) */
static Datum
bb_sql_try_store_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	BbObjectStore *objects = bb_store_open(ctx,
										   bb_arg_name(fcinfo, 0, "store"),
										   NULL);
	bool		tried = bb_store_probe(ctx, objects);

	bb_reqctx_end(ctx);
	PG_RETURN_BOOL(tried);
}

/* bb_store_space(store name) */
static Datum
bb_sql_store_space_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbObjectStore *objects = bb_store_open(ctx,
										   bb_arg_name(fcinfo, 0, "store"),
										   NULL);
	BbStoreRoom room = {0};
	bool		local = bb_store_room(objects, &room);

	bb_reqctx_end(ctx);
	(void) bb_result_begin(fcinfo);
	if (local)
		bb_result_row(fcinfo,
					  (Datum[]){Int64GetDatum((int64) room.total),
								Int64GetDatum((int64) room.free)},
					  NULL);
	return (Datum) 0;
}

/* bb_store_growth(store name) */
static Datum
bb_sql_store_growth_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbObjectStore *objects = bb_store_open(ctx,
										   bb_arg_name(fcinfo, 0, "store"),
										   NULL);
	const BbGrowth *growth = bb_growth_read(ctx, objects);

	bb_reqctx_end(ctx);
	(void) bb_result_begin(fcinfo);
	for (int i = 0; i < growth->n; i++)
	{
		const BbGrowthSample *sample = &growth->samples[i];
		bool		nulls[4] = {0};

		nulls[2] = nulls[3] = sample->bytes_total == 0;
		bb_result_row(fcinfo,
					  (Datum[lengthof(
						  nulls)]){TimestampTzGetDatum(sample->at),
								   Int64GetDatum((int64) sample->bytes),
								   Int64GetDatum((int64) sample->bytes_total),
								   Int64GetDatum((int64) sample->bytes_free)},
					  nulls);
	}
	return (Datum) 0;
}

/* A row of bb_timeline_states(); none for a timeline that was dropped. */
static void
state_row(const BbReqCtx *ctx, FunctionCallInfo fcinfo, BbObjectStore *objects,
		  const char *timeline)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, timeline, &error);
	bool		readable = manifest != NULL &&
		bb_manifest_consistent(manifest);
	bool		nulls[5] = {0};
	Datum		values[lengthof(nulls)];
	uint64		bytes = 0;

	if (manifest == NULL && error == NULL)
		return;
	for (int i = 0; manifest != NULL && i < manifest->nlayers; i++)
		bytes += manifest->layers[i].size;
	values[0] = CStringGetTextDatum(timeline);
	values[1] = BoolGetDatum(readable);
	nulls[2] = error == NULL;
	values[2] = error ? bb_text_datum(error->message) : (Datum) 0;
	nulls[3] = error == NULL || error->hint == NULL;
	values[3] = nulls[3] ? (Datum) 0 : bb_text_datum(error->hint);
	nulls[4] = manifest == NULL;
	values[4] = Int64GetDatum((int64) bytes);
	bb_result_row(fcinfo, values, nulls);
}

/* bb_timeline_states(store name) */
static Datum
bb_sql_timeline_states_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbObjectStore *objects = bb_store_open(ctx,
										   bb_arg_name(fcinfo, 0, "store"),
										   NULL);
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_manifest_list(ctx, objects))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		state_row(ctx, fcinfo, objects, lfirst(cell));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_source_slot(source name, slot name) */
static Datum
bb_sql_source_slot_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	const BbSource *source = bb_source_access(
		bb_arg_name(fcinfo, 0, "source"));
	const char *slot = bb_arg_name(fcinfo, 1, "slot");
	BbReplConnection *connection = bb_repl_connect(ctx, &source->target);
	XLogRecPtr	source_lsn = bb_repl_server(connection)->lsn;
	BbReplSlot	found = bb_repl_slot_read(ctx, connection, slot);
	bool		nulls[2] = {0};
	Datum		values[lengthof(nulls)];

	bb_repl_close(connection);
	bb_reqctx_end(ctx);
	(void) bb_result_begin(fcinfo);
	values[0] = bb_result_lsn(found.restart_lsn, &nulls[0]);
	values[1] = LSNGetDatum(source_lsn);
	if (found.exists)
		bb_result_row(fcinfo, values, nulls);
	return (Datum) 0;
}
