/*-------------------------------------------------------------------------
 *
 * store_cache.c
 *	  The layers of a page store in its cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest.h"
#include "stats/calls.h"
#include "stores/store_cache.h"
#include "stores/store_options.h"

void
bb_store_need_cache(const BbObjectStore *objects, const char *server)
{
	if (bb_objstore_residency(objects) == BB_RESIDENT_ALL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has no cache", server),
				 errdetail("It is a local directory, so its layers are always "
						   "resident.")));
	if (bb_objstore_residency(objects) == BB_RESIDENT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has no cache", server),
				 errhint("ALTER SERVER %s OPTIONS (ADD "
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
	BbManifest *manifest;
	BbWholeObject object;
	BbEviction	eviction;

	bb_calls_describe(ctx, &(BbCallAbout){.timeline = timeline});
	manifest = bb_manifest_read(ctx, objects, timeline);
	object = bb_layer_object(timeline, find_layer(manifest, layer));
	eviction = bb_object_evict(objects, &object);
	if (eviction == BB_EVICTION_IN_USE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("layer \"%s\" is in use", layer),
				 errdetail("A running call reads it."),
				 errhint("Try again later; bb_access_stats shows the running "
						 "calls.")));
	return eviction == BB_EVICTED;
}
