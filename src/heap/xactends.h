/*-------------------------------------------------------------------------
 *
 * xactends.h
 *	  When transactions ended, and how.
 *
 * A commit or abort record sets the status of its transaction and of all
 * subtransactions in pg_xact, at its LSN; that of a subtransaction that was rolled
 * back alone has its own abort record.  So the LSN of that change tells to which
 * commit a change of a row belongs, and its status whether it counts (commits.h has the rest):
 *
 *	  record ── xid ── pg_xact: LSN, committed? ── commit time: top xid, time
 *
 * A transaction that was prepared ends with COMMIT PREPARED.	One that a crash ended
 * has no end.
 *
 * Errors: those of the page store; DATA_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_XACTENDS_H
#define BB_HEAP_XACTENDS_H

#include "nodes/pg_list.h"
#include "pagestore/pagestore.h"

typedef struct BbXactEnd
{
	XLogRecPtr	lsn; /* Invalid: it did not end in the range */
	bool		committed;
} BbXactEnd;

typedef struct BbXactEnds BbXactEnds;

/*
 * bb_xactends_new - look for ends above LSN "after" and up to "until", in
 * CurrentMemoryContext.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more than 2^31 xids were assigned there, so that
 * an xid in a record may be one of two).
 */
extern BbXactEnds *bb_xactends_new(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr after, XLogRecPtr until);

/* bb_xactends_full - return the full xid of a transaction in the range. */
extern uint64 bb_xactends_full(const BbXactEnds *ends, TransactionId xid);

/*
 * bb_xactends_find - find the end of a transaction.
 *
 * The ends of 32768 neighbours are read at once, and kept until another's are.
 */
extern BbXactEnd bb_xactends_find(const BbReqCtx *ctx, BbXactEnds *ends,
								  TransactionId xid);

/* bb_xactends_at - list the transactions (xids) that committed at an LSN. */
extern List *bb_xactends_at(const BbReqCtx *ctx, BbPageStore *store,
							XLogRecPtr lsn);

/*
 * bb_xactends_oldest - return the oldest of the transactions that had begun at "after"
 * and committed above it, up to "until"; Invalid: there is none.
 *
 * REQUIRES: less than 2^31 xids were assigned in between.
 */
extern TransactionId bb_xactends_oldest(const BbReqCtx *ctx,
										BbPageStore *store, XLogRecPtr after,
										XLogRecPtr until);

/* bb_xactends_next_xid - return the first full xid that was unused at an LSN. */
extern uint64 bb_xactends_next_xid(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr lsn);

#endif /* BB_HEAP_XACTENDS_H */
