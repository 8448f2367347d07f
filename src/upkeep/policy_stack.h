/*-------------------------------------------------------------------------
 *
 * policy_stack.h
 *	  How many runs of a stack are merged into one.
 *
 * A read opens each run of a stack, so a stack may have "depth" of them.  Each
 * flush adds one, so runs have to be merged.  If that always merged all, each
 * byte would be written again at each flush.  The best that can be done with n
 * flushes of one size is to write each byte about w times, where w is the
 * smallest number with
 *
 *	  binomial(depth + w, depth) >= n
 *
 * (C. Mathieu, C. Staelin, N. E. Young, A. Yousefi, "Bigtable merge compaction",
 * 2014).  What reaches that, and also fits flushes of different sizes, is to
 * balance rent and price.  The oldest run is left alone, and the others are
 * handled as a stack of depth - 1, until what their merges have cost is as much
 * as depth - 1 times the oldest run.  Then all of them become one run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_POLICY_STACK_H
#define BB_UPKEEP_POLICY_STACK_H

#include "postgres.h"

/*
 * bb_stack_merge - return the index of the oldest run to be merged, together
 * with all newer ones; n: none.
 *
 * sizes are in bytes, oldest first.  "unit" is the size of one flush.
 *
 * REQUIRES: depth >= 1, unit >= 1.
 */
extern int bb_stack_merge(const double *sizes, int n, int depth, double unit);

/*
 * bb_stack_writes - return how often a byte is written at least, if n flushes
 * are merged into a stack.
 */
extern double bb_stack_writes(double n, int depth);

#endif /* BB_UPKEEP_POLICY_STACK_H */
