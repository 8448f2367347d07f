/*-------------------------------------------------------------------------
 *
 * gather.c
 *	  Gathering the history of one key across layers and ancestors.
 *
 * The delta layers of the timeline are read newest first, down to its image
 * layer of the key.  If it has none, its ancestor is read in the same way,
 * from the branch point on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"

/*
 * Note that a point read uses blocks of a layer.  If there are too many such
 * layers, the blocks of the one that was used longest ago are freed.
 */
static void
touch_layer(BbTimeline *timeline, BbLayer *layer)
{
	int			oldest = 0;

	timeline->clock++;
	for (int i = 0; i < BB_RECENT_LAYERS; i++)
	{
		if (timeline->recent[i].layer == layer)
		{
			timeline->recent[i].used = timeline->clock;
			return;
		}
		if (timeline->recent[i].used < timeline->recent[oldest].used)
			oldest = i;
	}
	if (timeline->recent[oldest].layer)
		bb_layer_forget(timeline->recent[oldest].layer);
	timeline->recent[oldest].layer = layer;
	timeline->recent[oldest].used = timeline->clock;
}

/*
 * Gather from the delta layers of one timeline, above floor up to ceiling.
 */
static void
gather_deltas(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr floor,
			  XLogRecPtr ceiling, BbPageHistory *history)
{
	int			run = 0;
	int			index;

	while (!history->complete &&
		   (index = bb_layermap_next_delta(timeline->map, &history->key, floor,
										   ceiling, &run)) >= 0)
	{
		BbLayer	   *layer = bb_timeline_layer(ctx, timeline, index);

		if (!bb_layer_may_hold(ctx, layer, &history->key))
		{
			BB_COUNT(ctx, layers_skipped, 1);
			continue;
		}
		touch_layer(timeline, layer);
		bb_layer_collect(ctx, layer, floor, ceiling, history);
	}
}

void
bb_timeline_gather(const BbReqCtx *ctx, BbTimeline *timeline, const BbKey *key,
				   XLogRecPtr lsn, BbPageHistory *history)
{
	BbKey		until = bb_key_range_all().end;
	BbTimeline *owner;
	int			depth;
	int			index;
	BbTimeline *t = timeline;
	XLogRecPtr	ceiling = lsn;
	XLogRecPtr	floor;
	BbEntry		entry;

	bb_history_reset(history, key);
	index = bb_timeline_image(timeline, key, lsn, &owner, &depth, &until);
	floor = owner->manifest->layers[index].lsn_start;

	for (; t != owner && !history->complete; t = t->ancestor)
	{
		gather_deltas(ctx, t, InvalidXLogRecPtr, ceiling, history);
		ceiling = Min(ceiling, t->manifest->ancestor_lsn);
	}
	if (!history->complete)
		gather_deltas(ctx, owner, floor, ceiling, history);
	if (!history->complete)
	{
		BbLayer	   *layer = bb_timeline_layer(ctx, owner, index);

		touch_layer(owner, layer);
		if (bb_layer_get(ctx, layer, key, &entry))
		{
			BB_COUNT(ctx, images_used, 1);
			bb_history_set_base(history, &entry);
		}
		history
			->complete = true; /* a key that it doesn't have doesn't exist */
	}
	bb_history_reverse(history);
}
