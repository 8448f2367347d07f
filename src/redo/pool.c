/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Gives work to redo helpers, takes their answers, replaces them.
 *
 * An ERROR during a wait, such as a cancel, does no harm: what was sent and
 * received so far is noted before anything can throw.  This backend's next call
 * continues from there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/waitset.h"
#include "redo/peer.h"
#include "redo/pool.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

struct BbRedoPool
{
	MemoryContext context; /* of everything in the pool */
	BbRedoSetup setup;
	char	   *bindirs; /* bbackup.redo_bindir */
	int			nclients;
	List	   *peers;
	dlist_head	waiting; /* requests that no helper has */
	uint64		last_id;
	WaitEventSet *wait_set; /* NULL: to be created */
};

static List *pools = NIL;

/*
 * Do the control files agree in what redo depends on?
 */
static bool
same_cluster(const BbControl *a, const BbControl *b)
{
	return a->major == b->major &&
		a->system_identifier == b->system_identifier &&
		a->wal_segment_size == b->wal_segment_size &&
		a->checksum_version == b->checksum_version &&
		a->wal_log_hints == b->wal_log_hints;
}

static void
free_wait_set(BbRedoPool *pool)
{
	if (pool->wait_set != NULL)
		FreeWaitEventSet(pool->wait_set);
	pool->wait_set = NULL;
}

static void
remove_peer(BbRedoPool *pool, BbRedoPeer *peer)
{
	free_wait_set(pool);
	pool->peers = list_delete_ptr(pool->peers, peer);
	bb_redo_peer_free(peer);
}

/* Add a peer.  It is in the list before its process exists. */
static void
add_peer(BbRedoPool *pool)
{
	BbRedoPeer *peer = bb_redo_peer_new(pool->context, &pool->waiting);
	MemoryContext caller = MemoryContextSwitchTo(pool->context);

	pool->peers = lappend(pool->peers, peer);
	PG_TRY();
	{
		peer->process = bb_redo_process_start(&pool->setup, pool->context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		remove_peer(pool, peer);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	free_wait_set(pool);
}

/*
 * At backend exit helpers end by themselves, but this process has to remove
 * their directories.  Memory stays: clients may still point to it.
 */
static void
end_all_processes(int code, Datum arg)
{
	ListCell   *cell;
	ListCell   *of_pool;

	foreach(cell, pools)
	{
		foreach(of_pool, ((BbRedoPool *) lfirst(cell))->peers)
		{
			BbRedoPeer *peer = lfirst(of_pool);

			/* NULL: the exit interrupted the start of this helper */
			if (peer->process != NULL)
				bb_redo_process_end(peer->process);
		}
	}
}

static void
destroy_pool(BbRedoPool *pool)
{
	while (pool->peers != NIL)
		remove_peer(pool, linitial(pool->peers));
	pools = list_delete_ptr(pools, pool);
	MemoryContextDelete(pool->context);
}

static BbRedoPool *
make_pool(const BbControl *control)
{
	static bool exit_registered = false;
	MemoryContext context;
	MemoryContext caller;
	BbRedoPool *pool;

	if (!exit_registered)
	{
		before_shmem_exit(end_all_processes, 0);
		exit_registered = true;
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup redo pool",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	pool = palloc0(sizeof(BbRedoPool));
	pool->context = context;
	pool->setup.control = *control;
	pool->setup.installation = bb_redo_installation_find(control->major);
	pool->setup.preload_libraries = pstrdup(bb_setting_redo_preload_libraries);
	pool->setup.seccomp = bb_setting_redo_seccomp;
	pool->bindirs = pstrdup(bb_setting_redo_bindir);
	dlist_init(&pool->waiting);

	MemoryContextSwitchTo(TopMemoryContext);
	pools = lappend(pools, pool);
	MemoryContextSetParent(context, TopMemoryContext);
	MemoryContextSwitchTo(caller);
	return pool;
}

BbRedoPool *
bb_redo_pool_acquire(const BbControl *control)
{
	BbRedoPool *found = NULL;
	List	   *all;
	ListCell   *cell;

	all = list_copy(pools);
	foreach(cell, all)
	{
		BbRedoPool *pool = lfirst(cell);

		if (same_cluster(&pool->setup.control, control) &&
			pool->setup.seccomp == bb_setting_redo_seccomp &&
			strcmp(pool->setup.preload_libraries,
				   bb_setting_redo_preload_libraries) == 0 &&
			strcmp(pool->bindirs, bb_setting_redo_bindir) == 0)
			found = pool;
		else if (pool->nclients == 0)
			destroy_pool(pool);
	}
	list_free(all);
	if (found == NULL)
		found = make_pool(control);
	found->nclients++;
	return found;
}

void
bb_redo_pool_release(BbRedoPool *pool)
{
	pool->nclients--;
}

/*
 * Return the helper with the fewest requests; NULL: none has room.
 */
static BbRedoPeer *
pick_peer(BbRedoPool *pool)
{
	BbRedoPeer *best = NULL;
	ListCell   *cell;

	foreach(cell, pool->peers)
	{
		BbRedoPeer *peer = lfirst(cell);

		if (peer->nrequests < BB_REDO_DEPTH &&
			(best == NULL || peer->nrequests < best->nrequests))
			best = peer;
	}
	return best;
}

/*
 * Give waiting requests to helpers that have room.
 */
static void
give_requests(BbRedoPool *pool)
{
	while (!dlist_is_empty(&pool->waiting))
	{
		BbRedoPeer *peer = pick_peer(pool);
		BbRedoRequest *request;

		if (peer == NULL)
		{
			if (list_length(pool->peers) >= bb_setting_redo_processes)
				break;
			if (pool->peers != NIL && !bb_redo_process_affordable())
				break; /* the existing helpers suffice */
			add_peer(pool);
			continue;
		}
		request = dlist_head_element(BbRedoRequest, of_queue, &pool->waiting);
		dlist_delete(&request->of_queue);
		bb_redo_peer_give(peer, request);
	}
}

/*
 * Send what is possible without waiting.  Returns false if a helper has failed.
 */
static bool
send_requests(BbRedoPool *pool)
{
	List	   *peers = list_copy(pool->peers);
	ListCell   *cell;
	bool		all_well = true;

	foreach(cell, peers)
	{
		if (!bb_redo_peer_send(lfirst(cell)))
		{
			remove_peer(pool, lfirst(cell));
			all_well = false;
		}
	}
	list_free(peers);
	return all_well;
}

void
bb_redo_pool_dispatch(BbRedoPool *pool)
{
	do
		give_requests(pool);
	while (!send_requests(pool));
}

BbRedoRequest *
bb_redo_pool_submit(BbRedoPool *pool, const BbPageHistory *history)
{
	BbRedoRequest *request = bb_redo_request_new(pool->context,
												 ++pool->last_id, history);

	request->foreign = pool->setup.control.major != bb_major_own();
	dlist_push_tail(&pool->waiting, &request->of_queue);
	return request;
}

/*
 * Remove the helpers that hang.  Returns after how many milliseconds the next
 * one does; -1: no limit.
 */
static long
check_timeouts(BbRedoPool *pool, TimestampTz since)
{
	List	   *peers;
	TimestampTz now = GetCurrentTimestamp();
	long		shortest = -1;
	ListCell   *cell;

	if (bb_setting_redo_timeout_ms == 0)
		return -1;
	peers = list_copy(pool->peers);
	foreach(cell, peers)
	{
		BbRedoPeer *peer = lfirst(cell);
		TimestampTz limit;
		long		left;

		if (peer->nrequests == 0)
			continue;
		limit = TimestampTzPlusMilliseconds(Max(peer->progress_at, since),
											bb_setting_redo_timeout_ms);
		left = TimestampDifferenceMilliseconds(now, limit);
		if (now >= limit)
		{
			bb_redo_peer_time_out(peer);
			remove_peer(pool, peer);
			shortest = 0;
		}
		else if (shortest < 0 || left < shortest)
			shortest = left;
	}
	list_free(peers);
	return shortest;
}

/*
 * Create a wait set for the latch and all helpers.  After an error there is
 * none: the next wait must not use an incomplete one.
 */
static void
create_wait_set(BbRedoPool *pool)
{
	WaitEventSet *set = BB_WAIT_EVENT_SET_NEW(2 + list_length(pool->peers));
	ListCell   *cell;

	PG_TRY();
	{
		bb_wait_set_begin(set);
		foreach(cell, pool->peers)
		{
			BbRedoPeer *peer = lfirst(cell);

			peer->event = AddWaitEventToSet(set, WL_SOCKET_READABLE,
											peer->process->socket, NULL, peer);
		}
	}
	PG_CATCH();
	{
		FreeWaitEventSet(set);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pool->wait_set = set;
}

/*
 * Create the wait set if necessary, and set the events to wait for.
 */
static void
prepare_wait_set(BbRedoPool *pool)
{
	ListCell   *cell;

	if (pool->wait_set == NULL)
		create_wait_set(pool);
	foreach(cell, pool->peers)
	{
		BbRedoPeer *peer = lfirst(cell);
		int			events = WL_SOCKET_READABLE;

		if (!dlist_is_empty(&peer->outgoing))
			events |= WL_SOCKET_WRITEABLE;
		ModifyWaitEvent(pool->wait_set, peer->event, events, NULL);
	}
}

void
bb_redo_pool_wait(const BbReqCtx *ctx, BbRedoPool *pool, TimestampTz since)
{
	WaitEvent	events[8];
	int			nevents;
	long		timeout_ms = check_timeouts(pool, since);
	long		left_ms = bb_reqctx_wait_ms(ctx);

	if (timeout_ms == 0)
		return;
	if (left_ms >= 0 && (timeout_ms < 0 || left_ms < timeout_ms))
		timeout_ms = left_ms;

	prepare_wait_set(pool);
	nevents = WaitEventSetWait(pool->wait_set, timeout_ms, events,
							   lengthof(events), PG_WAIT_EXTENSION);
	for (int i = 0; i < nevents; i++)
	{
		BbRedoPeer *peer = events[i].user_data;

		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (!bb_redo_peer_receive(peer) || !bb_redo_peer_send(peer))
			remove_peer(pool, peer);
	}
	bb_reqctx_check(ctx);
}

void
bb_redo_pool_forget(BbRedoRequest *request)
{
	request->unwanted = true;
	if (request->state == BB_REDO_WAITING)
		dlist_delete(&request->of_queue);
	if (request->state != BB_REDO_GIVEN)
		bb_redo_request_free(request);
}
