/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Redo helpers: given work, listened to, replaced.
 *
 * Everything here is kept in a state that an ERROR thrown in the midst of a
 * wait (a cancel, say) does no harm to: what was sent and received so far is
 * noted before anything can throw.  The next call of this backend, whoever
 * makes it, goes on from there.
 *
 * When a helper fails, one request is to blame: the one on its slate, or else
 * the oldest that it has.  That one fails; the others go to other helpers.
 * Each failed helper either has answered a request or fails one, so trying
 * again comes to an end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "redo/pool.h"
#include "redo/process.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define INPUT_SIZE (16 * (sizeof(BbRedoAnswer) + BLCKSZ))

typedef struct Helper
{
	BbRedoPool *pool;
	BbRedoProcess *process;
	bool		greeted;	/* it has said hello */
	bool		proved;		/* it has answered a request */
	int			nrequests;	/* in both queues */
	dlist_head	outgoing;	/* not sent, the first maybe in part */
	dlist_head	awaiting;	/* sent; answers are due in this order */
	TimestampTz progress_at; /* when it last took or gave something */
	int			event;		/* position in the pool's wait set */

	size_t		have; /* bytes in input */
	char		input[INPUT_SIZE];
} Helper;

struct BbRedoPool
{
	MemoryContext context; /* has everything of the pool */
	BbRedoSetup setup;
	int			nclients;
	List	   *helpers;
	dlist_head	waiting; /* requests that no helper has */
	uint64		last_id;
	WaitEventSet *wait_set; /* NULL: to be made anew */
};

static List *pools = NIL;

/*
 * Of a control file, what redo depends on.
 */
static bool
same_cluster(const ControlFileData *a, const ControlFileData *b)
{
	return a->system_identifier == b->system_identifier &&
		   a->xlog_seg_size == b->xlog_seg_size &&
		   a->data_checksum_version == b->data_checksum_version &&
		   a->wal_log_hints == b->wal_log_hints;
}

static void
forget_wait_set(BbRedoPool *pool)
{
	if (pool->wait_set != NULL)
		FreeWaitEventSet(pool->wait_set);
	pool->wait_set = NULL;
}

/*
 * Backend exit: helpers would notice by themselves, but their parent has to
 * remove their directories.  Memory stays: clients may still point to it.
 */
static void
end_all_processes(int code, Datum arg)
{
	ListCell   *cell;
	ListCell   *of_pool;

	foreach (cell, pools)
	{
		foreach (of_pool, ((BbRedoPool *) lfirst(cell))->helpers)
			bb_redo_process_end(((Helper *) lfirst(of_pool))->process);
	}
}

static void
remove_helper(Helper *helper)
{
	BbRedoPool *pool = helper->pool;

	forget_wait_set(pool);
	pool->helpers = list_delete_ptr(pool->helpers, helper);
	bb_redo_process_free(helper->process);
	pfree(helper);
}

static void
destroy_pool(BbRedoPool *pool)
{
	while (pool->helpers != NIL)
		remove_helper(linitial(pool->helpers));
	pools = list_delete_ptr(pools, pool);
	MemoryContextDelete(pool->context);
}

static BbRedoPool *
make_pool(const ControlFileData *control)
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
	pool->setup.library = bb_redo_setup_library();
	pool->setup.preload_libraries = pstrdup(bb_setting_redo_preload_libraries);
	pool->setup.seccomp = bb_setting_redo_seccomp;
	dlist_init(&pool->waiting);

	MemoryContextSwitchTo(TopMemoryContext);
	pools = lappend(pools, pool);
	MemoryContextSetParent(context, TopMemoryContext);
	MemoryContextSwitchTo(caller);
	return pool;
}

BbRedoPool *
bb_redo_pool_acquire(const void *control, size_t control_length)
{
	ControlFileData wanted;
	BbRedoPool *found = NULL;
	List	   *all;
	ListCell   *cell;

	if (control_length < sizeof(ControlFileData))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file is too short"),
				 errdetail("It has %zu bytes, of at least %zu.",
						   control_length, sizeof(ControlFileData))));
	memcpy(&wanted, control, sizeof(ControlFileData));

	all = list_copy(pools);
	foreach (cell, all)
	{
		BbRedoPool *pool = lfirst(cell);

		if (same_cluster(&pool->setup.control, &wanted) &&
			pool->setup.seccomp == bb_setting_redo_seccomp &&
			strcmp(pool->setup.preload_libraries,
				   bb_setting_redo_preload_libraries) == 0)
			found = pool;
		else if (pool->nclients == 0)
			destroy_pool(pool);
	}
	list_free(all);
	if (found == NULL)
		found = make_pool(&wanted);
	found->nclients++;
	return found;
}

void
bb_redo_pool_release(BbRedoPool *pool)
{
	pool->nclients--;
}

/*
 * The request is done, well or badly.
 */
static void
finish(BbRedoRequest *request, BbRedoFailure *failure)
{
	request->failure = failure;
	request->state = BB_REDO_DONE;
	if (request->unwanted)
		bb_redo_request_free(request);
}

static BbRedoFailure *
make_failure(BbRedoPool *pool, int sqlerrcode, const char *message,
			 const char *detail, const char *hint)
{
	MemoryContext caller = MemoryContextSwitchTo(pool->context);
	BbRedoFailure *failure = palloc0(sizeof(BbRedoFailure));

	failure->sqlerrcode = sqlerrcode;
	failure->message = pstrdup(message);
	failure->detail = detail[0] ? pstrdup(detail) : NULL;
	failure->hint = hint ? pstrdup(hint) : NULL;
	MemoryContextSwitchTo(caller);
	return failure;
}

/*
 * The request to blame for the failure of a helper.  NULL if there is none:
 * one that has proved to work, and dies between requests, was killed.
 */
static BbRedoRequest *
find_culprit(Helper *helper, bool died, bool *at_work)
{
	uint64		id = helper->process->slate->request;
	dlist_iter	iter;

	*at_work = false;
	dlist_foreach(iter, &helper->awaiting)
	{
		BbRedoRequest *request = dlist_container(BbRedoRequest, of_queue,
												 iter.cur);

		if (request->id == id)
		{
			*at_work = true;
			return request;
		}
	}
	if (died && id == 0 && helper->proved)
		return NULL;
	if (!dlist_is_empty(&helper->awaiting))
		return dlist_head_element(BbRedoRequest, of_queue, &helper->awaiting);
	if (!dlist_is_empty(&helper->outgoing))
		return dlist_head_element(BbRedoRequest, of_queue, &helper->outgoing);
	return NULL;
}

static void
put_first(BbRedoPool *pool, BbRedoRequest *request)
{
	request->state = BB_REDO_WAITING;
	dlist_push_head(&pool->waiting, &request->of_queue);
}

/*
 * Requests that a failed helper leaves behind begin their piece anew.  They
 * were there first, so they go first.
 */
static void
take_back(BbRedoPool *pool, dlist_head *queue)
{
	while (!dlist_is_empty(queue))
	{
		BbRedoRequest *request = dlist_tail_element(BbRedoRequest, of_queue,
													queue);

		dlist_delete(&request->of_queue);
		if (request->unwanted)
			bb_redo_request_free(request);
		else
		{
			request->sent = 0;
			put_first(pool, request);
		}
	}
}

/*
 * A helper is of no use any more: end it, blame a request, and save the
 * others.  "what" is what it did, as in "redo helper %s";
 * "died" is whether it ended by itself.
 */
static void
fail_helper(Helper *helper, bool died, int sqlerrcode, const char *what,
			const char *hint)
{
	BbRedoPool *pool = helper->pool;
	BbRedoRequest *culprit;
	char	   *message = psprintf("redo helper %s", what);
	bool		at_work;
	StringInfoData detail;

	bb_redo_process_end(helper->process);
	culprit = find_culprit(helper, died, &at_work);
	initStringInfo(&detail);
	if (culprit != NULL && helper->greeted)
		message = psprintf("%s at work on %s", message,
						   bb_key_text(&culprit->key));
	if (at_work)
		appendStringInfo(&detail, "It was at %s%s",
						 bb_redo_request_record_text(
							 culprit, helper->process->slate->record),
						 died ? "; " : ".");
	if (died)
		appendStringInfoString(&detail,
							   bb_redo_process_obituary(helper->process));
	if (culprit != NULL)
		dlist_delete(&culprit->of_queue);
	take_back(pool, &helper->outgoing);
	take_back(pool, &helper->awaiting);
	remove_helper(helper);
	if (culprit != NULL)
		finish(culprit,
			   make_failure(pool, sqlerrcode, message, detail.data,
							hint));
}

static void
helper_died(Helper *helper)
{
	fail_helper(helper, true, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
				helper->greeted ? "died" : "did not start", NULL);
}

static void
helper_talks_nonsense(Helper *helper)
{
	fail_helper(helper, false, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
				"answered nonsense", NULL);
}

/*
 * Send as much as the socket takes; false if the helper failed.
 */
static bool
send_requests(Helper *helper)
{
	while (!dlist_is_empty(&helper->outgoing))
	{
		BbRedoRequest *request = dlist_head_element(BbRedoRequest, of_queue,
													&helper->outgoing);
		size_t		length;
		const char *piece = bb_redo_request_piece(request, &length);
		ssize_t		sent;

		if (request->unwanted && request->sent == 0)
		{
			dlist_delete(&request->of_queue);
			helper->nrequests--;
			bb_redo_request_free(request);
			continue;
		}
		sent = send(helper->process->socket, piece + request->sent,
					length - request->sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (sent < 0)
		{
			helper_died(helper);
			return false;
		}
		helper->progress_at = GetCurrentTimestamp();
		request->sent += sent;
		if (request->sent == length)
		{
			dlist_delete(&request->of_queue);
			dlist_push_tail(&helper->awaiting, &request->of_queue);
		}
	}
	return true;
}

/*
 * The first thing that a helper says.  False if the helper failed.
 */
static bool
take_hello(Helper *helper, const BbRedoHello *hello)
{
	if (hello->magic != BB_REDO_MAGIC || hello->protocol != BB_REDO_PROTOCOL ||
		memchr(hello->message, '\0', sizeof(hello->message)) == NULL)
	{
		fail_helper(helper, false, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
					"is of another version of bbackup",
					"Reconnect: the library was replaced after this session "
					"loaded it.");
		return false;
	}
	if (hello->status != BB_REDO_READY)
	{
		char	   *what = psprintf("could not lock itself down: %s",
									hello->message);

		fail_helper(helper, false, ERRCODE_FEATURE_NOT_SUPPORTED, what,
					"If seccomp is not to be had here, a superuser may set "
					"bbackup.redo_seccomp to off.");
		return false;
	}
	helper->greeted = true;
	bb_redo_process_ready(helper->process);
	return true;
}

/*
 * An answer to the oldest request.  False if the helper failed.
 */
static bool
take_answer(Helper *helper, const BbRedoAnswer *answer, const char *content)
{
	BbRedoPool *pool = helper->pool;
	BbRedoRequest *request = dlist_head_element(BbRedoRequest, of_queue,
												&helper->awaiting);

	if (answer->status == BB_REDO_FAILED &&
		memchr(content, '\0', BB_REDO_MESSAGE_MAX) == NULL)
	{
		helper_talks_nonsense(helper);
		return false;
	}

	helper->proved = true;
	dlist_delete(&request->of_queue);
	helper->nrequests--;
	if (answer->status == BB_REDO_FAILED)
		finish(request,
			   make_failure(pool, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
							psprintf("redo of %s failed: %s",
									 bb_key_text(&request->key), content),
							psprintf("It failed at %s.",
									 bb_redo_request_record_text(
										 request, answer->record)),
							NULL));
	else if (request->unwanted || !bb_redo_request_advance(request, content))
		finish(request, NULL);
	else
		put_first(pool, request);
	return true;
}

/*
 * Is this the header of the answer that is due?
 */
static bool
answer_fits(Helper *helper, const BbRedoAnswer *answer)
{
	return !dlist_is_empty(&helper->awaiting) &&
		   answer->magic == BB_REDO_MAGIC &&
		   answer->id == dlist_head_element(BbRedoRequest, of_queue,
											&helper->awaiting)->id &&
		   ((answer->status == BB_REDO_PAGE && answer->length == BLCKSZ) ||
			(answer->status == BB_REDO_FAILED &&
			 answer->length == BB_REDO_MESSAGE_MAX));
}

/*
 * Take what came whole out of the input.  False if the helper failed.
 */
static bool
take_input(Helper *helper)
{
	size_t		at = 0;

	for (;;)
	{
		const char *next = helper->input + at;
		size_t		left = helper->have - at;
		const BbRedoAnswer *answer = (const BbRedoAnswer *) next;

		if (!helper->greeted)
		{
			if (left < sizeof(BbRedoHello))
				break;
			if (!take_hello(helper, (const BbRedoHello *) next))
				return false;
			at += sizeof(BbRedoHello);
			continue;
		}
		if (left < sizeof(BbRedoAnswer))
			break;
		if (!answer_fits(helper, answer))
		{
			helper_talks_nonsense(helper);
			return false;
		}
		if (left < sizeof(BbRedoAnswer) + answer->length)
			break;
		if (!take_answer(helper, answer, (const char *) (answer + 1)))
			return false;
		at += sizeof(BbRedoAnswer) + answer->length;
	}
	helper->have -= at;
	memmove(helper->input, helper->input + at, helper->have);
	return true;
}

/*
 * Receive what there is; false if the helper failed.
 */
static bool
receive_answers(Helper *helper)
{
	for (;;)
	{
		ssize_t		got = recv(helper->process->socket,
							   helper->input + helper->have,
							   INPUT_SIZE - helper->have, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (got <= 0)
		{
			helper_died(helper);
			return false;
		}
		helper->progress_at = GetCurrentTimestamp();
		helper->have += got;
		if (!take_input(helper))
			return false;
	}
}

static void
start_helper(BbRedoPool *pool)
{
	MemoryContext caller = MemoryContextSwitchTo(pool->context);
	BbRedoProcess *process = bb_redo_process_start(&pool->setup);
	Helper	   *helper = palloc(sizeof(Helper));

	memset(helper, 0, offsetof(Helper, input));
	helper->pool = pool;
	helper->process = process;
	helper->progress_at = GetCurrentTimestamp();
	dlist_init(&helper->outgoing);
	dlist_init(&helper->awaiting);
	pool->helpers = lappend(pool->helpers, helper);
	forget_wait_set(pool);
	MemoryContextSwitchTo(caller);
}

/*
 * The helper with the least to do, if it has room; NULL if none has.
 */
static Helper *
pick_helper(BbRedoPool *pool)
{
	Helper	   *best = NULL;
	ListCell   *cell;

	foreach (cell, pool->helpers)
	{
		Helper	   *helper = lfirst(cell);

		if (helper->nrequests < BB_REDO_DEPTH &&
			(best == NULL || helper->nrequests < best->nrequests))
			best = helper;
	}
	return best;
}

void
bb_redo_pool_dispatch(BbRedoPool *pool)
{
	while (!dlist_is_empty(&pool->waiting))
	{
		Helper	   *helper = pick_helper(pool);
		BbRedoRequest *request;

		if (helper == NULL)
		{
			if (list_length(pool->helpers) >= bb_setting_redo_processes)
				break;
			start_helper(pool);
			continue;
		}
		request = dlist_head_element(BbRedoRequest, of_queue, &pool->waiting);
		dlist_delete(&request->of_queue);
		dlist_push_tail(&helper->outgoing, &request->of_queue);
		request->state = BB_REDO_GIVEN;
		if (helper->nrequests++ == 0)
			helper->progress_at = GetCurrentTimestamp();
		(void) send_requests(helper);
	}
}

BbRedoRequest *
bb_redo_pool_submit(BbRedoPool *pool, const BbPageHistory *history)
{
	MemoryContext caller = MemoryContextSwitchTo(pool->context);
	BbRedoRequest *request = bb_redo_request_new(++pool->last_id, history);

	MemoryContextSwitchTo(caller);
	dlist_push_tail(&pool->waiting, &request->of_queue);
	return request;
}

/*
 * Fail the helpers that are hung.  Returns how many milliseconds the others
 * have before they are; -1: as many as they like.
 */
static long
check_timeouts(BbRedoPool *pool, TimestampTz since)
{
	List	   *helpers = list_copy(pool->helpers);
	TimestampTz now = GetCurrentTimestamp();
	long		shortest = -1;
	ListCell   *cell;

	if (bb_setting_redo_timeout_ms == 0)
		return -1;
	foreach (cell, helpers)
	{
		Helper	   *helper = lfirst(cell);
		TimestampTz limit;
		long		left;

		if (helper->nrequests == 0)
			continue;
		limit = TimestampTzPlusMilliseconds(Max(helper->progress_at, since),
											bb_setting_redo_timeout_ms);
		left = TimestampDifferenceMilliseconds(now, limit);
		if (now >= limit)
		{
			char	   *what = psprintf("did nothing for %d ms",
										bb_setting_redo_timeout_ms);

			fail_helper(helper, false, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, what,
						"Raise bbackup.redo_timeout if it needs more time.");
			shortest = 0;
		}
		else if (shortest < 0 || left < shortest)
			shortest = left;
	}
	list_free(helpers);
	return shortest;
}

/*
 * Make the wait set, if it is to be made, and have it wait for what each
 * helper can do next.
 */
static void
prepare_wait_set(BbRedoPool *pool)
{
	ListCell   *cell;

	if (pool->wait_set == NULL)
	{
		pool->wait_set =
			BB_WAIT_EVENT_SET_NEW(2 + list_length(pool->helpers));
		AddWaitEventToSet(pool->wait_set, WL_LATCH_SET, PGINVALID_SOCKET,
						  MyLatch, NULL);
		AddWaitEventToSet(pool->wait_set, WL_EXIT_ON_PM_DEATH,
						  PGINVALID_SOCKET, NULL, NULL);
		foreach (cell, pool->helpers)
		{
			Helper	   *helper = lfirst(cell);

			helper->event = AddWaitEventToSet(pool->wait_set,
											  WL_SOCKET_READABLE,
											  helper->process->socket, NULL,
											  helper);
		}
	}
	foreach (cell, pool->helpers)
	{
		Helper	   *helper = lfirst(cell);
		int			events = WL_SOCKET_READABLE;

		if (!dlist_is_empty(&helper->outgoing))
			events |= WL_SOCKET_WRITEABLE;
		ModifyWaitEvent(pool->wait_set, helper->event, events, NULL);
	}
}

void
bb_redo_pool_wait(const BbReqCtx *ctx, BbRedoPool *pool, TimestampTz since)
{
	WaitEvent	events[8];
	int			nevents;
	long		timeout_ms = check_timeouts(pool, since);

	if (timeout_ms == 0)
		return;
	if (ctx->deadline != 0)
	{
		long		left = TimestampDifferenceMilliseconds(
			GetCurrentTimestamp(), ctx->deadline);

		if (timeout_ms < 0 || left < timeout_ms)
			timeout_ms = left;
	}

	prepare_wait_set(pool);
	nevents = WaitEventSetWait(pool->wait_set, timeout_ms, events,
							   lengthof(events), PG_WAIT_EXTENSION);
	for (int i = 0; i < nevents; i++)
	{
		Helper	   *helper = events[i].user_data;

		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (receive_answers(helper))
			(void) send_requests(helper);
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
