/*-------------------------------------------------------------------------
 *
 * removal.c
 *	  The end of a layer: retired layers' objects are removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "layer/manifest_edit.h"
#include "upkeep/removal.h"

bool
bb_removal_due(const BbRetired *retired, int64 now)
{
	/* a negative age is below any delay */
	return now - retired->since >= bb_setting_removal_delay_s;
}

List *
bb_removal_list(const BbManifest *manifest, int64 now)
{
	List	   *due = NIL;

	for (int i = 0; i < manifest->keeps.nretired; i++)
		if (bb_removal_due(&manifest->keeps.retired[i], now))
			due = lappend(due, &manifest->keeps.retired[i].layer);
	return due;
}

List *
bb_removal_future(const BbManifest *manifest, int64 now)
{
	List	   *future = NIL;

	for (int i = 0; i < manifest->keeps.nretired; i++)
		if (manifest->keeps.retired[i].since > now)
			future = lappend(future, &manifest->keeps.retired[i].layer);
	return future;
}

uint64
bb_removal_sum(List *layers)
{
	uint64		sum = 0;
	ListCell   *cell;

	foreach(cell, layers)
		sum += ((const BbLayerDesc *) lfirst(cell))->file_id;
	return layers == NIL ? 0 : Max(sum, 1);
}

BbManifest *
bb_removal_of(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbManifest *manifest, List *layers)
{
	BbManifestEdit edit = {.base = manifest, .forgotten = layers};
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, layers)
		names = lappend(names,
						bb_layer_object_name(manifest->timeline,
											 lfirst(cell)));
	(void) bb_objstore_remove_all(ctx, objects, names);
	return bb_manifest_edit(ctx, objects, &edit);
}

BbManifest *
bb_removal_run(const BbReqCtx *ctx, BbObjectStore *objects,
			   const BbManifest *manifest, int64 now)
{
	BbManifest *current = bb_manifest_read(ctx, objects, manifest->timeline);
	List	   *due = bb_removal_list(current, now);

	return due == NIL ? current : bb_removal_of(ctx, objects, current, due);
}
