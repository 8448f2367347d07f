/*-------------------------------------------------------------------------
 *
 * followerrow.c
 *	  The row of a follower, read and written in short transactions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "foreign/foreign.h"
#include "intake/follower_internal.h"
#include "process/worker.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

void
bb_follower_begin(BbFollower *follower)
{
	bb_worker_begin_transaction();
}

void
bb_follower_end(BbFollower *follower)
{
	bb_worker_end_transaction();
	CurrentResourceOwner = follower->owner;
}

BbFollowing *
bb_follower_find_row(const BbFollower *follower)
{
	ForeignServer *store = GetForeignServerExtended(follower->order.store,
													FSV_MISSING_OK);

	return store == NULL
		? NULL
		: bb_following_find(store->servername, follower->order.timeline);
}

bool
bb_follower_read_row(BbFollower *follower)
{
	MemoryContext caller = CurrentMemoryContext;
	BbFollowing *now;
	bool		same;

	bb_follower_begin(follower);
	now = bb_follower_find_row(follower);
	if (follower->following == NULL && now != NULL)
	{
		/* in the follower's own context: read it once more */
		MemoryContextSwitchTo(follower->row);
		follower->following = bb_follower_find_row(follower);
		same = true;
	}
	else
		same = now != NULL &&
			ItemPointerEquals(&now->row, &follower->following->row);
	bb_follower_end(follower);
	MemoryContextSwitchTo(caller);
	follower->row_read_at = GetCurrentTimestamp();
	return same;
}

void
bb_follower_set_imported(BbFollower *follower)
{
	MemoryContext caller = CurrentMemoryContext;
	BbFollowing *now;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	bb_following_lock();
	now = bb_follower_find_row(follower);
	if (now == NULL ||
		!ItemPointerEquals(&now->row, &follower->following->row))
		follower->verdict = BB_FOLLOW_GONE;
	else
		bb_following_set_imported(now);
	PopActiveSnapshot();
	CommitTransactionCommand();
	CurrentResourceOwner = follower->owner;
	MemoryContextSwitchTo(caller);
	if (follower->verdict == BB_FOLLOW_GONE)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" is not followed any more",
						follower->order.timeline)));

	/* the update has made another row of it */
	MemoryContextReset(follower->row);
	follower->following = NULL;
	(void) bb_follower_read_row(follower);
}
