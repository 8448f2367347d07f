/*-------------------------------------------------------------------------
 *
 * changedblocks.h
 *	  Which blocks of a table may have other rows at one LSN than at another.
 *
 * A block counts if
 *
 * - WAL changed it between the LSNs, in any way;
 * - a transaction changed it before, which committed in between (undecided.h);
 * - it is beyond the end of the table at one of the LSNs;
 * - it is one of a run of zeros, which are made without a change of the block.
 *
 * So each row that differs is in one of these blocks.  Most rows there do not.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_CHANGEDBLOCKS_H
#define BB_HEAP_CHANGEDBLOCKS_H

#include "heap/undecided.h"

/* Half-open. */
typedef struct BbBlockRange
{
	BlockNumber start;
	BlockNumber end;
} BbBlockRange;

/*
 * bb_changedblocks_find - return *n ranges, palloc'd, rising, that do not touch.
 *
 * There are at most BB_BLOCK_RANGES_MAX of them: if there were more, ranges that are
 * near each other become one, with what is between them.
 *
 * REQUIRES: undecided is that of "from" and "until", and is known.
 */
#define BB_BLOCK_RANGES_MAX (256 * 1024)

extern BbBlockRange *bb_changedblocks_find(const BbReqCtx *ctx, BbPast *from,
										   BbPast *until,
										   const BbUndecided *undecided,
										   BbRelLocator relation, int *n);

#endif /* BB_HEAP_CHANGEDBLOCKS_H */
