/*-------------------------------------------------------------------------
 *
 * committed.h
 *	  When a transaction committed, by its ID or that of a subtransaction of it.
 *
 * The status of an ID in pg_xact changes with the commit, so the LSN of that change
 * is that of the commit.  The event there has the time and the full ID of the whole
 * transaction (events.h).
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_COMMITTED_H
#define BB_HEAP_COMMITTED_H

#include "base/events.h"
#include "heap/past.h"

typedef enum BbCommitted
{
	BB_COMMITTED_BEFORE,  /* by the first snapshot */
	BB_COMMITTED_BETWEEN, /* after it, and by the second one */
	BB_COMMITTED_NOT
} BbCommitted;

typedef struct BbCommitAt
{
	XLogRecPtr	lsn;
	BbCommit	commit;
} BbCommitAt;

/*
 * bb_committed_find - find out when an ID committed, and set *at if it was in between.
 *
 * REQUIRES: a tuple that was there at one of the snapshots, or in between, has the
 * ID; the store has every change between the snapshots.
 */
extern BbCommitted bb_committed_find(const BbReqCtx *ctx, BbPast *from,
									 BbPast *until, TransactionId xid,
									 BbCommitAt *at);

#endif /* BB_HEAP_COMMITTED_H */
