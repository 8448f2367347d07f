/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  What delta layers hold of a key range, entry by entry.
 *
 * All layers of the range are merged (merge.c), down to the timeline or ancestor
 * that has the LSN "after".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

struct BbTimelineEntries
{
	MemoryContext context; /* owns this */
	BbTimeline *timeline;
	BbTimeline *view; /* of it, that is merged */
	BbKeyRange	range;
	XLogRecPtr	after;
	XLogRecPtr	until;
	BbMerge	   *merge; /* NULL: to be made */
	BbKey		from;  /* the first key of the merge */
	bool		taken; /* the entry at the top was returned */
	/* the entry returned last; Invalid: none */
	BbKey		last_key;
	XLogRecPtr	last_lsn;
	int			nlast; /* how many of that key and LSN were returned */
	int			skip;  /* that many are passed again */
};

BbTimelineEntries *
bb_timeline_entries_new(const BbReqCtx *ctx, BbTimeline *timeline,
						const BbKeyRange *range, XLogRecPtr after,
						XLogRecPtr until)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup entries",
												  ALLOCSET_DEFAULT_SIZES);
	BbTimelineEntries *entries = MemoryContextAllocZero(context,
														sizeof(*entries));

	entries->context = context;
	entries->timeline = timeline;
	entries->view = bb_timeline_use(timeline);
	entries->range = *range;
	entries->after = after;
	entries->until = until;
	return entries;
}

static void
begin_merge(const BbReqCtx *ctx, BbTimelineEntries *entries)
{
	MemoryContext old = MemoryContextSwitchTo(entries->context);
	BbKeyRange	range = entries->range;
	int			depth = 0;

	if (!XLogRecPtrIsInvalid(entries->last_lsn))
		range.start = entries->last_key;
	for (BbTimeline *t = entries->view;
		 t->ancestor != NULL && entries->after < t->manifest->ancestor_lsn;
		 t = t->ancestor)
		depth++;
	entries->from = range.start;
	entries->merge = bb_merge_new(ctx, entries->view, &range, entries->until);
	bb_merge_segment(entries->merge, &range, depth, entries->after);
	MemoryContextSwitchTo(old);
}

/* Was the entry returned before a restart? */
static bool
returned_before(BbTimelineEntries *entries, const BbEntry *entry)
{
	if (entries->skip == 0 ||
		bb_key_compare(&entry->key, &entries->last_key) != 0 ||
		entry->lsn > entries->last_lsn)
		return false;
	if (entry->lsn == entries->last_lsn)
		entries->skip--;
	return true;
}

static bool
take_next(const BbReqCtx *ctx, BbTimelineEntries *entries, BbEntry *entry)
{
	const BbEntry *top;

	if (entries->merge == NULL)
		begin_merge(ctx, entries);
	for (;;)
	{
		if (entries->taken)
			bb_merge_advance(ctx, entries->merge);
		entries->taken = false;
		top = bb_merge_peek(ctx, entries->merge, &entries->from);
		if (top == NULL)
			return false;
		entries->taken = true;
		if (!returned_before(entries, top))
			break;
	}
	*entry = *top;
	entries->skip = 0;
	if (top->lsn == entries->last_lsn &&
		bb_key_compare(&top->key, &entries->last_key) == 0)
		entries->nlast++;
	else
		entries->nlast = 1;
	entries->last_key = top->key;
	entries->last_lsn = top->lsn;
	return true;
}

typedef struct EntriesStep
{
	BbTimelineEntries *entries;
	BbEntry	   *entry;
} EntriesStep;

static bool
attempt_next(const BbReqCtx *ctx, void *arg)
{
	EntriesStep *step = arg;
	MemoryContext old = MemoryContextSwitchTo(step->entries->context);
	bool		found = take_next(ctx, step->entries, step->entry);

	MemoryContextSwitchTo(old);
	return found;
}

/* Go on in the present view, behind the entry returned last. */
static void
restart(const BbReqCtx *ctx, void *arg)
{
	BbTimelineEntries *entries = ((EntriesStep *) arg)->entries;
	BbTimeline *before = entries->view;

	if (entries->merge != NULL)
		bb_merge_close(entries->merge);
	entries->merge = NULL;
	entries->taken = false;
	entries->skip = XLogRecPtrIsInvalid(entries->last_lsn) ? 0
														   : entries->nlast;
	entries->view = bb_timeline_use(entries->timeline);
	bb_timeline_unuse(entries->timeline, before);
}

bool
bb_timeline_entries_next(const BbReqCtx *ctx, BbTimelineEntries *entries,
						 BbEntry *entry)
{
	EntriesStep step = {entries, entry};

	return bb_timeline_step(ctx,
							&(BbTimelineStep){entries->timeline,
											  &entries->view, entries->after,
											  attempt_next, restart, &step});
}

void
bb_timeline_entries_close(BbTimelineEntries *entries)
{
	BbTimeline *timeline = entries->timeline;
	BbTimeline *view = entries->view;

	/* the cursors go before the layers that they read */
	if (entries->merge != NULL)
		bb_merge_close(entries->merge);
	MemoryContextDelete(entries->context);
	bb_timeline_unuse(timeline, view);
}
