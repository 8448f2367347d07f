/*-------------------------------------------------------------------------
 *
 * commit.c
 *	  Commits what a job of upkeep has made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "layer/manifest_edit.h"
#include "upkeep/commit.h"
#include "upkeep/rewrite.h"
#include "utils/memutils.h"

/* Does a manifest name the layer, even as retired? */
static bool
is_named(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id)
			return true;
	for (int i = 0; i < manifest->keeps.nretired; i++)
		if (manifest->keeps.retired[i].layer.file_id == layer->file_id)
			return true;
	return false;
}

/*
 * Remove the layers of an edit that was refused.
 *
 * An earlier attempt may have succeeded without an answer, and other sessions may
 * have gone on since.  So the manifest is looked at again.
 */
static void
discard(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
		List *added)
{
	BbManifest *current = bb_manifest_find(ctx, objects, timeline);
	List	   *unnamed = NIL;
	ListCell   *cell;

	foreach(cell, added)
		if (current == NULL || !is_named(current, lfirst(cell)))
			unnamed = lappend(unnamed, lfirst(cell));
	bb_rewrite_discard(ctx, objects, timeline, unnamed);
}

/* Apply the edit.  NULL: it was refused. */
static BbManifest *
try_edit(const BbReqCtx *ctx, BbObjectStore *objects,
		 const BbManifestEdit *edit)
{
	MemoryContext caller = CurrentMemoryContext;
	BbManifest *volatile next = NULL;

	PG_TRY();
	{
		next = bb_manifest_edit(ctx, objects, edit);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		if (error->sqlerrcode != ERRCODE_OBJECT_IN_USE)
			ReThrowError(error);
		ereport(DEBUG1,
				(errmsg_internal("upkeep of timeline \"%s\" was refused: %s",
								 edit->base->timeline,
								 error->detail ? error->detail
											   : error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	return next;
}

bool
bb_upkeep_commit(const BbReqCtx *ctx, BbObjectStore *objects,
				 const BbManifest *manifest, const BbUpkeepJob *job,
				 List *added, BbManifest **next)
{
	BbManifestEdit edit = {.base = manifest,
						   .added = added,
						   .removed = job->inputs,
						   .retired_at = (int64) time(NULL)};

	switch (job->kind)
	{
		case BB_UPKEEP_MERGE:
		case BB_UPKEEP_SQUASH:
		case BB_UPKEEP_RETIRE:
			break;
		case BB_UPKEEP_IMAGE:
			edit.removed = NIL;
			break;
		default:
			elog(ERROR, "upkeep job of kind %d has no layers to commit",
				 (int) job->kind);
	}
	if (added == NIL && edit.removed == NIL)
	{
		*next = bb_manifest_read(ctx, objects, manifest->timeline);
		return true;
	}
	*next = try_edit(ctx, objects, &edit);
	if (*next == NULL)
		discard(ctx, objects, manifest->timeline, added);
	return *next != NULL;
}
