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

BbManifest *
bb_removal_run(const BbReqCtx *ctx, BbObjectStore *objects,
			   const BbManifest *manifest, int64 now)
{
	BbManifest *current = bb_manifest_read(ctx, objects, manifest->timeline);
	BbManifestEdit edit = {.base = current};
	List	   *names = NIL;
	ListCell   *cell;

	edit.forgotten = bb_removal_list(current, now);
	if (edit.forgotten == NIL)
		return current;
	foreach(cell, edit.forgotten)
		names = lappend(names,
						bb_layer_object_name(current->timeline, lfirst(cell)));
	bb_objstore_remove_all(ctx, objects, names);
	return bb_manifest_edit(ctx, objects, &edit);
}
