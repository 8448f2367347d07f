/*-------------------------------------------------------------------------
 *
 * relgaps.h
 *	  Gaps: blocks that a fork gets between its end and a block that a record
 *	  makes.
 *
 * Recovery writes zeros there.  Up to BB_GAP_BLOCKS of them get an image of
 * zeros each.  A longer gap becomes a run (pagestore/zeroruns.h): then the
 * memory and time that it takes don't depend on its length.
 *
 * The store may have older values of the gap's blocks, from before a
 * truncation or of another relation of that name.  So an image layer of the gap
 * is written with the run.  It has zeros for the first block, since a layer
 * can't be empty, and hides all older values of the others.  It is at the LSN
 * before the record's end, which is no LSN that can be read; values that the
 * record itself gives to blocks of the gap are newer.
 *
 * Blocks in runs of a free space or visibility map have no other values: native
 * changes need a page that they are applied to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RELGAPS_H
#define BB_RELGAPS_H

#include "ingest/handler.h"

#define BB_GAP_BLOCKS 1024

/*
 * bb_relgaps_add - blocks of a fork from "first" up to "end" come as zeros.
 *
 * If the fork has BB_ZERO_RUNS_MAX runs already, they get images.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more images than one record may add).
 */
extern void bb_relgaps_add(BbIngest *ingest, const BbFork *fork,
						   BlockNumber first, BlockNumber end);

/*
 * bb_relgaps_take - a block of a map gets a value.
 *
 * True: until now it came as zeros, by a run.  Of other forks it is false.
 */
extern bool bb_relgaps_take(BbIngest *ingest, const BbFork *fork,
							BlockNumber block);

/* The fork now ends ahead of "blocks". */
extern void bb_relgaps_truncate(BbIngest *ingest, const BbFork *fork,
								BlockNumber blocks);
/* The fork is dropped. */
extern void bb_relgaps_drop(BbIngest *ingest, const BbFork *fork);

#endif /* BB_RELGAPS_H */
