/*-------------------------------------------------------------------------
 *
 * manifest_edit.c
 *	  Changes of a manifest beside other writers: apply, put, or read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/manifest_apply.h"
#include "utils/memutils.h"

/* Beside one other writer, a second attempt usually succeeds. */
#define TRIES_MAX 16

/* ---- does the edit conflict with other commits? ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Only a branch without layers has no origin. */
static bool
same_origin(const BbManifest *base, const BbManifest *current)
{
	uint64		origin = bb_manifest_origin(base);

	return origin == 0 || origin == bb_manifest_origin(current);
}

/*
 * Can "current" be a later state of the base?  This can't be known for sure;
 * see check_added.
 */
static bool
is_later(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbManifest *base = edit->base;
	XLogRecPtr	end_lsn = base->end_lsn;

	/* the edit itself may move it back, and its answer may have been lost */
	if (edit->end != NULL)
		end_lsn = Min(end_lsn, edit->end->end_lsn);
	return current->generation > base->generation &&
		current->end_lsn >= end_lsn &&
		current->system_identifier == base->system_identifier &&
		current->ancestor_lsn == base->ancestor_lsn &&
		same_text(current->ancestor, base->ancestor) &&
		same_origin(base, current);
}

/* An edit that moves the end or the start goes on from that of its base. */
static void
check_ends(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbManifest *base = edit->base;

	if (edit->end != NULL &&
		(current->end_lsn != base->end_lsn ||
		 current->prev_lsn != base->prev_lsn || current->tli != base->tli))
		bb_manifest_edit_refuse(
			edit,
			psprintf("Its end was moved from " BB_LSN_FORMAT
					 " (timeline ID %u) to " BB_LSN_FORMAT
					 " (timeline ID %u).",
					 LSN_FORMAT_ARGS(base->end_lsn), base->tli,
					 LSN_FORMAT_ARGS(current->end_lsn), current->tli));
	if (!XLogRecPtrIsInvalid(edit->start_lsn) &&
		current->start_lsn != base->start_lsn)
		bb_manifest_edit_refuse(
			edit,
			psprintf("Its start was moved from " BB_LSN_FORMAT
					 " to " BB_LSN_FORMAT ".",
					 LSN_FORMAT_ARGS(base->start_lsn),
					 LSN_FORMAT_ARGS(current->start_lsn)));
	/* the start was chosen by the time of the end */
	if (edit->points != NULL &&
		bb_manifest_readable(current).end_time <
			bb_manifest_readable(base).end_time)
		bb_manifest_edit_refuse(edit, "The time of its end was set back.");
}

/*
 * Are the layers to add still there?  If the timeline was dropped after they
 * were written, they were removed before "current" could be made.  If it is
 * dropped from now on, the put fails.
 */
static void
check_added(const BbReqCtx *ctx, BbObjectStore *objects,
			const BbManifestEdit *edit)
{
	ListCell   *cell;

	foreach(cell, edit->added)
	{
		char	   *name = bb_layer_object_name(edit->base->timeline,
												lfirst(cell));

		bb_object_close(bb_object_open(ctx, objects, name));
	}
}

/*
 * Has another writer made images of the same keys at the same LSN?  Two image
 * layers there could not be read.  (Whatever adds delta layers also removes
 * others, or moves the end, so that is noticed.)
 */
static void
check_images(const BbManifestEdit *edit, const BbManifest *current)
{
	ListCell   *cell;

	foreach(cell, edit->added)
	{
		const BbLayerDesc *added = lfirst(cell);

		for (int i = 0; added->image && i < current->nlayers; i++)
		{
			const BbLayerDesc *layer = &current->layers[i];

			if (layer->image && layer->lsn_start == added->lsn_start &&
				bb_key_compare(&layer->keys.start, &added->keys.end) < 0 &&
				bb_key_compare(&added->keys.start, &layer->keys.end) < 0)
				bb_manifest_edit_refuse(
					edit, "It has an image layer of the same keys and LSN.");
		}
	}
}

/*
 * Raise an error if the edit can't be applied to "current".  Returns true if that
 * has it already.
 */
static bool
check_conflicts(const BbReqCtx *ctx, BbObjectStore *objects,
				const BbManifestEdit *edit, const BbManifest *current)
{
	if (edit->base->tag == BB_OBJECT_ABSENT)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" already exists", edit->base->timeline),
				 errdetail("Another session made it in the meantime.")));
	if (!is_later(edit, current))
		bb_manifest_edit_refuse(
			edit, "It was dropped and made again, or restored from a copy.");
	if (bb_manifest_edit_holds(edit, current))
		return true;
	check_ends(edit, current);
	check_images(edit, current);
	check_added(ctx, objects, edit);
	return false;
}

/* ---- attempts ---- */

/*
 * Another writer was faster.  Returns the manifest as it is now; *done: it has
 * the edit already.
 */
static const BbManifest *
read_again(const BbReqCtx *ctx, BbObjectStore *objects,
		   const BbManifestEdit *edit, bool *done)
{
	const BbManifest *base = edit->base;
	BbManifest *current = bb_manifest_find(ctx, objects, base->timeline);

	*done = false;
	if (current == NULL)
	{
		if (base->tag != BB_OBJECT_ABSENT)
			bb_manifest_edit_refuse(edit, "It was dropped.");
		return base;
	}
	if (bb_manifest_edit_added(edit, current))
		*done = true;
	else if (current->tag != base->tag)
		*done = check_conflicts(ctx, objects, edit, current);
	return current;
}

static void *
copy_array(const void *array, size_t size, MemoryContext context)
{
	void	   *copy = MemoryContextAllocHuge(context, size + 1);

	if (size > 0)
		memcpy(copy, array, size);
	return copy;
}

/* Let all that is kept lie in a context. */
static void
copy_keeps(BbKeeps *keeps, MemoryContext context)
{
	keeps->points = copy_array(keeps->points, keeps->npoints * sizeof(BbPoint),
							   context);
	keeps->retired = copy_array(keeps->retired,
								keeps->nretired * sizeof(BbRetired), context);
	keeps->pins = copy_array(keeps->pins, keeps->npins * sizeof(BbPin),
							 context);
	for (int i = 0; i < keeps->npins; i++)
	{
		BbPin	   *pin = &keeps->pins[i];

		pin->name = MemoryContextStrdup(context, pin->name);
		pin->reason = MemoryContextStrdup(context, pin->reason);
		pin->owner = MemoryContextStrdup(context, pin->owner);
	}
	if (keeps->copy.source != NULL)
		keeps->copy.source = MemoryContextStrdup(context, keeps->copy.source);
}

/* Copy a manifest, but not its layers, into a context. */
static BbManifest *
copy_head(const BbManifest *manifest, MemoryContext context)
{
	BbManifest *copy = MemoryContextAlloc(context, sizeof(BbManifest));

	*copy = *manifest;
	copy->timeline = MemoryContextStrdup(context, manifest->timeline);
	if (manifest->ancestor != NULL)
		copy->ancestor = MemoryContextStrdup(context, manifest->ancestor);
	copy->switches = copy_array(manifest->switches,
								manifest->nswitches * sizeof(BbTliSwitch),
								context);
	copy->gaps = copy_array(manifest->gaps, manifest->ngaps * sizeof(BbGap),
							context);
	copy_keeps(&copy->keeps, context);
	return copy;
}

/*
 * Returns the manifest in place, allocated in "context".  There may be tens of
 * thousands of layers, so they aren't copied more often than necessary.
 */
static BbManifest *
attempt(const BbReqCtx *ctx, BbObjectStore *objects,
		const BbManifestEdit *edit, MemoryContext context)
{
	const BbManifest *current = edit->base;
	BbManifest	next;
	bool		done = false;

	for (int tries = 1; !done; tries++)
	{
		bb_manifest_edit_apply(edit, current, &next, context);
		if (bb_manifest_commit(ctx, objects, &next))
			return copy_head(&next, context);
		pfree(next.layers);
		if (tries == TRIES_MAX)
			bb_manifest_edit_refuse(
				edit,
				psprintf("Other writers were faster %d times.", TRIES_MAX));
		current = read_again(ctx, objects, edit, &done);
	}
	next = *current;
	next.layers = copy_array(current->layers,
							 current->nlayers * sizeof(BbLayerDesc), context);
	return copy_head(&next, context);
}

BbManifest *
bb_manifest_edit(const BbReqCtx *ctx, BbObjectStore *objects,
				 const BbManifestEdit *edit)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller,
												  "bbackup manifest edit",
												  ALLOCSET_DEFAULT_SIZES);
	BbManifest *result;

	MemoryContextSwitchTo(scratch);
	result = attempt(ctx, objects, edit, caller);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return result;
}
