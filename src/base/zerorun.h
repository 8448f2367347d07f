/*-------------------------------------------------------------------------
 *
 * zerorun.h
 *	  The value of a REL_ZEROS key: which blocks of a fork come as zeros.
 *
 * Ingest writes it, readers decode it; see pagestore/zeroruns.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ZERORUN_H
#define BB_ZERORUN_H

#include "storage/block.h"

/*
 * A fork has at most so many; further gaps get an image for each block.  A hash
 * index gets one for each phase of a split of 1024 pages or more, which are 90
 * at most; a heap gets one now and then when many sessions extend it at once,
 * and the last of them writes WAL first.
 */
#define BB_ZERO_RUNS_MAX 256

/* A run is two u32: its first block, and the one behind its last. */
#define BB_ZERO_RUN_BYTES 8

/* The runs of a fork, in rising order; none touches the next. */
typedef struct BbZeroRunList
{
	int			n;
	/* two for each: its first block, and the one behind its last; there is
	 * room for one more, while they are changed */
	BlockNumber bounds[2 * (BB_ZERO_RUNS_MAX + 1)];
} BbZeroRunList;

/* bb_zerorun_decode - take a value apart; false: it is invalid. */
extern bool bb_zerorun_decode(const uint8 *data, uint32 length,
							  BbZeroRunList *runs);

/*
 * bb_zerorun_encode - the value, of BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES at
 * most; returns its length.
 */
extern uint32 bb_zerorun_encode(const BbZeroRunList *runs, uint8 *value);

/* Is a block in a run? */
extern bool bb_zerorun_has(const BbZeroRunList *runs, BlockNumber block);

/* Add blocks at the end: all that are there lie ahead of "first". */
extern void bb_zerorun_append(BbZeroRunList *runs, BlockNumber first,
							  BlockNumber end);

/* Take out the blocks from "first" up to "end"; there may be a run more. */
extern void bb_zerorun_cut(BbZeroRunList *runs, BlockNumber first,
						   BlockNumber end);

#endif /* BB_ZERORUN_H */
