/*-------------------------------------------------------------------------
 *
 * zeroruns.h
 *	  Runs of blocks that a relation fork has, and that were never written.
 *
 * Where a WAL record makes a block far beyond the end of a fork, recovery
 * extends the file by zeros up to there, which may be terabytes.  Ingest
 * doesn't store a page for each of these blocks, but where such a run begins
 * and ends.  So a block of a fork that has no value is either in a run, and
 * comes as zeros, or it was lost, which is an error.
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
#include "pagestore/pagestore.h"

/* What is known of the fork that was asked about last. */
typedef struct BbZeroRuns
{
	BbPageStore *store;
	XLogRecPtr	lsn;
	bool		loaded;
	BbKey		key; /* REL_ZEROS of the fork */
	BbZeroRunList list;
} BbZeroRuns;

extern void bb_zeroruns_init(BbZeroRuns *runs, BbPageStore *store,
							 XLogRecPtr lsn);

/*
 * bb_zeroruns_page - the page of a REL_BLOCK key that has no value: BLCKSZ
 * zeros, or NULL when it isn't in a run.
 *
 * REQUIRES: the block is within the fork's size.
 *
 * Errors: DATA_CORRUPTED (runs that overlap, or no runs); those of
 * pagestore.h.
 */
extern const uint8 *bb_zeroruns_page(const BbReqCtx *ctx, BbZeroRuns *runs,
									 const BbKey *block_key);

#endif /* BB_ZERORUNS_H */
