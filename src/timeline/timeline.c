/*-------------------------------------------------------------------------
 *
 * timeline.c
 *	  A timeline and its ancestors: opened, compared, their layers found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

/* More generations of branches than this must be a loop. */
#define MAX_ANCESTORS 64

/* Open a timeline without its ancestors. */
static BbTimeline *
open_one(BbObjectStore *objects, const BbManifest *manifest)
{
	BbTimeline *timeline = palloc0(sizeof(BbTimeline));
	Size		size;

	timeline->context = CurrentMemoryContext;
	timeline->view = timeline;
	timeline->objects = objects;
	timeline->manifest = manifest;
	timeline->map = bb_layermap_new(manifest);
	size = Max(manifest->nlayers, 1) * sizeof(BbLayer *);
	timeline->layers = palloc_extended(size,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return timeline;
}

/*
 * Is this still the ancestor that the branch was made of?  It may have been
 * restored from an older copy of the page store, or be another timeline of
 * that name.
 */
static void
check_ancestor(const BbManifest *branch, const BbManifest *ancestor)
{
	XLogRecPtr	lsn = branch->ancestor_lsn;
	const char *error = NULL;

	if (ancestor->system_identifier != branch->system_identifier)
		error = "It is of another cluster.";
	else if ((lsn < ancestor->start_lsn &&
			  !bb_keeps_has_point(&ancestor->keeps, lsn)) ||
			 lsn > ancestor->end_lsn)
		error = psprintf("It reaches from " BB_LSN_FORMAT " to " BB_LSN_FORMAT
						 ".",
						 LSN_FORMAT_ARGS(ancestor->start_lsn),
						 LSN_FORMAT_ARGS(ancestor->end_lsn));
	else if (bb_gap_at(ancestor->gaps, ancestor->ngaps, lsn) != NULL)
		error = "That is in one of its gaps.";
	else if (bb_tli_at(ancestor->switches, ancestor->nswitches, ancestor->tli,
					   lsn) !=
			 bb_tli_at(branch->switches, branch->nswitches, branch->tli, lsn))
		error = "Its WAL there is of another timeline ID.";
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("timeline \"%s\" is not the one that \"%s\" branched from at " BB_LSN_FORMAT,
						ancestor->timeline, branch->timeline,
						LSN_FORMAT_ARGS(lsn)),
				 errdetail_internal("%s", error),
				 errhint("Restore timeline \"%s\" from a copy of the page store that has it up to that LSN.",
						 ancestor->timeline)));
}

BbTimeline *
bb_timeline_open(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	return bb_timeline_open_manifest(ctx, objects,
									 bb_manifest_read(ctx, objects, name));
}

BbTimeline *
bb_timeline_open_manifest(const BbReqCtx *ctx, BbObjectStore *objects,
						  const BbManifest *manifest)
{
	BbTimeline *first = open_one(objects, manifest);
	BbTimeline *last = first;

	for (int i = 0; last->manifest->ancestor != NULL; i++)
	{
		const char *name = last->manifest->ancestor;

		if (i == MAX_ANCESTORS)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("timeline \"%s\" has too many ancestors",
							manifest->timeline)));
		last->ancestor = open_one(objects,
								  bb_manifest_read(ctx, objects, name));
		check_ancestor(last->manifest, last->ancestor->manifest);
		if (last->manifest->ancestor_lsn < last->ancestor->manifest->start_lsn)
			bb_layermap_check_point(last->ancestor->map,
									last->manifest->ancestor_lsn);
		last = last->ancestor;
	}
	return first;
}

bool
bb_timeline_is_current(const BbReqCtx *ctx, const BbTimeline *timeline)
{
	for (const BbTimeline *t = timeline; t != NULL; t = t->ancestor)
		if (!bb_manifest_is_current(ctx, t->objects, t->manifest))
			return false;
	return true;
}

uint64
bb_timeline_identity(const BbTimeline *timeline, XLogRecPtr lsn)
{
	const BbManifest *manifest = timeline->manifest;
	uint64		identity = manifest->system_identifier;
	TimeLineID	tli = bb_tli_at(manifest->switches, manifest->nswitches,
								manifest->tli, lsn);
	XLogRecPtr	ceiling = lsn;

	identity = hash_combine64(identity, lsn);
	identity = hash_combine64(identity, tli);
	for (const BbTimeline *t = timeline; t != NULL; t = t->ancestor)
	{
		/* a branch that isn't needed at this LSN may have no layers yet */
		if (t->manifest->ancestor != NULL &&
			ceiling <= t->manifest->ancestor_lsn)
			continue;
		identity = hash_combine64(identity, bb_manifest_origin(t->manifest));
		identity = hash_combine64(identity, ceiling);
		ceiling = Min(ceiling, t->manifest->ancestor_lsn);
	}
	return identity;
}

const BbManifest *
bb_timeline_manifest(const BbTimeline *timeline)
{
	return timeline->manifest;
}

List *
bb_timeline_tlis(const BbReqCtx *ctx, const BbTimeline *timeline)
{
	return bb_manifest_tlis(ctx, timeline->objects,
							timeline->manifest->system_identifier);
}

BbLayer *
bb_timeline_layer(const BbReqCtx *ctx, BbTimeline *timeline, int index)
{
	const BbManifest *manifest = timeline->manifest;

	if (timeline->layers[index] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(timeline->context);

		timeline->layers[index] = bb_layer_open(ctx, timeline->objects,
												manifest->timeline,
												&manifest->layers[index]);
		MemoryContextSwitchTo(old);
	}
	return timeline->layers[index];
}

/* The first read at a point looks whether layers are missing. */
static void
check_point(BbTimeline *timeline, XLogRecPtr lsn)
{
	if (lsn == timeline->checked_point ||
		!bb_keeps_has_point(&timeline->manifest->keeps, lsn))
		return;
	bb_layermap_check_point(timeline->map, lsn);
	timeline->checked_point = lsn;
}

int
bb_timeline_image(BbTimeline *timeline, const BbKey *key, XLogRecPtr lsn,
				  BbTimeline **owner, int *depth, BbKey *until)
{
	XLogRecPtr	ceiling = lsn;

	if (lsn < timeline->manifest->start_lsn)
		check_point(timeline, lsn);
	*depth = 0;
	for (BbTimeline *t = timeline; t != NULL; t = t->ancestor)
	{
		int			index = bb_layermap_image(t->map, key, ceiling, until);

		if (index >= 0)
		{
			*owner = t;
			return index;
		}
		ceiling = Min(ceiling, t->manifest->ancestor_lsn);
		(*depth)++;
	}

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("timeline \"%s\" has no layer for %s at " BB_LSN_FORMAT,
					timeline->manifest->timeline, bb_key_text(key),
					LSN_FORMAT_ARGS(lsn))));
}
