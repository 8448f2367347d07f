/*-------------------------------------------------------------------------
 *
 * retention.h
 *	  How long history is kept: what upkeep gives up, and when.
 *
 *	  retention, commit times ──► cutoff ──► EXPIRE: start, points
 *	  pins, branches, periods ──► points			  │
 *	  start, points, layers ──► reach.h ──► RETIRE: layers that nobody needs
 *									 ├───► SQUASH: what points need, rewritten
 *	  retired layers, some time later ────► REMOVE: their objects
 *
 * The cutoff is the LSN of which all states within the window are at or after.
 * The window is counted back from the time of the timeline's end, by the times
 * of commits; so a timeline that isn't fed any more keeps its window, and the
 * clock of this server can only lengthen it.  Clocks that jump ahead take at most
 * half of a window (cutoff.h).
 *
 * EXPIRE is durable before a layer is retired because of it, in a commit of
 * its own.  Whoever makes a branch holds the lock of the tree, and so does
 * EXPIRE: an LSN that isn't readable any more gets no branch.  A pin that was set
 * meanwhile lets EXPIRE be refused.  The LSNs below the start that can be read
 * only ever become fewer.  So what RETIRE found not to be needed isn't needed
 * later either, and RETIRE needs no lock.
 *
 * Nothing happens while no window is set: everything is kept.  But EXPIRE removes
 * leases that have expired, whatever is set; only live ones hold a point.
 *
 * Errors of all functions: those of reads and of bb_manifest_edit;
 * OBJECT_NOT_IN_PREREQUISITE_STATE (bb_points_branches).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_RETENTION_H
#define BB_UPKEEP_RETENTION_H

#include "upkeep/job.h"
#include "upkeep/points.h"
#include "upkeep/reach.h"

/*
 * What the retention asks for: a start, and points before it.
 */
typedef struct BbRetentionPlan
{
	XLogRecPtr	start;
	BbPoints   *points;
	bool		changes; /* is any of this not what the manifest has? */
} BbRetentionPlan;

/* bb_retention_window_s - seconds of the window; 0: everything is kept. */
extern int64 bb_retention_window_s(const BbRetention *retention);

/*
 * bb_retention_cutoff - return the LSN that the start may move to.
 *
 * It is at least the present start, at most the end, and in no gap.  *held (NULL:
 * nobody asks) says why the window is longer than it should be; NULL: it isn't.
 */
extern XLogRecPtr bb_retention_cutoff(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const BbManifest *manifest, int64 now,
									  const char **held);

/*
 * bb_retention_plan - choose the points for a start at "cutoff".
 */
extern BbRetentionPlan bb_retention_plan(const BbReqCtx *ctx,
										 BbObjectStore *objects,
										 const BbManifest *manifest,
										 List *branches, XLogRecPtr cutoff,
										 int64 now);

/*
 * bb_retention_readable - return what can be read, and the LSNs of branches.
 *
 * These are points already, unless a branch was made by a session that had
 * lost its lock.
 */
extern BbReadable bb_retention_readable(const BbManifest *manifest,
										List *branches);

/*
 * bb_retention_unneeded - return the layers (const BbLayerDesc *) of a manifest
 * that no readable LSN and no branch needs.
 */
extern List *bb_retention_unneeded(const BbManifest *manifest, List *branches);

/*
 * What jobs are planned from.  The caller sets the first four; "now" is a
 * time_t.
 */
typedef struct BbRetentionPlanner
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const BbManifest *manifest;
	int64		now;
	const List *broken;		  /* const BbLayerDesc *: SQUASH leaves them out */
	bool		has_branches; /* they have been read */
	List	   *branches;
} BbRetentionPlanner;

/*
 * bb_retention_job - is there a job of that kind to be done for the retention of
 * a timeline?
 *
 * Sets *job, palloc'd, to a REMOVE, EXPIRE, RETIRE or SQUASH.  Each kind is
 * planned from the manifest as it is, so one of them may be done while another
 * one fails.
 *
 * The start moves in steps of a part of the window, so that a timeline that
 * grows isn't changed all the time.
 */
extern bool bb_retention_job(BbRetentionPlanner *planner, BbUpkeepKind kind,
							 BbUpkeepJob *job);

/*
 * bb_retention_next - the first job, in the order REMOVE, EXPIRE, RETIRE, SQUASH.
 */
extern bool bb_retention_next(const BbReqCtx *ctx, BbObjectStore *objects,
							  const BbManifest *manifest, int64 now,
							  BbUpkeepJob *job);

/*
 * bb_retention_commit - do an EXPIRE or RETIRE job.
 *
 * Returns the manifest after it.  The points are chosen anew under the lock;
 * the cutoff is that of the job.  A layer of a RETIRE job that has got needed,
 * or has gone, is left out.
 *
 * Errors: OBJECT_IN_USE (the timeline, or a branch, is being changed; the cutoff
 * isn't allowed any more, since a clock was set back).
 */
extern BbManifest *bb_retention_commit(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const BbManifest *manifest,
									   const BbUpkeepJob *job, int64 now);

#endif /* BB_UPKEEP_RETENTION_H */
