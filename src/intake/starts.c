/*-------------------------------------------------------------------------
 *
 * starts.c
 *	  Followers that start when a transaction has ended.
 *
 * The callbacks run when a transaction has been committed, so they raise no
 * error: registering a worker needs no more than shared memory that is there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "intake/starts.h"
#include "lib/ilist.h"
#include "utils/memutils.h"

typedef struct Start
{
	dlist_node	node;
	BbFollowOrder order;
	Oid			owner;
	SubTransactionId subxact;
	MemoryContext lead;			  /* NULL: start at commit; else at abort */
	char		spool[MAXPGPATH]; /* to be removed at commit; may be empty */
} Start;

/* In TopMemoryContext; in the order of the calls. */
static dlist_head starts = DLIST_STATIC_INIT(starts);

static void
start_follower(const Start *start)
{
	const char *shortage = bb_follow_register(&start->order, start->owner);

	if (shortage != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("timeline \"%s\" is not followed yet",
						start->order.timeline),
				 errdetail_internal("%s", shortage),
				 errhint("Raise max_worker_processes. If the library is in shared_preload_libraries, a free process is used within a minute.")));
}

/* The transaction or subtransaction of a start has ended. */
static void
finish(Start *start, bool committed)
{
	dlist_delete(&start->node);
	if (committed && start->spool[0] != '\0')
		bb_follow_remove_spool(start->spool);
	if (start->lead != NULL)
		MemoryContextDelete(start->lead);
	if (committed == (start->lead == NULL))
		start_follower(start);
	pfree(start);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	dlist_mutable_iter iter;

	if (dlist_is_empty(&starts))
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has called bb_follow() or bb_unfollow()")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			dlist_foreach_modify(iter, &starts)
			{
				finish(dlist_container(Start, node, iter.cur),
					   event == XACT_EVENT_COMMIT);
			}
			break;
		default:
			break;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subxact,
					  SubTransactionId parent, void *arg)
{
	dlist_mutable_iter iter;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	dlist_foreach_modify(iter, &starts)
	{
		Start	   *start = dlist_container(Start, node, iter.cur);

		if (start->subxact != subxact)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			start->subxact = parent;
		else
			finish(start, false);
	}
}

static void
add(const BbFollowOrder *order, Oid owner, MemoryContext lead,
	const char *spool)
{
	static bool registered = false;
	Start	   *start = MemoryContextAllocZero(TopMemoryContext,
											   sizeof(Start));

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	start->order = *order;
	start->owner = owner;
	start->subxact = GetCurrentSubTransactionId();
	start->lead = lead;
	if (spool != NULL)
		strlcpy(start->spool, spool, sizeof(start->spool));
	if (lead != NULL)
		MemoryContextSetParent(lead, TopMemoryContext);
	dlist_push_tail(&starts, &start->node);
}

void
bb_starts_at_commit(const BbFollowOrder *order, Oid owner)
{
	add(order, owner, NULL, NULL);
}

void
bb_starts_at_abort(const BbFollowOrder *order, Oid owner, MemoryContext lead,
				   const char *spool)
{
	add(order, owner, lead, spool);
}
