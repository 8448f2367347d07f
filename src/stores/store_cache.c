/*-------------------------------------------------------------------------
 *
 * store_cache.c
 *	  The layers of a page store in its cache: prefetch and eviction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/prefetch.h"
#include "layer/manifest.h"
#include "process/sessionworker.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_cache.h"
#include "stores/store_options.h"
#include "stores/store_timelines.h"

void
bb_store_need_cache(const BbObjectStore *objects, const char *server)
{
	BbResidency residency = bb_objstore_residency(objects);

	if (residency == BB_RESIDENT_ALL || residency == BB_RESIDENT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has no cache", server),
				 residency == BB_RESIDENT_ALL
				 ? errdetail("It is a local directory, so its layers are "
							 "always resident.")
				 : errhint("ALTER SERVER %s OPTIONS (ADD "
						   BB_OPTION_CACHE_DIRECTORY " '/directory').",
						   server)));
}

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
			 errhint("bb_layers() lists them. The layers of an ancestor belong to "
					 "its timeline.")));
}

bool
bb_store_evict(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline, const char *layer)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);
	const BbLayerDesc *desc = find_layer(manifest, layer);
	BbWholeObject object = bb_layer_object(timeline, desc);
	BbEviction	eviction = bb_object_evict(objects, &object);

	if (eviction == BB_EVICTION_IN_USE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("layer \"%s\" is in use", layer),
				 errdetail("A running call reads it."),
				 errhint("Try again later; bb_access_stats shows the running "
						 "calls.")));
	return eviction == BB_EVICTED;
}

/* ---- prefetch ---- */

typedef struct Payload
{
	uint64		parent_call_id;
	uint64		options_hash; /* as the starter sees the store */
	XLogRecPtr	lsn;		  /* Invalid: the end of the timeline */
	bool		full;
	char		server[NAMEDATALEN];
	char		timeline[BB_TIMELINE_NAME_MAX + 1];
} Payload;

void
bb_prefetch_task(const void *payload, size_t length)
{
	const Payload *task = payload;
	const BbReqCtx *ctx;
	BbPageStore *store;
	BbSnapshot	snapshot;
	BbPrefetch *prefetch;

	/* it is there to download, whatever bbackup.download_behavior says */
	ctx = bb_reqctx_detached_child_of(task->parent_call_id, BB_TASK_PREFETCH,
									  BB_DOWNLOAD_ALLOW);
	bb_calls_describe(ctx, &(BbCallAbout){.function = "bb_prefetch"});
	store = bb_store_timeline_same(ctx, task->server, task->timeline,
								   task->options_hash);
	snapshot = bb_store_snapshot(ctx, store, task->lsn);
	prefetch = bb_prefetch_new(ctx, &snapshot, task->full);
	(void) bb_sessionworker_put(ctx, &ctx->call_id, sizeof(ctx->call_id));
	bb_prefetch_run(ctx, prefetch);
	bb_reqctx_end(ctx);
}

uint64
bb_store_prefetch(const BbReqCtx *ctx, const char *server,
				  const char *timeline, XLogRecPtr lsn, bool full, bool wait)
{
	Payload		payload = {.parent_call_id = ctx->call_id,
						   .lsn = lsn,
						   .full = full};
	BbSessionWorkerRequest request = {.task = BB_PREFETCH_TASK,
									  .payload = &payload,
									  .payload_length = sizeof(payload)};
	BbStoreAccess access;
	BbSessionWorker *worker;
	const void *message;
	size_t		length;
	uint64		call_id;

	bb_calls_describe(ctx, &(BbCallAbout){.lsn = lsn});
	access = bb_store_access(ctx, server, timeline);
	bb_store_need_cache(bb_objstore_open(ctx, access.url, &access.options),
						server);
	bb_timeline_name_check(timeline);
	payload.options_hash = access.options_hash;
	strlcpy(payload.server, server, sizeof(payload.server));
	strlcpy(payload.timeline, timeline, sizeof(payload.timeline));

	worker = bb_sessionworker_start(ctx, &request);
	if (bb_sessionworker_receive(ctx, worker, true, &message, &length) !=
			BB_WORKER_MESSAGE ||
		length != sizeof(call_id))
		elog(ERROR, "background worker for prefetch sent no call_id");
	memcpy(&call_id, message, sizeof(call_id));
	if (wait)
	{
		while (bb_sessionworker_receive(ctx, worker, true, &message,
										&length) != BB_WORKER_ENDED)
			;
		bb_sessionworker_stop(worker);
	}
	else
		bb_sessionworker_detach(worker);
	return call_id;
}
