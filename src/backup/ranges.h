/*-------------------------------------------------------------------------
 *
 * ranges.h
 *	  Ranges of blocks of the files of a backup, for a client that reads what it
 *	  needs.
 *
 *	  base/5/16384.1, blocks 7 to 9	 ── member? size? ──► blocks, one by one
 *	  base/5/16384.1, blocks 10 to 99 ──────────────────► blocks, by a scan
 *
 * A reader serves one snapshot, over many calls.  It remembers which members it was
 * asked for, so a block costs no more than a read of its page.  Between calls it
 * has no scan open.
 *
 * Errors: those of the page store; DATA_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RANGES_H
#define BB_RANGES_H

#include "pagestore/snapshot.h"

/* Blocks of BLCKSZ bytes of a file; the first one of each file is 0. */
typedef struct BbFileRange
{
	const char *path; /* of a relation or SLRU segment, as in the file list */
	int64		first;
	int64		count;
} BbFileRange;

typedef struct BbRangeReader BbRangeReader;

/* bb_rangereader_new - make a reader in CurrentMemoryContext. */
extern BbRangeReader *bb_rangereader_new(const BbSnapshot *snapshot);

/* bb_rangereader_snapshot - return the snapshot that it reads. */
extern const BbSnapshot *bb_rangereader_snapshot(const BbRangeReader *reader);

/*
 * bb_rangereader_read - read ranges, one after the other, into "to", which has room
 * for all of them.
 *
 * Errors: UNDEFINED_FILE (no relation or SLRU segment has that path);
 * INVALID_PARAMETER_VALUE (the file has fewer blocks).  After an error, the reader
 * must not be used any more.
 */
extern void bb_rangereader_read(const BbReqCtx *ctx, BbRangeReader *reader,
								const BbFileRange *ranges, int nranges,
								uint8 *to);

#endif /* BB_RANGES_H */
