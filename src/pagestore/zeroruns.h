/*-------------------------------------------------------------------------
 *
 * zeroruns.h
 *	  Runs of blocks of a relation fork that were never written.
 *
 * Where a WAL record makes a block far beyond the end of a fork, recovery
 * extends the file with zeros up to that block, which may be terabytes.
 * Instead of a page for each of these blocks, ingest stores where such a run
 * begins and ends.  So a block without a value is either in a run, and is
 * read as zeros, or it was lost, which is an error.
 *
 *	  REL_SIZE		#####################################	40 blocks
 *	  REL_BLOCK		####				 #			  ##
 *	  REL_ZEROS			  +++++++++++++++++++++++++++++		a run
 *
 * A block in a run may have been written later: its value counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ZERORUNS_H
#define BB_ZERORUNS_H

#include "base/zerorun.h"
#include "pagestore/snapshot.h"

/* The runs of the fork that was asked about last. */
typedef struct BbZeroRuns
{
	BbSnapshot	snapshot;
	bool		loaded;
	BbKey		key; /* REL_ZEROS of the fork */
	BbZeroRunList list;
} BbZeroRuns;

extern void bb_zeroruns_init(BbZeroRuns *runs, const BbSnapshot *snapshot);

/*
 * bb_zeroruns_page - return the page of a REL_BLOCK key that has no value:
 * BLCKSZ zeros, or NULL if the block isn't in a run.
 *
 * REQUIRES: the block is within the fork's size.
 *
 * Errors: DATA_CORRUPTED (runs that overlap, or can't be decoded); those of
 * pagestore.h.
 */
extern const uint8 *bb_zeroruns_page(const BbReqCtx *ctx, BbZeroRuns *runs,
									 const BbKey *block_key);

#endif /* BB_ZERORUNS_H */
