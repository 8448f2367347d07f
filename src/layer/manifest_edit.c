/*-------------------------------------------------------------------------
 *
 * manifest_edit.c
 *	  Changes of a manifest beside other writers: apply, put, or read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest_edit.h"
#include "utils/memutils.h"

/* Beside one other writer, a second attempt usually succeeds. */
#define TRIES_MAX 16

pg_noreturn static void
refuse(const BbManifestEdit *edit, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("timeline \"%s\" was changed by another session",
					edit->base->timeline),
			 errdetail_internal("%s", detail), errhint("Try again.")));
}

/* ---- sets of layers ---- */

/* Layers ordered by identity, to look them up. */
typedef struct LayerSet
{
	int			n;
	const BbLayerDesc **layers;
} LayerSet;

static int
compare_layers(const void *a, const void *b)
{
	const BbLayerDesc *left = *(const BbLayerDesc *const *) a;
	const BbLayerDesc *right = *(const BbLayerDesc *const *) b;

	if (left->file_id != right->file_id)
		return left->file_id < right->file_id ? -1 : 1;
	return bb_key_compare(&left->keys.start, &right->keys.start);
}

static bool
has_layer(const LayerSet *set, const BbLayerDesc *layer)
{
	return bsearch(&layer, set->layers, set->n, sizeof(BbLayerDesc *),
				   compare_layers) != NULL;
}

static LayerSet
set_of_list(List *layers)
{
	LayerSet	set = {
		.layers = palloc((list_length(layers) + 1) * sizeof(BbLayerDesc *))};
	ListCell   *cell;

	foreach(cell, layers)
		set.layers[set.n++] = lfirst(cell);
	qsort(set.layers, set.n, sizeof(BbLayerDesc *), compare_layers);
	return set;
}

/* How many layers of a set does a manifest have? */
static int
count_present(const LayerSet *set, const BbManifest *manifest)
{
	int			n = 0;

	for (int i = 0; i < manifest->nlayers; i++)
		n += has_layer(set, &manifest->layers[i]);
	return n;
}

/* ---- does the edit conflict with other commits? ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/*
 * Can "current" be a later state of "base"?  A manifest has no other identity,
 * so this can't be known for sure; see check_added.
 */
static bool
is_later(const BbManifest *base, const BbManifest *current)
{
	return current->generation > base->generation &&
		current->end_lsn >= base->end_lsn &&
		current->system_identifier == base->system_identifier &&
		current->ancestor_lsn == base->ancestor_lsn &&
		same_text(current->ancestor, base->ancestor);
}

/* An edit that moves the end or the start goes on from that of its base. */
static void
check_ends(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbManifest *base = edit->base;

	if (edit->end != NULL &&
		(current->end_lsn != base->end_lsn ||
		 current->prev_lsn != base->prev_lsn || current->tli != base->tli))
		refuse(
			edit,
			psprintf(
				"Its end was moved from %X/%X (timeline ID %u) to %X/%X (timeline ID %u).",
				LSN_FORMAT_ARGS(base->end_lsn), base->tli,
				LSN_FORMAT_ARGS(current->end_lsn), current->tli));
	if (!XLogRecPtrIsInvalid(edit->start_lsn) &&
		current->start_lsn != base->start_lsn)
		refuse(edit,
			   psprintf("Its start was moved from %X/%X to %X/%X.",
						LSN_FORMAT_ARGS(base->start_lsn),
						LSN_FORMAT_ARGS(current->start_lsn)));
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

static void
check_conflicts(const BbReqCtx *ctx, BbObjectStore *objects,
				const BbManifestEdit *edit, const BbManifest *current)
{
	if (edit->base->tag == BB_OBJECT_ABSENT)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" already exists", edit->base->timeline),
				 errdetail("Another session made it in the meantime.")));
	if (!is_later(edit->base, current))
		refuse(edit,
			   "It was dropped and made again, or restored from a copy.");
	check_ends(edit, current);
	check_added(ctx, objects, edit);
}

/* ---- the next manifest ---- */

/* Set the next manifest's layers, which are allocated in "context". */
static void
set_layers(const BbManifestEdit *edit, const BbManifest *current,
		   BbManifest *next, MemoryContext context)
{
	LayerSet	removed = set_of_list(edit->removed);
	Size		n = current->nlayers + list_length(edit->added) + 1;
	ListCell   *cell;

	if (removed.n > 0 && count_present(&removed, current) != removed.n)
		refuse(edit,
			   "A layer that was to be replaced is not part of it any more.");
	next->nlayers = 0;
	next->layers = MemoryContextAllocHuge(context, n * sizeof(BbLayerDesc));
	for (int i = 0; i < current->nlayers; i++)
		if (removed.n == 0 || !has_layer(&removed, &current->layers[i]))
			next->layers[next->nlayers++] = current->layers[i];
	foreach(cell, edit->added)
		next->layers[next->nlayers++] = *(const BbLayerDesc *) lfirst(cell);
}

/* Set what is retired after the edit, allocated in "context". */
static void
set_retired(const BbManifestEdit *edit, const BbManifest *current,
			BbManifest *next, MemoryContext context)
{
	LayerSet	forgotten = set_of_list(edit->forgotten);
	Size		n = current->keeps.nretired + list_length(edit->removed) + 1;
	BbKeeps	   *keeps = &next->keeps;
	ListCell   *cell;

	keeps->nretired = 0;
	keeps->retired = MemoryContextAllocHuge(context, n * sizeof(BbRetired));
	for (int i = 0; i < current->keeps.nretired; i++)
		if (!has_layer(&forgotten, &current->keeps.retired[i].layer))
			keeps->retired[keeps->nretired++] = current->keeps.retired[i];
	if (edit->retired_at == 0)
		return;
	foreach(cell, edit->removed)
		keeps->retired[keeps->nretired++] =
			(BbRetired){.layer = *(const BbLayerDesc *) lfirst(cell),
						.since = edit->retired_at};
}

/*
 * A pin is of an LSN that can be read, and stays where it is.  Pins are added
 * without the lock of those who move the start, so both are checked here, where
 * one of two commits is the first.
 */
static void
check_pin(const BbPin *added, const BbManifest *current)
{
	int			same = bb_keeps_find_pin(&current->keeps, added->name);

	if (same >= 0 && current->keeps.pins[same].lsn != added->lsn)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" has a pin \"%s\" already",
						current->timeline, added->name),
				 errdetail("It is at %X/%X.",
						   LSN_FORMAT_ARGS(current->keeps.pins[same].lsn)),
				 errhint("Remove it by bb_unpin() first, or use another name.")));
	if (added->lsn < current->start_lsn &&
		!bb_keeps_has_point(&current->keeps, added->lsn))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("LSN %X/%X of timeline \"%s\" cannot be read any more",
						LSN_FORMAT_ARGS(added->lsn), current->timeline),
				 errdetail("It can be read from %X/%X to %X/%X.",
						   LSN_FORMAT_ARGS(current->start_lsn),
						   LSN_FORMAT_ARGS(current->end_lsn)),
				 errhint("What has expired does not come back.")));
}

/* Set the pins after the edit, allocated in "context". */
static void
set_pins(const BbManifestEdit *edit, const BbManifest *current,
		 BbManifest *next, MemoryContext context)
{
	BbKeeps	   *keeps = &next->keeps;
	const BbPin *added = edit->pinned;

	if (added == NULL && edit->unpinned == NULL)
		return;
	if (edit->unpinned != NULL &&
		bb_keeps_find_pin(&current->keeps, edit->unpinned) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" has no pin \"%s\"",
						current->timeline, edit->unpinned)));
	if (added != NULL)
		check_pin(added, current);
	keeps->npins = 0;
	keeps->pins = MemoryContextAlloc(context,
									 (current->keeps.npins + 1) *
										 sizeof(BbPin));
	for (int i = 0; i < current->keeps.npins; i++)
	{
		const BbPin *pin = &current->keeps.pins[i];

		if (added != NULL && strcmp(pin->name, added->name) > 0)
		{
			keeps->pins[keeps->npins++] = *added;
			added = NULL;
		}
		if ((edit->unpinned == NULL ||
			 strcmp(pin->name, edit->unpinned) != 0) &&
			(added == NULL || strcmp(pin->name, added->name) != 0))
			keeps->pins[keeps->npins++] = *pin;
	}
	if (added != NULL)
		keeps->pins[keeps->npins++] = *added;
}

/*
 * The points were chosen for the retention and the pins of the base.  A pin
 * that was removed since does no harm.
 */
static void
check_points(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbKeeps *before = &edit->base->keeps;
	const BbKeeps *keeps = &current->keeps;

	if (memcmp(&before->retention, &keeps->retention, sizeof(BbRetention)) !=
		0)
		refuse(edit, "Its retention was changed.");
	for (int i = 0; i < keeps->npins; i++)
	{
		int			same = bb_keeps_find_pin(before, keeps->pins[i].name);

		if (same < 0 || before->pins[same].lsn != keeps->pins[i].lsn ||
			before->pins[same].expires_at != keeps->pins[i].expires_at)
			refuse(edit,
				   psprintf("Its pin \"%s\" was set.", keeps->pins[i].name));
	}
}

/* Without the gaps that end at or before the start. */
static void
drop_gaps(BbManifest *next)
{
	while (next->ngaps > 0 && next->gaps[0].until <= next->start_lsn)
	{
		next->gaps++;
		next->ngaps--;
	}
}

/* Does the edit do nothing but forget retired layers? */
static bool
only_forgets(const BbManifestEdit *edit)
{
	return edit->added == NIL && edit->removed == NIL && edit->end == NULL &&
		XLogRecPtrIsInvalid(edit->start_lsn) && edit->gaps == NULL &&
		edit->retention == NULL && edit->pinned == NULL &&
		edit->unpinned == NULL;
}

static void
apply(const BbManifestEdit *edit, const BbManifest *current, BbManifest *next,
	  MemoryContext context)
{
	const BbManifestEnd *end = edit->end;

	if (current->tag != BB_OBJECT_ABSENT && !only_forgets(edit))
		bb_manifest_check_no_copy(current);
	*next = *current;
	set_layers(edit, current, next, context);
	if (end != NULL)
	{
		next->end_lsn = end->end_lsn;
		next->prev_lsn = end->prev_lsn;
		next->end_time = end->end_time;
		next->tli = end->tli;
		next->nswitches = end->nswitches;
		next->switches = end->switches;
	}
	if (!XLogRecPtrIsInvalid(edit->start_lsn))
		next->start_lsn = edit->start_lsn;
	if (edit->gaps != NULL)
	{
		next->ngaps = edit->gaps->n;
		next->gaps = edit->gaps->gaps;
	}
	set_retired(edit, current, next, context);
	set_pins(edit, current, next, context);
	/* the layers that say it may go */
	if (edit->removed != NIL)
		next->keeps.origin = bb_manifest_origin(current);
	if (edit->retention != NULL)
		next->keeps.retention = *edit->retention;
	if (edit->points != NULL)
	{
		check_points(edit, current);
		next->keeps.npoints = edit->points->n;
		next->keeps.points = edit->points->points;
	}
	if (!XLogRecPtrIsInvalid(edit->start_lsn))
		drop_gaps(next);
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
	LayerSet	added = set_of_list(edit->added);
	BbManifest *current = bb_manifest_find(ctx, objects, base->timeline);

	*done = false;
	if (current == NULL)
	{
		if (base->tag != BB_OBJECT_ABSENT)
			refuse(edit, "It was dropped.");
		return base;
	}
	*done = added.n > 0 && count_present(&added, current) == added.n &&
		(edit->end == NULL || edit->end->end_lsn == current->end_lsn);
	if (!*done && current->tag != base->tag)
		check_conflicts(ctx, objects, edit, current);
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
		apply(edit, current, &next, context);
		if (bb_manifest_commit(ctx, objects, &next))
			return copy_head(&next, context);
		pfree(next.layers);
		if (tries == TRIES_MAX)
			refuse(edit,
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
