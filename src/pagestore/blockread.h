/*-------------------------------------------------------------------------
 *
 * blockread.h
 *	  Blocks of relations at a snapshot: reading one, and runs of zeros.
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
#ifndef BB_BLOCKREAD_H
#define BB_BLOCKREAD_H

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

/*
 * bb_block_read - return the page (BLCKSZ bytes) of a REL_BLOCK key.
 *
 * A block that was never written is zeros.  The page is valid until the next
 * read from the store.
 *
 * Errors: UNDEFINED_OBJECT (no such fork); INVALID_PARAMETER_VALUE (the fork
 * has fewer blocks); those of bb_zeroruns_page.
 */
extern const uint8 *bb_block_read(const BbReqCtx *ctx,
								  const BbSnapshot *snapshot,
								  const BbKey *key);

#endif /* BB_BLOCKREAD_H */
