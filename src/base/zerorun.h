/*-------------------------------------------------------------------------
 *
 * zerorun.h
 *	  The value of a REL_ZEROS key: which blocks of a fork are zeros.
 *
 * Ingest writes it, readers decode it; see pagestore/blockread.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ZERORUN_H
#define BB_ZERORUN_H

#include "storage/block.h"

/*
 * The maximal number of runs of a fork; the blocks of further gaps get images.  A
 * hash index gets a run for each phase of a split of 1024 pages or more, which
 * are at most 90.  A heap sometimes gets one when many sessions extend it at the
 * same time and the last of them writes WAL first.
 */
#define BB_ZERO_RUNS_MAX 256

/* A run is two u32: its first block, and the block after its last. */
#define BB_ZERO_RUN_BYTES 8

/* The runs of a fork in ascending order, with gaps between them. */
typedef struct BbZeroRunList
{
	int			n;
	/* for each run its first block and the block after its last, with room for
	 * one run more during changes */
	BlockNumber bounds[2 * (BB_ZERO_RUNS_MAX + 1)];
} BbZeroRunList;

/* bb_zerorun_decode - decode a value.  Returns false if it is invalid. */
extern bool bb_zerorun_decode(const uint8 *data, uint32 length,
							  BbZeroRunList *runs);

/*
 * bb_zerorun_encode - write the value, at most BB_ZERO_RUNS_MAX *
 * BB_ZERO_RUN_BYTES bytes; returns its length.
 */
extern uint32 bb_zerorun_encode(const BbZeroRunList *runs, uint8 *value);

/* Is a block in a run? */
extern bool bb_zerorun_has(const BbZeroRunList *runs, BlockNumber block);

/* Add blocks after the last run; none of the runs reaches beyond "first". */
extern void bb_zerorun_append(BbZeroRunList *runs, BlockNumber first,
							  BlockNumber end);

/* Remove the blocks from "first" up to, not including, "end", which can split a run. */
extern void bb_zerorun_cut(BbZeroRunList *runs, BlockNumber first,
						   BlockNumber end);

#endif /* BB_ZERORUN_H */
