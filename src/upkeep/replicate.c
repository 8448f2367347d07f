/*-------------------------------------------------------------------------
 *
 * replicate.c
 *	  A second copy of a timeline, in another page store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "base/compat.h"
#include "layer/layerset.h"
#include "upkeep/copylayer.h"
#include "upkeep/removal.h"
#include "upkeep/replicate.h"
#include "utils/memutils.h"

/* As timeline.c: more generations must be a loop. */
#define ANCESTORS_MAX 64

/* The source's manifest may change so often while layers are copied. */
#define TRIES_MAX 100

/* One timeline and its copy. */
typedef struct Copying
{
	const BbReqCtx *ctx;
	BbObjectStore *from;
	BbObjectStore *to;
	const char *timeline;
	BbManifest *source;
	BbManifest *target;	 /* NULL: none yet */
	List	   *written; /* BbObjectInfo *: layers in the target, by name */
	bool		listed;
	BbReplicated *done;
} Copying;

/* ---- sets of layers ---- */

/* The layers (const BbLayerDesc *) of one manifest that another one lacks. */
static List *
layers_only_in(const BbManifest *manifest, const BbManifest *other)
{
	List	   *only = NIL;
	BbLayerSet *set = bb_layerset_new(other ? other->nlayers : 0);

	for (int i = 0; other != NULL && i < other->nlayers; i++)
		bb_layerset_add(set, &other->layers[i]);
	(void) bb_layerset_complete(set);
	for (int i = 0; i < manifest->nlayers; i++)
		if (!bb_layerset_has(set, &manifest->layers[i]))
			only = lappend(only, &manifest->layers[i]);
	pfree(set->layers);
	pfree(set);
	return only;
}

uint64
bb_replication_behind(const BbManifest *source, const BbManifest *target)
{
	uint64		bytes = 0;
	ListCell   *cell;

	foreach(cell, layers_only_in(source, target))
		bytes += ((const BbLayerDesc *) lfirst(cell))->size;
	return bytes;
}

/* ---- may this be copied over that? ---- */

static void
check_stores(const BbObjectStore *from, const BbObjectStore *to)
{
	if (strcmp(bb_objstore_url(from), bb_objstore_url(to)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source and target of a copy are the same page store"),
				 errdetail("Both are \"%s\".", bb_objstore_url(from))));
}

static void
check_source(const Copying *copying)
{
	const BbManifest *source = copying->source;
	const char *mirrored = source->keeps.copy.source;

	if (!bb_manifest_consistent(source))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" cannot be copied yet",
						source->timeline),
				 errdetail("Its import is not complete."),
				 errhint("Try again when it is.")));
	if (mirrored != NULL &&
		strcmp(mirrored, bb_objstore_url(copying->to)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" of page store \"%s\" is itself a copy of the one in page store \"%s\"",
						source->timeline, bb_objstore_url(copying->from),
						mirrored),
				 errhint("Copy in the other direction. If a call of bb_move() was interrupted, call it again.")));
}

/*
 * Is the target a copy of the timeline that is the source now?  That may have
 * been dropped, and another one made of its name: then the copy is all that is
 * left of it.  A branch that has no layers yet has no origin.
 */
static bool
same_origin(const BbManifest *source, const BbManifest *target,
			const char *from)
{
	uint64		origin = bb_manifest_origin(target);

	return origin == 0 ? strcmp(target->keeps.copy.source, from) == 0
					   : origin == bb_manifest_origin(source);
}

static void
check_target(const Copying *copying)
{
	const BbManifest *source = copying->source;
	const BbManifest *target = copying->target;
	const char *from = bb_objstore_url(copying->from);
	const char *detail = NULL;
	XLogRecPtr	source_end;
	XLogRecPtr	target_end;

	if (target == NULL)
		return;
	if (target->keeps.copy.source == NULL)
		detail = "It is no copy.";
	else if (target->system_identifier != source->system_identifier)
		detail = "It is of another cluster.";
	else if (!same_origin(source, target, from))
		detail = strcmp(target->keeps.copy.source, from) == 0
			? "The one there was made anew since it was copied."
			: psprintf("It is a copy of the one in page store \"%s\".",
					   target->keeps.copy.source);
	if (detail != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" of page store \"%s\" is not a copy of the one in page store \"%s\"",
						target->timeline, bb_objstore_url(copying->to), from),
				 errdetail_internal("%s", detail),
				 errhint("Copy to another page store, or drop that timeline first.")));
	/* what is above an open gap may be undone in the source */
	source_end = bb_manifest_readable(source).end_lsn;
	target_end = bb_manifest_readable(target).end_lsn;
	if (target_end > source_end)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the copy of timeline \"%s\" in page store \"%s\" is ahead of its source",
						target->timeline, bb_objstore_url(copying->to)),
				 errdetail("The copy ends at " BB_LSN_FORMAT ", the source at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(target_end),
						   LSN_FORMAT_ARGS(source_end)),
				 errhint("If the source was restored from an older state, decide which of the two goes on: bb_detach_copy() makes the copy independent.")));
}

/* ---- layers ---- */

static int
compare_info(const void *name, const void *info)
{
	return strcmp(name, (*(BbObjectInfo *const *) info)->name);
}

/*
 * Has an interrupted call written the layer already?  Only its name and size say
 * so, therefore it is read.
 */
static bool
is_written(Copying *copying, const BbLayerDesc *layer)
{
	BbWholeObject object = bb_layer_object(copying->timeline, layer);
	BbObjectInfo **infos;
	int			n;
	BbObjectInfo **found;

	if (!copying->listed)
		copying->written = bb_objstore_list(copying->ctx, copying->to,
											psprintf("timelines/%s/layers",
													 copying->timeline));
	copying->listed = true;
	n = list_length(copying->written);
	if (n == 0)
		return false;
	infos = (BbObjectInfo **) copying->written->elements;
	found = bsearch(object.name, infos, n, sizeof(BbObjectInfo *),
					compare_info);
	return found != NULL && (*found)->size == layer->size &&
		bb_copylayer_is_whole(copying->ctx, copying->to, copying->timeline,
							  layer);
}

/*
 * A layer that the source names was retired in the target: the source was put
 * back to an older state.  Its object may be removed at any time.
 */
static void
check_not_retired(const Copying *copying, const BbLayerDesc *layer)
{
	const BbKeeps *keeps = &copying->target->keeps;

	for (int i = 0; i < keeps->nretired; i++)
		if (keeps->retired[i].layer.file_id == layer->file_id)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("layer \"%s\" was retired in the copy of timeline \"%s\"",
							bb_layer_name(layer), copying->timeline),
					 errdetail("The source names it again."),
					 errhint("Try again after bbackup.removal_delay, when upkeep has removed it.")));
}

/* Returns false if the source doesn't have the layer. */
static bool
copy_layer(Copying *copying, const BbLayerDesc *layer)
{
	BbReplicated *done = copying->done;

	if (copying->target != NULL)
		check_not_retired(copying, layer);
	if (is_written(copying, layer))
	{
		done->layers_found++;
		return true;
	}
	if (!bb_copylayer(copying->ctx, copying->from, copying->to,
					  copying->timeline, layer))
		return false;
	done->layers_copied++;
	done->bytes_copied += layer->size;
	return true;
}

static bool
has_layer(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id &&
			bb_key_compare(&manifest->layers[i].keys.start,
						   &layer->keys.start) == 0)
			return true;
	return false;
}

/*
 * The source has lost a layer, or upkeep has replaced and removed it in the
 * meantime.  Then there is a newer manifest.
 */
static void
read_source_again(Copying *copying, const BbLayerDesc *lost)
{
	copying->source = bb_manifest_read(copying->ctx, copying->from,
									   copying->timeline);
	check_source(copying);
	if (has_layer(copying->source, lost))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("layer \"%s\" of page store \"%s\" does not exist, and is not copied",
						bb_layer_object_name(copying->timeline, lost),
						bb_objstore_url(copying->from)),
				 errhint("bb_verify() shows what is lost. The copy stays as it was.")));
}

/*
 * Copy all layers that are missing.  Returns false if the source's manifest has
 * changed: then more may be missing.
 */
static bool
copy_layers(Copying *copying)
{
	ListCell   *cell;

	foreach(cell, layers_only_in(copying->source, copying->target))
	{
		const BbLayerDesc *layer = lfirst(cell);

		if (!copy_layer(copying, layer))
		{
			read_source_again(copying, layer);
			/* what was written so far is found in a new list */
			copying->listed = false;
			return false;
		}
	}
	return true;
}

/* ---- the manifest ---- */

static bool
can_be_read(const BbManifest *manifest, XLogRecPtr lsn)
{
	return (lsn >= manifest->start_lsn && lsn <= manifest->end_lsn &&
			bb_gap_at(manifest->gaps, manifest->ngaps, lsn) == NULL) ||
		bb_keeps_has_point(&manifest->keeps, lsn);
}

/*
 * A branch in the target, of the copy, has to stay readable.  A timeline whose
 * manifest can't be read may be one.
 */
static void
check_branches(const Copying *copying)
{
	ListCell   *cell;

	foreach(cell, bb_manifest_list(copying->ctx, copying->to))
	{
		ErrorData  *error;
		BbManifest *branch = bb_manifest_try(copying->ctx, copying->to,
											 lfirst(cell), &error);

		bb_manifest_refuse_newer(error);
		if (error != NULL && strcmp(lfirst(cell), copying->timeline) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the copy of timeline \"%s\" is not updated, because timeline \"%s\" might be a branch of it",
							copying->timeline, (char *) lfirst(cell)),
					 errdetail("The manifest of timeline \"%s\" cannot be read: %s.",
							   (char *) lfirst(cell), error->message),
					 errhint("Restore that manifest from a copy of page store \"%s\", or drop timeline \"%s\".",
							 bb_objstore_url(copying->to),
							 (char *) lfirst(cell))));
		if (branch != NULL && branch->ancestor != NULL &&
			strcmp(branch->ancestor, copying->timeline) == 0 &&
			!can_be_read(copying->source, branch->ancestor_lsn))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the copy of timeline \"%s\" is not updated, because its branch \"%s\" needs LSN " BB_LSN_FORMAT,
							copying->timeline, branch->timeline,
							LSN_FORMAT_ARGS(branch->ancestor_lsn)),
					 errdetail("The source can be read from " BB_LSN_FORMAT " on.",
							   LSN_FORMAT_ARGS(copying->source->start_lsn)),
					 errhint("Drop that branch of page store \"%s\".",
							 bb_objstore_url(copying->to))));
	}
}

/* Is there an LSN that the target can be read at now, and not afterwards? */
static bool
takes_away(const BbManifest *source, const BbManifest *target)
{
	if (source->start_lsn > target->start_lsn ||
		source->ngaps != target->ngaps)
		return true;
	for (int i = 0; i < target->keeps.npoints; i++)
		if (!can_be_read(source, target->keeps.points[i].lsn))
			return true;
	return false;
}

/* Set what is retired in the target after the commit. */
static void
set_retired(Copying *copying, BbManifest *next)
{
	const BbManifest *target = copying->target;
	List	   *gone = NIL;
	BbKeeps	   *keeps = &next->keeps;
	ListCell   *cell;

	keeps->nretired = 0;
	keeps->retired = NULL;
	if (target == NULL)
		return;
	gone = layers_only_in(target, copying->source);
	copying->done->layers_retired = list_length(gone);
	keeps->nretired = target->keeps.nretired;
	keeps->retired = MemoryContextAllocHuge(CurrentMemoryContext,
											(keeps->nretired +
											 list_length(gone) + 1) *
												sizeof(BbRetired));
	if (keeps->nretired > 0)
		memcpy(keeps->retired, target->keeps.retired,
			   keeps->nretired * sizeof(BbRetired));
	foreach(cell, gone)
		keeps->retired[keeps->nretired++] = (BbRetired){
			.layer = *(const BbLayerDesc *) lfirst(cell), .since = time(NULL)};
}

/*
 * Commit.  Returns false, with the target read again, if its manifest has
 * changed: upkeep has forgotten retired layers.
 */
static bool
commit(Copying *copying)
{
	const BbManifest *target = copying->target;
	BbManifest	next = *copying->source;

	if (target != NULL && takes_away(copying->source, target))
	{
		bb_manifest_lock_tree(copying->ctx, copying->to);
		check_branches(copying);
	}
	next.tag = target ? target->tag : BB_OBJECT_ABSENT;
	next.generation = target ? target->generation : 0;
	next.keeps.copy = (BbCopyMark){.source = pstrdup(
									   bb_objstore_url(copying->from)),
								   .generation = copying->source->generation,
								   .copied_at = time(NULL)};
	set_retired(copying, &next);
	if (bb_manifest_commit(copying->ctx, copying->to, &next))
		return true;
	copying->target = bb_manifest_find(copying->ctx, copying->to,
									   copying->timeline);
	check_target(copying);
	return false;
}

/* ---- one timeline ---- */

static bool
is_up_to_date(const Copying *copying)
{
	const BbManifest *target = copying->target;

	return target != NULL &&
		target->keeps.copy.generation == copying->source->generation &&
		strcmp(target->keeps.copy.source, bb_objstore_url(copying->from)) ==
		0 &&
		list_length(layers_only_in(copying->source, target)) == 0;
}

static void
read_both(Copying *copying)
{
	copying->source = bb_manifest_read(copying->ctx, copying->from,
									   copying->timeline);
	copying->target = bb_manifest_find(copying->ctx, copying->to,
									   copying->timeline);
	check_source(copying);
	check_target(copying);
}

/* No other upkeep touches a copy, so its retired layers are removed here. */
static void
remove_retired(const Copying *copying)
{
	BbManifest *target = bb_manifest_read(copying->ctx, copying->to,
										  copying->timeline);

	if (bb_removal_list(target, time(NULL)) != NIL)
		(void) bb_removal_run(copying->ctx, copying->to, target, time(NULL));
}

static void
copy_timeline(Copying *copying)
{
	/* check first, since the lock makes a directory */
	read_both(copying);
	bb_manifest_lock(copying->ctx, copying->to, copying->timeline);
	read_both(copying);
	for (int tries = 1; !is_up_to_date(copying); tries++)
	{
		if (copy_layers(copying) && commit(copying))
			break;
		if (tries == TRIES_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("timeline \"%s\" changes faster than it is copied",
							copying->timeline),
					 errdetail("Its layers were removed %d times before they could be copied.",
							   TRIES_MAX),
					 errhint("Raise bbackup.removal_delay, or the rate of the copy.")));
	}
	remove_retired(copying);
	copying->done->end_lsn = copying->source->end_lsn;
	copying->done->end_time = copying->source->end_time;
	copying->done->generation = copying->source->generation;
}

BbReplicated *
bb_replication_one(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
				   const char *timeline)
{
	MemoryContext caller = CurrentMemoryContext;
	Copying		copying = {.ctx = ctx,
						   .from = from,
						   .to = to,
						   .timeline = pstrdup(timeline),
						   .done = palloc0(sizeof(BbReplicated))};
	/* the locks end with it */
	MemoryContext operation = AllocSetContextCreate(caller, "bbackup copy",
													ALLOCSET_DEFAULT_SIZES);

	check_stores(from, to);
	copying.done->timeline = copying.timeline;
	MemoryContextSwitchTo(operation);
	copy_timeline(&copying);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(operation);
	return copying.done;
}

List *
bb_replication_run(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
				   const char *timeline)
{
	List	   *names = NIL;
	List	   *done = NIL;
	ListCell   *cell;

	check_stores(from, to);
	for (const char *name = timeline; name != NULL;
		 name = bb_manifest_read(ctx, from, name)->ancestor)
	{
		if (list_length(names) > ANCESTORS_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("timeline \"%s\" has too many ancestors",
							timeline)));
		names = lcons(unconstify(char *, name), names);
	}
	foreach(cell, names)
		done = lappend(done, bb_replication_one(ctx, from, to, lfirst(cell)));
	return done;
}

/* ---- the end of a copy ---- */

void
bb_replication_detach(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext operation = AllocSetContextCreate(caller, "bbackup detach",
													ALLOCSET_DEFAULT_SIZES);
	BbManifest *manifest;

	MemoryContextSwitchTo(operation);
	(void) bb_manifest_read(ctx, objects, timeline);
	bb_manifest_lock(ctx, objects, timeline);
	do
	{
		manifest = bb_manifest_read(ctx, objects, timeline);
		if (manifest->keeps.copy.source == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("timeline \"%s\" is not a copy", timeline)));
		manifest->keeps.copy = (BbCopyMark){0};
	} while (!bb_manifest_commit(ctx, objects, manifest));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(operation);
}
