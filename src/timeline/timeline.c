/*-------------------------------------------------------------------------
 *
 * timeline.c
 *	  A timeline and its ancestors: opened; point reads.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

/* More generations of branches than this are a loop. */
#define MAX_ANCESTORS 64

static BbTimeline *
open_one(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	BbTimeline *timeline = palloc0(sizeof(BbTimeline));

	timeline->context = CurrentMemoryContext;
	timeline->store = store;
	timeline->manifest = bb_manifest_read(ctx, store, name);
	if (timeline->manifest == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" does not exist in page store \"%s\"",
						name, bb_objstore_url(store)),
				 errhint("bb_timelines() lists the timelines of a page "
						 "store.")));
	timeline->map = bb_layermap_new(timeline->manifest);
	return timeline;
}

BbTimeline *
bb_timeline_open(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	BbTimeline *first = open_one(ctx, store, name);
	BbTimeline *last = first;

	for (int i = 0; last->manifest->ancestor != NULL; i++)
	{
		if (i == MAX_ANCESTORS)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("timeline \"%s\" has too many ancestors", name)));
		last->ancestor = open_one(ctx, store, last->manifest->ancestor);
		last = last->ancestor;
	}
	return first;
}

const BbManifest *
bb_timeline_manifest(const BbTimeline *timeline)
{
	return timeline->manifest;
}

int
bb_timeline_find(BbTimeline *timeline, const BbKey *key, XLogRecPtr lsn,
				 BbTimeline **owner, BbKey *until)
{
	for (BbTimeline *t = timeline; t != NULL; t = t->ancestor)
	{
		int			index = bb_layermap_image(t->map, key, lsn, until);

		if (index >= 0)
		{
			*owner = t;
			return index;
		}
		lsn = Min(lsn, t->manifest->ancestor_lsn);
	}

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("timeline \"%s\" has no layer for %s at %X/%X",
					timeline->manifest->timeline, bb_key_text(key),
					LSN_FORMAT_ARGS(lsn))));
}

/*
 * A layer of this timeline, opened, in the place of the one that was used
 * longest ago if need be.
 */
static BbLayer *
open_layer(const BbReqCtx *ctx, BbTimeline *timeline, int index)
{
	int			oldest = 0;
	MemoryContext old;

	timeline->clock++;
	for (int i = 0; i < BB_OPEN_LAYERS; i++)
	{
		if (timeline->open[i].layer && timeline->open[i].index == index)
		{
			timeline->open[i].used = timeline->clock;
			return timeline->open[i].layer;
		}
		if (timeline->open[i].used < timeline->open[oldest].used)
			oldest = i;
	}

	if (timeline->open[oldest].layer)
	{
		bb_layer_close(timeline->open[oldest].layer);
		timeline->open[oldest].layer = NULL;
	}
	old = MemoryContextSwitchTo(timeline->context);
	timeline->open[oldest].layer =
		bb_layer_open(ctx, timeline->store, timeline->manifest->timeline,
					  &timeline->manifest->layers[index]);
	MemoryContextSwitchTo(old);
	timeline->open[oldest].index = index;
	timeline->open[oldest].used = timeline->clock;
	return timeline->open[oldest].layer;
}

bool
bb_timeline_get(const BbReqCtx *ctx, BbTimeline *timeline, const BbKey *key,
				XLogRecPtr lsn, BbEntry *entry)
{
	BbTimeline *owner;
	BbKey		until = bb_key_range_all().end;
	int			index = bb_timeline_find(timeline, key, lsn, &owner, &until);

	if (!bb_layer_get(ctx, open_layer(ctx, owner, index), key, entry))
		return false;
	BB_COUNT(ctx, images_used, 1);
	return true;
}
