/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans: the values of a key range at an LSN, in key order.
 *
 * A scan proceeds by segments: key ranges that are served by one image layer.
 * The delta layers above it are merged (merge.c).  Values of the image layer
 * for whose keys they have no entries pass unchanged:
 *
 *	  image layer cursor --+--------------------------------> value
 *						   |						^
 *	  merged deltas -------+--> history --> evaluate+--> redo
 *												 |			|
 *												 +- queue --+
 *
 * Redo of a page takes a while, so the scan goes on meanwhile.  A queue holds
 * the pages being made and, to keep key order, copies of the values after them
 * that are ready.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

/* How much the cursor of an image layer reads at once. */
#define IMAGE_WINDOW_BYTES (512 * 1024)

/*
 * The length of the queue, as a multiple of the pages that redo wants to have
 * in flight.
 */
#define QUEUE_FACTOR 3

/*
 * A longer history, of a page that is changed all the time, is applied piece
 * by piece.
 */
#define HISTORY_BYTES (4 * 1024 * 1024)

/* A value in the queue. */
typedef struct Slot
{
	BbEntry		entry;
	bool		redo;	   /* redo is making it */
	uint8	   *value;	   /* a copy of the entry's; NULL: not needed yet */
	size_t		allocated; /* of value */
} Slot;

struct BbTimelineScan
{
	MemoryContext context; /* owns the scan */
	BbTimeline *timeline;
	BbTimeline *view;	 /* of it, that the merge and the image are from */
	BbKeyRange	range;	 /* its start rises: keys before it were passed */
	BbKey		horizon; /* keys from here on aren't wanted yet */
	XLogRecPtr	lsn;
	BbMerge	   *merge;

	bool		began;	/* was a value taken from the layers? */
	BbKey		passed; /* the key of the last one */

	/* the segment */
	bool		in_segment;
	BbKey		until; /* its end */
	BbLayerCursor *image;
	bool		image_loaded; /* is image_entry the next, or image_ended true? */
	bool		image_ended;
	BbEntry		image_entry;

	/* the present key */
	BbPageHistory history;
	uint8	   *page;

	BbRedo	   *redo_now; /* for a piece of a history; NULL: not needed yet */
	BbRedo	   *redo;	  /* NULL: not needed yet, and there is no queue */
	Slot	   *queue;	  /* a ring */
	int			queue_length;
	int			first;
	int			queued;
};

BbTimelineScan *
bb_timeline_scan_new(const BbReqCtx *ctx, BbTimeline *timeline,
					 const BbKeyRange *range, XLogRecPtr lsn)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbTimelineScan *scan = palloc0(sizeof(BbTimelineScan));

	scan->context = context;
	scan->timeline = timeline;
	scan->range = *range;
	scan->horizon = range->end;
	scan->lsn = lsn;
	scan->view = bb_timeline_use(timeline);
	scan->merge = bb_merge_new(ctx, scan->view, range, lsn);
	bb_history_init(&scan->history, context);
	scan->page = palloc(BLCKSZ);
	MemoryContextSwitchTo(old);
	return scan;
}

void
bb_timeline_scan_close(BbTimelineScan *scan)
{
	BbTimeline *timeline = scan->timeline;
	BbTimeline *view = scan->view;

	/* cursors go before the layers that they read */
	MemoryContextDelete(scan->context);
	bb_timeline_unuse(timeline, view);
}

/* ---- segments ---- */

static void
enter_segment(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	BbTimeline *owner;
	int			depth;
	int			index;
	BbLayer	   *layer;
	MemoryContext old;

	scan->until = scan->range.end;
	index = bb_timeline_image(scan->view, &scan->range.start, scan->lsn,
							  &owner, &depth, &scan->until);
	layer = bb_timeline_layer(ctx, owner, index);

	old = MemoryContextSwitchTo(scan->context);
	scan->image = bb_layer_cursor_new(ctx, layer, &scan->range.start,
									  InvalidXLogRecPtr, IMAGE_WINDOW_BYTES);
	MemoryContextSwitchTo(old);
	scan->image_loaded = false;
	scan->image_ended = false;
	bb_merge_segment(scan->merge,
					 &(BbKeyRange){scan->range.start, scan->until}, depth,
					 owner->manifest->layers[index].lsn_start);
	scan->in_segment = true;
}

static void
leave_segment(BbTimelineScan *scan)
{
	bb_layer_cursor_close(scan->image);
	scan->in_segment = false;
	scan->range.start = scan->until;
}

/* Return the next entry of the segment's image layer, or NULL. */
static const BbEntry *
peek_image(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	if (!scan->image_loaded)
	{
		scan->image_ended = !bb_layer_cursor_next(ctx, scan->image,
												  &scan->image_entry) ||
			bb_key_compare(&scan->image_entry.key, &scan->until) >= 0;
		scan->image_loaded = true;
	}
	return scan->image_ended ? NULL : &scan->image_entry;
}

/* ---- histories ---- */

/* Open a client of the redo helpers, which lives as long as the scan. */
static BbRedo *
open_redo(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	BbControl  *control = bb_timeline_control(ctx, scan->timeline, scan->lsn);
	BbRedo	   *redo = bb_redo_open(ctx, control);

	pfree(control);
	MemoryContextSwitchTo(old);
	return redo;
}

/* Apply the changes gathered so far, to limit the memory that they take. */
static void
apply_so_far(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	BbEntry		entry;
	const uint8 *page = scan->page;

	if (bb_history_evaluate(scan->timeline, &scan->history, scan->page,
							&entry) == BB_OUTCOME_REDO)
	{
		if (scan->redo_now == NULL)
			scan->redo_now = open_redo(ctx, scan);
		bb_redo_submit(ctx, scan->redo_now, &scan->history);
		page = bb_redo_next(ctx, scan->redo_now);
	}
	bb_history_rebase(&scan->history, page);
}

/*
 * Make the value of the key of "delta", the next entry of the delta layers.
 *
 * "image" is the next entry of the image layer.
 */
static BbOutcome
make_value(const BbReqCtx *ctx, BbTimelineScan *scan, const BbEntry *image,
		   const BbEntry *delta, BbEntry *entry)
{
	BbPageHistory *history = &scan->history;
	BbKey		key = delta->key;

	bb_history_reset(history, &key);
	if (image && bb_key_compare(&image->key, &key) == 0)
	{
		bb_history_set_base(history, image);
		scan->image_loaded = false; /* its value stays until the next step */
	}

	/* there is nothing below the image layer */
	history->complete = true;
	do
	{
		XLogRecPtr	lsn = delta->lsn;

		bb_history_add_newer(history, delta);
		bb_merge_advance(ctx, scan->merge);
		delta = bb_merge_peek(ctx, scan->merge, &key);
		if (delta && bb_key_compare(&delta->key, &key) != 0)
			delta = NULL;
		/* a record that has its image beside it cannot be applied */
		if (history->bytes >= HISTORY_BYTES &&
			(delta == NULL || delta->lsn != lsn))
			apply_so_far(ctx, scan);
	} while (delta);

	return bb_history_evaluate(scan->timeline, history, scan->page, entry);
}

static bool
beyond_horizon(const BbTimelineScan *scan, const BbKey *key)
{
	return bb_key_compare(key, &scan->horizon) >= 0;
}

/*
 * Take the next value of the merge of image and delta layers.  NONE: the end,
 * or the horizon.
 */
static BbOutcome
next_value(const BbReqCtx *ctx, BbTimelineScan *scan, BbEntry *entry)
{
	for (;;)
	{
		const BbEntry *image;
		const BbEntry *delta;

		if (!scan->in_segment)
		{
			if (bb_key_compare(&scan->range.start, &scan->range.end) >= 0 ||
				beyond_horizon(scan, &scan->range.start))
				return BB_OUTCOME_NONE;
			enter_segment(ctx, scan);
		}
		image = peek_image(ctx, scan);
		delta = bb_merge_peek(ctx, scan->merge, &scan->range.start);

		if (image == NULL && delta == NULL)
			leave_segment(scan);
		else if (delta == NULL ||
				 (image && bb_key_compare(&image->key, &delta->key) < 0))
		{
			if (beyond_horizon(scan, &image->key))
				return BB_OUTCOME_NONE;
			BB_COUNT(ctx, images_used, 1);
			*entry = *image;
			scan->image_loaded = false;
			return BB_OUTCOME_VALUE;
		}
		else
		{
			BbOutcome	outcome;

			if (beyond_horizon(scan, &delta->key))
				return BB_OUTCOME_NONE;
			outcome = make_value(ctx, scan, image, delta, entry);
			if (outcome != BB_OUTCOME_NONE)
				return outcome;
		}
	}
}

/* ---- the queue ---- */

static void
open_queue(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	scan->redo = open_redo(ctx, scan);
	scan->queue_length = bb_redo_depth(scan->redo) * QUEUE_FACTOR;
	scan->queue = palloc0(scan->queue_length * sizeof(Slot));
	MemoryContextSwitchTo(old);
}

/* Copy the value of a slot's entry, which has to wait. */
static void
keep_value(const BbTimelineScan *scan, Slot *slot)
{
	BbEntry	   *entry = &slot->entry;

	if (slot->allocated < entry->length)
	{
		if (slot->value)
			pfree(slot->value);
		slot->allocated = Max(entry->length, BLCKSZ);
		slot->value = MemoryContextAlloc(scan->context, slot->allocated);
	}
	memcpy(slot->value, entry->value, entry->length);
	entry->value = slot->value;
}

/* Append a value, or a page that redo makes, to the queue. */
static void
enqueue(const BbReqCtx *ctx, BbTimelineScan *scan, const BbEntry *entry,
		bool redo)
{
	Slot	   *slot;

	if (scan->redo == NULL)
		open_queue(ctx, scan);
	slot = &scan->queue[(scan->first + scan->queued) % scan->queue_length];
	slot->entry = *entry;
	slot->redo = redo;
	if (redo)
		bb_redo_submit(ctx, scan->redo, &scan->history);
	else
		keep_value(scan, slot);
	scan->queued++;
}

static void
dequeue(const BbReqCtx *ctx, BbTimelineScan *scan, BbEntry *entry)
{
	Slot	   *slot = &scan->queue[scan->first];

	if (slot->redo)
		slot->entry.value = bb_redo_next(ctx, scan->redo);
	*entry = slot->entry;
	scan->first = (scan->first + 1) % scan->queue_length;
	scan->queued--;
}

/*
 * Should the scan read ahead?  It should while redo is at work and could do
 * more.  One slot stays free, because it holds the value returned last.
 */
static bool
wants_more(BbTimelineScan *scan)
{
	return bb_redo_pending(scan->redo) > 0 && !bb_redo_full(scan->redo) &&
		scan->queued < scan->queue_length - 1;
}

/* Note that a value was taken, and needs no layer any more. */
static void
pass(BbTimelineScan *scan, const BbEntry *entry)
{
	scan->passed = entry->key;
	scan->began = true;
}

static bool
take_next(const BbReqCtx *ctx, BbTimelineScan *scan, BbEntry *entry)
{
	BbOutcome	outcome;

	if (scan->queued == 0)
	{
		outcome = next_value(ctx, scan, entry);
		if (outcome == BB_OUTCOME_VALUE)
			pass(scan, entry);
		if (outcome != BB_OUTCOME_REDO)
			return outcome == BB_OUTCOME_VALUE;
		enqueue(ctx, scan, entry, true);
		pass(scan, entry);
	}
	while (wants_more(scan))
	{
		outcome = next_value(ctx, scan, entry);
		if (outcome == BB_OUTCOME_NONE)
			break;
		enqueue(ctx, scan, entry, outcome == BB_OUTCOME_REDO);
		pass(scan, entry);
	}
	dequeue(ctx, scan, entry);
	return true;
}

/* ---- when a layer has gone ---- */

/*
 * Go on in the present view, with the first key whose value wasn't taken.  Values
 * in the queue need no layer.
 */
static void
restart(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	BbTimeline *before = scan->view;

	if (scan->in_segment)
		bb_layer_cursor_close(scan->image);
	scan->in_segment = false;
	bb_merge_close(scan->merge);
	scan->view = bb_timeline_use(scan->timeline);
	bb_timeline_unuse(scan->timeline, before);
	if (scan->began)
	{
		BbKey		next = bb_key_next(&scan->passed);

		if (bb_key_compare(&next, &scan->range.start) > 0)
			scan->range.start = next;
	}
	scan->merge = bb_merge_new(ctx, scan->view, &scan->range, scan->lsn);
	MemoryContextSwitchTo(old);
}

/* A step of a scan: the next entry, or a seek to a key. */
typedef struct ScanStep
{
	BbTimelineScan *scan;
	BbEntry	   *entry;
	const BbKey *key;
} ScanStep;

static bool
attempt_next(const BbReqCtx *ctx, void *arg)
{
	ScanStep   *step = arg;

	return take_next(ctx, step->scan, step->entry);
}

static void
restart_step(const BbReqCtx *ctx, void *arg)
{
	restart(ctx, ((ScanStep *) arg)->scan);
}

bool
bb_timeline_scan_next(const BbReqCtx *ctx, BbTimelineScan *scan,
					  BbEntry *entry)
{
	ScanStep	step = {.scan = scan, .entry = entry};

	return bb_timeline_step(ctx,
							&(BbTimelineStep){scan->timeline, &scan->view,
											  scan->lsn, attempt_next,
											  restart_step, &step});
}

/* ---- seeking ---- */

/* Remove values before key from the queue. */
static void
pass_queue(const BbReqCtx *ctx, BbTimelineScan *scan, const BbKey *key)
{
	while (scan->queued > 0 &&
		   bb_key_compare(&scan->queue[scan->first].entry.key, key) < 0)
	{
		BbEntry		passed;

		dequeue(ctx, scan, &passed);
	}
}

static void
seek(const BbReqCtx *ctx, BbTimelineScan *scan, const BbKey *key)
{

	if (scan->in_segment)
	{
		const BbEntry *image = scan->image_loaded ? peek_image(ctx, scan)
												  : NULL;

		if (bb_key_compare(key, &scan->until) >= 0)
			leave_segment(scan);
		else if (!scan->image_ended &&
				 (image == NULL || bb_key_compare(&image->key, key) < 0))
		{
			bb_layer_cursor_seek(ctx, scan->image, key, InvalidXLogRecPtr);
			scan->image_loaded = false;
		}
	}
	scan->range.start = *key;
	bb_merge_seek(scan->merge);
}

static bool
attempt_seek(const BbReqCtx *ctx, void *arg)
{
	ScanStep   *step = arg;

	/* it may have begun anew behind that */
	if (bb_key_compare(step->key, &step->scan->range.start) > 0)
		seek(ctx, step->scan, step->key);
	return true;
}

void
bb_timeline_scan_seek(const BbReqCtx *ctx, BbTimelineScan *scan,
					  const BbKey *key)
{
	ScanStep	step = {.scan = scan, .key = key};

	pass_queue(ctx, scan, key);
	if (scan->queued > 0 || bb_key_compare(key, &scan->range.start) <= 0)
		return;
	(void) bb_timeline_step(ctx,
							&(BbTimelineStep){scan->timeline, &scan->view,
											  scan->lsn, attempt_seek,
											  restart_step, &step});
}

void
bb_timeline_scan_until(BbTimelineScan *scan, const BbKey *key)
{
	scan->horizon = *key;
}
