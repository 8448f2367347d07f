/*-------------------------------------------------------------------------
 *
 * point.c
 *	  Point reads: the value of one key at an LSN.
 *
 * The history of the key is gathered from the delta layers of the timeline,
 * newest first, down to its image layer of the key.  If it has none, its
 * ancestor is read in the same way, from the branch point on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/compat.h"
#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

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

/* Gather from the delta layers of one timeline, above floor up to ceiling. */
static void
gather_deltas(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr floor,
			  XLogRecPtr ceiling, BbPageHistory *history)
{
	BbDeltaSearch search = {0};
	int			index;

	while (!history->complete &&
		   (index = bb_layermap_next_delta(timeline->map, &history->key, floor,
										   ceiling, &search)) >= 0)
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

/*
 * Gather the history of a key at lsn, with the changes oldest first.  Its base
 * stays valid until the next point read.
 */
static void
gather(const BbReqCtx *ctx, BbTimeline *timeline, const BbKey *key,
	   XLogRecPtr lsn, BbPageHistory *history)
{
	BbTimeline *owner;
	int			depth;
	int			index;
	BbTimeline *t = timeline->view;
	XLogRecPtr	ceiling = lsn;
	XLogRecPtr	floor;
	BbEntry		entry;

	bb_history_reset(history, key);
	index = bb_timeline_image(timeline->view, key, lsn, &owner, &depth, NULL);
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
		/* a key that the image layer doesn't have doesn't exist */
		history->complete = true;
	}
	bb_history_reverse(history);
}

/* The control file decides whether redo sets checksums, so it has to agree. */
static BbControl *
read_control(const BbTimeline *timeline, const void *data, size_t length,
			 XLogRecPtr lsn)
{
	uint32		version = timeline->manifest->data_checksum_version;
	const BbMajor *major = bb_manifest_major(timeline->manifest);
	BbControl  *control = palloc(sizeof(BbControl));
	char	   *error = bb_control_error(major, data, length);

	if (error == NULL)
	{
		bb_control_read(major, data, control);
		if (control->checksum_version != version)
			error =
				psprintf("It has data checksums of version %u instead of %u.",
						 control->checksum_version, version);
	}
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of timeline \"%s\" at " BB_LSN_FORMAT " is invalid",
						timeline->manifest->timeline, LSN_FORMAT_ARGS(lsn)),
				 errdetail("%s", error)));
	return control;
}

BbControl *
bb_timeline_control(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbPageHistory history;
	BbControl  *control;

	bb_history_init(&history, CurrentMemoryContext);
	gather(ctx, timeline, &key, lsn, &history);
	if (history.base == NULL || history.nchanges > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("timeline \"%s\" has no control file at " BB_LSN_FORMAT,
						timeline->manifest->timeline, LSN_FORMAT_ARGS(lsn))));
	control = read_control(timeline, history.base, history.base_length, lsn);
	bb_history_free(&history);
	return control;
}

/* Open a redo client for pages at lsn, unless the present one fits. */
static void
prepare_redo(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	MemoryContext old;
	BbControl  *control;

	/* a read that was canceled may have left a page to come */
	if (timeline->redo != NULL && bb_redo_pending(timeline->redo) > 0)
		timeline->redo = NULL;
	if (timeline->redo != NULL && timeline->redo_lsn == lsn)
		return;

	/* reading the control file may free the block with the history's base */
	bb_history_keep_base(&timeline->history);
	old = MemoryContextSwitchTo(timeline->context);
	control = bb_timeline_control(ctx, timeline, lsn);
	if (timeline->redo != NULL &&
		memcmp(control->bytes, timeline->control->bytes,
			   sizeof(control->bytes)) == 0)
		pfree(control);
	else
	{
		timeline->redo = NULL;
		timeline->redo = bb_redo_open(ctx, control);
		timeline->control = control;
	}
	timeline->redo_lsn = lsn;
	MemoryContextSwitchTo(old);
}

static bool
get(const BbReqCtx *ctx, BbTimeline *timeline, const BbKey *key,
	XLogRecPtr lsn, BbEntry *entry)
{
	BbPageHistory *history = &timeline->history;

	gather(ctx, timeline, key, lsn, history);
	switch (bb_history_evaluate(timeline, history, timeline->page, entry))
	{
		case BB_OUTCOME_NONE:
			return false;
		case BB_OUTCOME_VALUE:
			return true;
		case BB_OUTCOME_REDO:
			prepare_redo(ctx, timeline, lsn);
			bb_redo_submit(ctx, timeline->redo, history);
			entry->value = bb_redo_next(ctx, timeline->redo);
			return true;
	}
	pg_unreachable();
}

typedef struct GetStep
{
	BbTimeline *timeline;
	const BbKey *key;
	XLogRecPtr	lsn;
	BbEntry	   *entry;
} GetStep;

static bool
attempt_get(const BbReqCtx *ctx, void *arg)
{
	GetStep	   *step = arg;
	BbTimeline *timeline = step->timeline;

	bb_timeline_unuse(timeline, timeline->get_view);
	timeline->get_view = bb_timeline_use(timeline);
	return get(ctx, timeline, step->key, step->lsn, step->entry);
}

bool
bb_timeline_get(const BbReqCtx *ctx, BbTimeline *timeline, const BbKey *key,
				XLogRecPtr lsn, BbEntry *entry)
{
	GetStep		step = {timeline, key, lsn, entry};

	if (timeline->page == NULL)
	{
		bb_history_init(&timeline->history, timeline->context);
		timeline->page = MemoryContextAlloc(timeline->context, BLCKSZ);
	}
	return bb_timeline_step(ctx,
							&(BbTimelineStep){timeline, &timeline->get_view,
											  lsn, attempt_get, NULL, &step});
}
