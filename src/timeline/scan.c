/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans: the values of a key range at an LSN, in key order.
 *
 * A scan goes from layer to layer.  In each it has a cursor, which reads
 * ahead, and it leaves it where the layer ends or a newer one begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

struct BbTimelineScan
{
	MemoryContext context; /* owns the scan */
	BbTimeline *timeline;
	BbKeyRange	range; /* start: what comes next */
	XLogRecPtr	lsn;
	BbLayer    *layer; /* NULL: none open */
	BbLayerCursor *cursor;
	BbKey		until; /* the end of what this layer serves */
};

BbTimelineScan *
bb_timeline_scan_new(const BbReqCtx *ctx, BbTimeline *timeline,
					 const BbKeyRange *range, XLogRecPtr lsn)
{
	MemoryContext context;
	BbTimelineScan *scan;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup scan",
									ALLOCSET_SMALL_SIZES);
	scan = MemoryContextAllocZero(context, sizeof(BbTimelineScan));
	scan->context = context;
	scan->timeline = timeline;
	scan->range = *range;
	scan->lsn = lsn;
	return scan;
}

static void
enter_layer(const BbReqCtx *ctx, BbTimelineScan *scan)
{
	BbTimeline *owner;
	int			index;
	MemoryContext old;

	scan->until = scan->range.end;
	index = bb_timeline_find(scan->timeline, &scan->range.start, scan->lsn,
							 &owner, &scan->until);

	old = MemoryContextSwitchTo(scan->context);
	scan->layer = bb_layer_open(ctx, owner->store, owner->manifest->timeline,
								&owner->manifest->layers[index]);
	scan->cursor = bb_layer_cursor_new(ctx, scan->layer, &scan->range.start);
	MemoryContextSwitchTo(old);
}

static void
leave_layer(BbTimelineScan *scan)
{
	bb_layer_cursor_close(scan->cursor);
	bb_layer_close(scan->layer);
	scan->layer = NULL;
	scan->range.start = scan->until;
}

bool
bb_timeline_scan_next(const BbReqCtx *ctx, BbTimelineScan *scan,
					  BbEntry *entry)
{
	for (;;)
	{
		if (scan->layer == NULL)
		{
			if (bb_key_compare(&scan->range.start, &scan->range.end) >= 0)
				return false;
			enter_layer(ctx, scan);
		}
		if (bb_layer_cursor_next(ctx, scan->cursor, entry) &&
			bb_key_compare(&entry->key, &scan->until) < 0)
		{
			BB_COUNT(ctx, images_used, 1);
			return true;
		}
		leave_layer(scan);
	}
}

void
bb_timeline_scan_close(BbTimelineScan *scan)
{
	MemoryContextDelete(scan->context);
}
