/*-------------------------------------------------------------------------
 *
 * peer.c
 *	  Talks to a redo helper, and gives it up when it fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "base/settings.h"
#include "lib/stringinfo.h"
#include "redo/peer.h"
#include "utils/timestamp.h"

/* The maximal number of requests sent by one system call. */
#define SEND_REQUESTS 16

BbRedoPeer *
bb_redo_peer_new(MemoryContext context, dlist_head *waiting)
{
	BbRedoPeer *peer = MemoryContextAlloc(context, sizeof(BbRedoPeer));

	memset(peer, 0, offsetof(BbRedoPeer, input));
	peer->context = context;
	peer->waiting = waiting;
	dlist_init(&peer->outgoing);
	dlist_init(&peer->awaiting);
	return peer;
}

void
bb_redo_peer_free(BbRedoPeer *peer)
{
	if (peer->process != NULL)
		bb_redo_process_free(peer->process);
	pfree(peer);
}

/*
 * Take a request from the helper.
 */
static void
release(BbRedoPeer *peer, BbRedoRequest *request)
{
	dlist_delete(&request->of_queue);
	peer->slots[request->slot] = false;
	peer->nrequests--;
}

/*
 * The request is done, with a page or with a failure (not NULL).
 */
static void
finish(BbRedoRequest *request, ErrorData *failure)
{
	request->failure = failure;
	request->state = BB_REDO_DONE;
	if (request->unwanted)
		bb_redo_request_free(request);
}

static ErrorData *
make_failure(BbRedoPeer *peer, int sqlerrcode, const char *message,
			 const char *detail, const char *hint)
{
	MemoryContext caller = MemoryContextSwitchTo(peer->context);
	ErrorData  *failure = palloc0(sizeof(ErrorData));

	failure->elevel = ERROR;
	failure->filename = __FILE__;
	failure->lineno = __LINE__;
	failure->funcname = __func__;
	failure->sqlerrcode = sqlerrcode;
	failure->message = pstrdup(message);
	failure->detail = detail[0] ? pstrdup(detail) : NULL;
	failure->hint = hint ? pstrdup(hint) : NULL;
	MemoryContextSwitchTo(caller);
	return failure;
}

/*
 * Return the request to blame for the failure of a helper.  NULL: none, since a
 * helper that has answered requests and dies between two was killed.
 */
static BbRedoRequest *
find_culprit(BbRedoPeer *peer, bool died, bool *at_work)
{
	uint64		id = peer->process->slate->request;
	dlist_iter	iter;

	*at_work = false;
	dlist_foreach(iter, &peer->awaiting)
	{
		BbRedoRequest *request = dlist_container(BbRedoRequest, of_queue,
												 iter.cur);

		if (request->id == id)
		{
			*at_work = true;
			return request;
		}
	}
	if (died && id == 0 && peer->proved)
		return NULL;
	if (!dlist_is_empty(&peer->awaiting))
		return dlist_head_element(BbRedoRequest, of_queue, &peer->awaiting);
	if (!dlist_is_empty(&peer->outgoing))
		return dlist_head_element(BbRedoRequest, of_queue, &peer->outgoing);
	return NULL;
}

static void
put_first(BbRedoPeer *peer, BbRedoRequest *request)
{
	request->state = BB_REDO_WAITING;
	dlist_push_head(peer->waiting, &request->of_queue);
}

/*
 * The remaining requests of a failed helper begin their piece anew.  They are
 * older than those that wait, so they go first.
 */
static void
take_back(BbRedoPeer *peer, dlist_head *queue)
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
			put_first(peer, request);
		}
	}
}

/*
 * The helper has failed: end it, blame a request, and save the others.  "what"
 * completes the message "redo helper %s"; "died" is whether the helper ended
 * by itself.  Returns false, for the caller to return.
 */
static bool
fail(BbRedoPeer *peer, bool died, int sqlerrcode, const char *what,
	 const char *hint)
{
	BbRedoRequest *culprit;
	char	   *message = psprintf("redo helper %s", what);
	bool		at_work;
	StringInfoData detail;

	bb_redo_process_end(peer->process);
	culprit = find_culprit(peer, died, &at_work);
	initStringInfo(&detail);
	if (culprit != NULL && peer->greeted)
		message = psprintf("%s at work on %s", message,
						   bb_key_text(&culprit->key));
	if (at_work)
		appendStringInfo(&detail, "It was at %s%s",
						 bb_redo_request_record_text(culprit,
													 peer->process->slate
														 ->record),
						 died ? "; " : ".");
	if (died)
		appendStringInfoString(&detail,
							   bb_redo_process_end_text(peer->process));
	if (culprit != NULL)
	{
		ErrorData  *failure = make_failure(peer, sqlerrcode, message,
										   detail.data, hint);

		dlist_delete(&culprit->of_queue);
		finish(culprit, failure);
	}
	take_back(peer, &peer->outgoing);
	take_back(peer, &peer->awaiting);
	return false;
}

static bool
fail_by_death(BbRedoPeer *peer)
{
	return fail(peer, true, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
				peer->greeted ? "died" : "did not start",
				peer->greeted
					? NULL
					: bb_redo_installation_hint(peer->process->major));
}

static bool
fail_by_answer(BbRedoPeer *peer)
{
	return fail(peer, false, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
				"sent an invalid answer", NULL);
}

/*
 * Collect the data to send next, of several requests, which saves system calls.
 * Returns the number of vectors.
 */
static int
gather_outgoing(BbRedoPeer *peer, struct iovec *vectors)
{
	dlist_mutable_iter iter;
	int			n = 0;

	dlist_foreach_modify(iter, &peer->outgoing)
	{
		BbRedoRequest *request = dlist_container(BbRedoRequest, of_queue,
												 iter.cur);
		const char *piece;
		size_t		length;

		if (n == SEND_REQUESTS)
			break;
		if (request->unwanted && request->sent == 0)
		{
			release(peer, request);
			bb_redo_request_free(request);
			continue;
		}
		piece = bb_redo_request_piece(request, &length);
		vectors[n].iov_base = (char *) piece + request->sent;
		vectors[n++].iov_len = length - request->sent;
	}
	return n;
}

/* "sent" bytes were sent: requests that were sent whole await their answers. */
static void
note_sent(BbRedoPeer *peer, size_t sent)
{
	while (sent > 0)
	{
		BbRedoRequest *request = dlist_head_element(BbRedoRequest, of_queue,
													&peer->outgoing);
		size_t		length;
		size_t		part;

		(void) bb_redo_request_piece(request, &length);
		part = Min(sent, length - request->sent);
		request->sent += part;
		sent -= part;
		if (request->sent == length)
		{
			dlist_delete(&request->of_queue);
			dlist_push_tail(&peer->awaiting, &request->of_queue);
		}
	}
}

bool
bb_redo_peer_send(BbRedoPeer *peer)
{
	for (;;)
	{
		struct iovec vectors[SEND_REQUESTS];
		struct msghdr message = {.msg_iov = vectors};
		ssize_t		sent;

		message.msg_iovlen = gather_outgoing(peer, vectors);
		if (message.msg_iovlen == 0)
			return true;
		sent = sendmsg(peer->process->socket, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (sent < 0)
			return fail_by_death(peer);
		peer->progress_at = GetCurrentTimestamp();
		note_sent(peer, sent);
	}
}

/*
 * Handle the helper's hello.  Returns false if the helper has failed.
 */
static bool
take_hello(BbRedoPeer *peer, const BbRedoHello *hello)
{
	if (hello->magic != BB_REDO_MAGIC || hello->protocol != BB_REDO_PROTOCOL ||
		memchr(hello->message, '\0', sizeof(hello->message)) == NULL)
	{
		const char *hint = bb_redo_installation_hint(peer->process->major);

		return fail(peer, false, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
					"is of another version of bbackup",
					hint ? hint
						 : "Reconnect: the library was replaced after this "
						   "session loaded it.");
	}
	if (hello->status != BB_REDO_READY)
	{
		char	   *what = psprintf("could not lock itself down: %s",
									hello->message);

		return fail(peer, false, ERRCODE_FEATURE_NOT_SUPPORTED, what,
					"If seccomp is not available here, a superuser can set "
					"bbackup.redo_seccomp to off.");
	}
	peer->greeted = true;
	bb_redo_process_ready(peer->process);
	return true;
}

/*
 * Handle the answer to the oldest request.  Returns false if the helper has
 * failed.
 */
static bool
take_answer(BbRedoPeer *peer, const BbRedoAnswer *answer, const char *content)
{
	BbRedoRequest *request = dlist_head_element(BbRedoRequest, of_queue,
												&peer->awaiting);
	ErrorData  *failure = NULL;

	if (answer->status == BB_REDO_FAILED)
	{
		if (memchr(content, '\0', BB_REDO_MESSAGE_MAX) == NULL)
			return fail_by_answer(peer);
		failure = make_failure(
			peer, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
			psprintf("redo of %s failed: %s", bb_key_text(&request->key),
					 content),
			psprintf("It failed at %s.",
					 bb_redo_request_record_text(request, answer->record)),
			NULL);
	}

	peer->proved = true;
	release(peer, request);
	if (failure != NULL || request->unwanted ||
		!bb_redo_request_advance(request,
								 peer->process->slate->pages[request->slot]
									 .data))
		finish(request, failure);
	else
		put_first(peer, request);
	return true;
}

/*
 * Is this the header of an answer to the oldest request?
 */
static bool
answer_fits(BbRedoPeer *peer, const BbRedoAnswer *answer)
{
	return !dlist_is_empty(&peer->awaiting) &&
		answer->magic == BB_REDO_MAGIC &&
		answer->id ==
		dlist_head_element(BbRedoRequest, of_queue, &peer->awaiting)->id &&
		((answer->status == BB_REDO_PAGE && answer->length == 0) ||
		 (answer->status == BB_REDO_FAILED &&
		  answer->length == BB_REDO_MESSAGE_MAX));
}

/*
 * Handle the messages that have arrived completely.  Returns false if the
 * helper has failed.
 */
static bool
take_input(BbRedoPeer *peer)
{
	size_t		at = 0;

	for (;;)
	{
		const char *next = peer->input + at;
		size_t		left = peer->have - at;
		const BbRedoAnswer *answer = (const BbRedoAnswer *) next;

		if (!peer->greeted)
		{
			if (left < sizeof(BbRedoHello))
				break;
			if (!take_hello(peer, (const BbRedoHello *) next))
				return false;
			at += sizeof(BbRedoHello);
			continue;
		}
		if (left < sizeof(BbRedoAnswer))
			break;
		if (!answer_fits(peer, answer))
			return fail_by_answer(peer);
		if (left < sizeof(BbRedoAnswer) + answer->length)
			break;
		if (!take_answer(peer, answer, (const char *) (answer + 1)))
			return false;
		at += sizeof(BbRedoAnswer) + answer->length;
	}
	peer->have -= at;
	memmove(peer->input, peer->input + at, peer->have);
	return true;
}

bool
bb_redo_peer_receive(BbRedoPeer *peer)
{
	for (;;)
	{
		ssize_t		got = recv(peer->process->socket, peer->input + peer->have,
							   BB_REDO_INPUT_SIZE - peer->have, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (got <= 0)
			return fail_by_death(peer);
		peer->progress_at = GetCurrentTimestamp();
		peer->have += got;
		if (!take_input(peer))
			return false;
	}
}

void
bb_redo_peer_give(BbRedoPeer *peer, BbRedoRequest *request)
{
	int			slot = 0;

	while (peer->slots[slot])
		slot++;
	peer->slots[slot] = true;
	bb_redo_request_place(request, peer->process->slate, slot);
	dlist_push_tail(&peer->outgoing, &request->of_queue);
	request->state = BB_REDO_GIVEN;
	if (peer->nrequests++ == 0)
		peer->progress_at = GetCurrentTimestamp();
}

void
bb_redo_peer_time_out(BbRedoPeer *peer)
{
	char	   *what = psprintf("did nothing for %d ms",
								bb_setting_redo_timeout_ms);

	(void) fail(peer, false, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, what,
				"Raise bbackup.redo_timeout if it needs more time.");
}
