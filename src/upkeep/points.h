/*-------------------------------------------------------------------------
 *
 * points.h
 *	  Which LSNs before the start of a timeline stay readable, and why.
 *
 *	  moments: o  o  oo	 o	 o	 o	 |== window ==>		 o: pin, branch, the last
 *	  points:	  o		 o		 o	 |					 LSN of an hour
 *
 * Behind the window, each pin, each branch and the last LSN of so many hours,
 * days, … are kept.  The last LSN of a day is known once a commit of another
 * day follows it; until then, the day's last LSN is in the window, or will be.
 *
 * A clock may have been set back, so a day may come twice.  Then the last LSN
 * of each time is kept: nothing is lost that would have been kept otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_POINTS_H
#define BB_UPKEEP_POINTS_H

#include "layer/manifest.h"

/* A branch holds its ancestor at an LSN, whatever else is said of it. */
typedef struct BbBranch
{
	const char *name;
	XLogRecPtr	lsn;
	int64		time; /* time_t of that LSN, as far as the branch knows */
} BbBranch;

/* Points with the reasons why they are kept. */
typedef struct BbPoints
{
	int			n;
	BbPoint	   *points; /* rising */
	char	  **why;	/* 'pin "a", daily 2026-11-30' */
} BbPoints;

/*
 * bb_points_branches - return the branches (BbBranch *) of a timeline.
 *
 * Reads all manifests of the store.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (a manifest can't be read, so its
 * timeline may be a branch of this one).
 */
extern List *bb_points_branches(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *timeline);

/*
 * bb_points_known_branches - the same for listings: a timeline whose manifest
 * can't be read is left out.
 */
extern List *bb_points_known_branches(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const char *timeline);

/*
 * bb_pin_holds - has the pin not expired yet?
 */
extern bool bb_pin_holds(const BbPin *pin, int64 now);

/*
 * bb_points_choose - choose the points of a timeline that starts at "start".
 *
 * "moments" are LSNs below start that can be read, rising, each with its time;
 * of each period, the last one must be among them.  "next" is the time of the
 * first commit from start on.  Pins and branches hold if their LSN is a moment.
 */
extern BbPoints *bb_points_choose(const BbManifest *manifest, List *branches,
								  const BbPoint *moments, int nmoments,
								  int64 next, int64 now);

#endif /* BB_UPKEEP_POINTS_H */
