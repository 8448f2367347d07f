/*-------------------------------------------------------------------------
 *
 * xacts.h
 *	  Transactions and multixacts, as they were at a snapshot.
 *
 * A server that has recovered up to the LSN has no transaction in progress: what
 * had not committed by then never did.  So there are two states, and no snapshot
 * of running transactions is needed.
 *
 * The server's own functions (TransactionIdDidCommit(), GetMultiXactIdMembers(),
 * HeapTupleHeaderGetUpdateXid()) look into this server's pg_xact and
 * pg_multixact, so none of them may be called for another cluster's transactions.
 *
 * Errors: those of the page store; DATA_CORRUPTED (the status is missing).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_XACTS_H
#define BB_HEAP_XACTS_H

#include "heap/pages.h"

typedef struct BbXacts BbXacts;

extern BbXacts *bb_xacts_new(BbPages *pages);

/* bb_xacts_committed - had the transaction committed? */
extern bool bb_xacts_committed(const BbReqCtx *ctx, BbXacts *xacts,
							   TransactionId xid);

/*
 * bb_xacts_updater - return the member of a multixact that updated or deleted;
 * Invalid if all members only locked.
 */
extern TransactionId bb_xacts_updater(const BbReqCtx *ctx, BbXacts *xacts,
									  MultiXactId multi);

#endif /* BB_HEAP_XACTS_H */
