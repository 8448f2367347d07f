/*-------------------------------------------------------------------------
 *
 * starts.h
 *	  Followers that start when a transaction has ended.
 *
 *	  bb_follow ────────────── commit ──► follower
 *	  bb_unfollow (stops it) ── abort ──► follower
 *
 * A follower reads the table as committed last, so it can't start before.  While
 * the transaction of a bb_unfollow is open, the session itself leads the spool,
 * so that no other process starts the follower, whose row is still there.
 *
 * What is done in a subtransaction that aborts is undone at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STARTS_H
#define BB_STARTS_H

#include "intake/follow.h"

/* bb_starts_at_commit - start a follower when this transaction commits. */
extern void bb_starts_at_commit(const BbFollowOrder *order, Oid owner);

/*
 * bb_starts_at_abort - start a follower if this transaction, or
 * subtransaction, aborts.
 *
 * "lead" leads its spool; it is deleted first.  If the transaction commits, it
 * is deleted, too, after the spool has been removed (NULL: it is kept).
 */
extern void bb_starts_at_abort(const BbFollowOrder *order, Oid owner,
							   MemoryContext lead, const char *spool);

#endif /* BB_STARTS_H */
