/*-------------------------------------------------------------------------
 *
 * point.c
 *	  Point reads: the value of one key at an LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

/* Open a redo client for pages at lsn, unless the present one fits. */
static void
prepare_redo(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	MemoryContext old;
	uint8	   *control;
	size_t		length;

	/* a read that was canceled may have left a page to come */
	if (timeline->redo != NULL && bb_redo_pending(timeline->redo) > 0)
		timeline->redo = NULL;
	if (timeline->redo != NULL && timeline->redo_lsn == lsn)
		return;

	/* reading the control file may free the block with the history's base */
	bb_history_keep_base(&timeline->history);
	old = MemoryContextSwitchTo(timeline->context);
	control = bb_timeline_control(ctx, timeline, lsn, &length);
	if (timeline->redo != NULL && length == timeline->control_length &&
		memcmp(control, timeline->control, length) == 0)
		pfree(control);
	else
	{
		timeline->redo = NULL;
		timeline->redo = bb_redo_open(ctx, control, length);
		timeline->control = control;
		timeline->control_length = length;
	}
	timeline->redo_lsn = lsn;
	MemoryContextSwitchTo(old);
}

bool
bb_timeline_get(const BbReqCtx *ctx, BbTimeline *timeline, const BbKey *key,
				XLogRecPtr lsn, BbEntry *entry)
{
	BbPageHistory *history = &timeline->history;

	if (timeline->page == NULL)
	{
		bb_history_init(history, timeline->context);
		timeline->page = MemoryContextAlloc(timeline->context, BLCKSZ);
	}

	bb_timeline_gather(ctx, timeline, key, lsn, history);
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
