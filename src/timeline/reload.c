/*-------------------------------------------------------------------------
 *
 * reload.c
 *	  Going on with newer manifests when a layer has gone.
 *
 * Upkeep retires layers, and removes their objects some time later.  A reader
 * that has an older manifest meets the missing object as UNDEFINED_FILE, when it
 * opens the layer or when it reads more of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

/* Free a view that nobody uses any more. */
static void
drop_unused(BbTimeline *timeline, BbTimeline *view)
{
	if (view != timeline && view != timeline->view && view->users == 0)
		MemoryContextDelete(view->context);
}

BbTimeline *
bb_timeline_use(BbTimeline *timeline)
{
	timeline->view->users++;
	return timeline->view;
}

void
bb_timeline_unuse(BbTimeline *timeline, BbTimeline *view)
{
	if (view == NULL)
		return;
	view->users--;
	drop_unused(timeline, view);
}

/* Can what was read so far go on with the new view? */
static void
check_view(const BbTimeline *timeline, const BbTimeline *view, XLogRecPtr lsn)
{
	const BbManifest *before = timeline->manifest;
	const BbManifest *now = view->manifest;
	bool		expired = lsn < now->start_lsn && lsn >= before->start_lsn;

	if (bb_timeline_identity(view, lsn) != bb_timeline_identity(timeline, lsn))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" was replaced while it was read",
						before->timeline)));
	if (bb_keeps_has_point(&now->keeps, lsn))
		bb_layermap_check_point(view->map, lsn);
	else if (expired || bb_keeps_has_point(&before->keeps, lsn))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("LSN " BB_LSN_FORMAT " of timeline \"%s\" expired while it was read",
						LSN_FORMAT_ARGS(lsn), before->timeline),
				 errdetail("It can be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(now->start_lsn),
						   LSN_FORMAT_ARGS(now->end_lsn)),
				 errhint("Pin an LSN that is read for long by bb_pin(), or keep a longer window by bb_set_retention().")));
}

bool
bb_timeline_reload(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	BbTimeline *old_view = timeline->view;
	BbTimeline *view;
	BbManifest *manifest;
	MemoryContext context;
	MemoryContext old;

	if (bb_timeline_is_current(ctx, old_view))
		return false;
	context = AllocSetContextCreate(timeline->context, "bbackup view",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	manifest = bb_manifest_find(ctx, timeline->objects,
								timeline->manifest->timeline);
	if (manifest == NULL)
	{
		/* it was dropped */
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return false;
	}
	view = bb_timeline_open_manifest(ctx, timeline->objects, manifest);
	check_view(timeline, view, lsn);
	MemoryContextSwitchTo(old);
	timeline->view = view;
	drop_unused(timeline, old_view);
	return true;
}

/* In PG_CATCH, make a newer view. */
static void
recover(const BbReqCtx *ctx, const BbTimelineStep *step, int tries,
		MemoryContext context)
{
	ErrorData  *error;

	if (geterrcode() != ERRCODE_UNDEFINED_FILE || tries >= BB_RELOADS_MAX)
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	/* another read may have reloaded already */
	if (*step->view == step->timeline->view &&
		!bb_timeline_reload(ctx, step->timeline, step->lsn))
		ReThrowError(error);
	FreeErrorData(error);
}

bool
bb_timeline_step(const BbReqCtx *ctx, const BbTimelineStep *step)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;
	volatile bool found = false;

	for (volatile int tries = 0; !done; tries++)
	{
		PG_TRY();
		{
			found = step->attempt(ctx, step->arg);
			done = true;
		}
		PG_CATCH();
		{
			recover(ctx, step, tries, context);
			if (step->restart != NULL)
				step->restart(ctx, step->arg);
		}
		PG_END_TRY();
	}
	return found;
}
