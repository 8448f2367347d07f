/*-------------------------------------------------------------------------
 *
 * undecided.h
 *	  Transactions whose rows appeared between two LSNs without a change of pages.
 *
 *	  since			from							until
 *	  ──┼─────────────┼──────────────────────────────┼──►
 *		  insert (x)  │			  commit (x)		  │
 *
 * A row is there from the commit of its transaction on, and its page may have been
 * written long before.  So between two LSNs, a row can change whose page does not:
 * one that a transaction has written which was in progress, or prepared, at the
 * first LSN, and had committed by the second.
 *
 * The changes of pg_xact in between say which transactions these are (xactends.h).
 * The one whose ID is the oldest has written nothing before its ID was assigned, nor
 * have the others.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_UNDECIDED_H
#define BB_HEAP_UNDECIDED_H

#include "heap/past.h"

typedef struct BbUndecided
{
	/*
	 * Is "oldest" known, and does the store have each change since?  It is not known
	 * if that is before the start of the timeline, if there is a gap in between, or
	 * if xids may be ambiguous.  Then "since" is where what the store has begins:
	 * the start of the timeline, or the end of the last gap before "from".
	 */
	bool		known;
	TransactionId oldest; /* Invalid: there is none, and since is "from" */
	XLogRecPtr	since;	  /* none of them has written anything up to here */
} BbUndecided;

/*
 * bb_undecided_find - find the transactions that had not committed at "from", and
 * had at "until".
 */
extern BbUndecided bb_undecided_find(const BbReqCtx *ctx, BbPageStore *store,
									 XLogRecPtr from, XLogRecPtr until);

/* bb_undecided_gapless - does the store have each change between the LSNs? */
extern bool bb_undecided_gapless(const BbPageStore *store, XLogRecPtr from,
								 XLogRecPtr until);

/*
 * bb_undecided_may_be - may the transaction be one of them?
 *
 * REQUIRES: its ID was assigned by "from".
 */
extern bool bb_undecided_may_be(const BbReqCtx *ctx,
								const BbUndecided *undecided, BbPast *from,
								TransactionId xid);

#endif /* BB_HEAP_UNDECIDED_H */
