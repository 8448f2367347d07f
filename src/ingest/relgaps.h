/*-------------------------------------------------------------------------
 *
 * relgaps.h
 *	  Gaps: blocks between the end of a fork and a block that a record creates.
 *
 * Recovery fills a gap with zeros.  Up to 1024 blocks, each gets an
 * image of zeros.  A longer gap becomes a run (pagestore/blockread.h), whose
 * memory and time don't depend on its length.
 *
 * The store may have older values of the gap's blocks, from before a truncation
 * or of another relation with that number.  So an image layer of the gap is
 * written with the run.  The layer has zeros for the first block, since a layer
 * can't be empty, and hides all older values of the others.  It is at the LSN
 * before the record's end, at which nothing can be read.  Values that the record
 * itself gives to blocks of the gap are newer.
 *
 * Blocks in runs of a free space or visibility map have no other values, since
 * native changes need a page to be applied to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RELGAPS_H
#define BB_RELGAPS_H

#include "ingest/handler.h"

/*
 * bb_relgaps_add - fill the blocks of a fork from "first" up to "end" with
 * zeros.
 *
 * If the fork already has BB_ZERO_RUNS_MAX runs, the blocks get images.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more images than one record may add).
 */
extern void bb_relgaps_add(BbIngest *ingest, const BbFork *fork,
						   BlockNumber first, BlockNumber end);

/*
 * bb_relgaps_take - take a block that gets a value out of a map's runs.
 *
 * Returns true if the block was in a run, and so zeros until now.  Does nothing
 * for other forks, and returns false.
 */
extern bool bb_relgaps_take(BbIngest *ingest, const BbFork *fork,
							BlockNumber block);

/* Truncate the runs of a fork to "blocks". */
extern void bb_relgaps_truncate(BbIngest *ingest, const BbFork *fork,
								BlockNumber blocks);
/* Drop the runs of a fork. */
extern void bb_relgaps_drop(BbIngest *ingest, const BbFork *fork);

#endif /* BB_RELGAPS_H */
