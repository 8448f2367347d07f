/*-------------------------------------------------------------------------
 *
 * moments.h
 *	  The LSNs before a new start of a timeline that might stay readable.
 *
 * These are the points that exist, the present start, the LSNs of pins and
 * branches, and the last commit of each hour: the last one of a longer period
 * is also the last one of its hour.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_MOMENTS_H
#define BB_UPKEEP_MOMENTS_H

#include "upkeep/points.h"

typedef struct BbMoments
{
	XLogRecPtr	start; /* the new start */
	int64		next;  /* its time */
	int			n;
	BbPoint	   *points; /* rising, below start; each can be read */
} BbMoments;

/*
 * bb_moments_collect - collect the moments of a timeline before a new start,
 * "cutoff".
 *
 * Reads the times of all commits up to there if the retention keeps points.
 *
 * REQUIRES: the timeline is consistent; cutoff is between its start and end,
 * and in no gap.
 */
extern BbMoments bb_moments_collect(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const BbManifest *manifest, List *branches,
									XLogRecPtr cutoff);

/* bb_moments_has - is the LSN of a branch a moment, or not before the start? */
extern bool bb_moments_has(const BbMoments *moments, const BbBranch *branch);

#endif /* BB_UPKEEP_MOMENTS_H */
