/*-------------------------------------------------------------------------
 *
 * removal.h
 *	  The end of a layer: retired layers' objects are removed.
 *
 *	  in the manifest ──► retired ── bbackup.removal_delay ──► object removed ──►
 *																		forgotten
 *
 * Readers that opened the timeline before the layer was retired may still read
 * it.  They find a removed layer gone, and read the manifest again; the delay
 * makes that rare.  The object is removed first: a crash in between leaves a
 * retired layer without an object, and the next removal forgets it.
 *
 * An object that may not be removed, because object storage retains it, is
 * forgotten, too.  The next writer's sweep tries again to remove it.
 *
 * A manifest can't have a layer both in use and retired.
 *
 * The age is that of the server's clock.  A layer that was retired in the
 * future, since the clock was set back, isn't due by that.  It may be removed
 * when one server has seen it like this for bbackup.removal_delay, by a clock that
 * can't be set (bb_jobs_waited).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_REMOVAL_H
#define BB_UPKEEP_REMOVAL_H

#include "layer/manifest.h"

/* bb_removal_due - was a layer retired so long ago that its object may go? */
extern bool bb_removal_due(const BbRetired *retired, int64 now);

/*
 * bb_removal_list - return the retired layers (const BbLayerDesc *) of a
 * manifest that are due.
 */
extern List *bb_removal_list(const BbManifest *manifest, int64 now);

/*
 * bb_removal_future - return the retired layers that were retired in the future.
 *
 * bb_removal_sum - a number that is another one for other layers; 0: NIL.
 */
extern List *bb_removal_future(const BbManifest *manifest, int64 now);
extern uint64 bb_removal_sum(List *layers);

/*
 * bb_removal_of - remove the objects of these retired layers, then forget them.
 *
 * Returns the manifest after that.  Several may do this at once.
 */
extern BbManifest *bb_removal_of(const BbReqCtx *ctx, BbObjectStore *objects,
								 const BbManifest *manifest, List *layers);

/*
 * bb_removal_run - remove the objects of retired layers that are due, then
 * forget the layers.
 *
 * Returns the manifest after that.  Several may do this at once.
 */
extern BbManifest *bb_removal_run(const BbReqCtx *ctx, BbObjectStore *objects,
								  const BbManifest *manifest, int64 now);

#endif /* BB_UPKEEP_REMOVAL_H */
