/*-------------------------------------------------------------------------
 *
 * http_session.c
 *	  The HTTP connections of this session: waiting for all that are in use.
 *
 * libcurl's multi interface says which sockets it waits for.  The wait is a
 * WaitEventSet with these sockets and our latch:
 *
 *	  curl_multi_socket_action ──► watch_socket: what to wait for
 *			  ^								 │
 *			  └── WaitEventSetWait ◄─────────┘
 *
 * libcurl may resolve names in a thread.  All signals are blocked while libcurl
 * runs, so that they are blocked in such a thread, too, and the backend's
 * signal handlers run in the backend's thread only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "base/compat.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "objstore/s3/http_session.h"
#include "pgstat.h"
#include "process/waitset.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Limit of the sockets that libcurl watches; one or two for each request. */
#define MAX_SOCKETS 16

/* How often a wait looks at interrupts and the deadline at least. */
#define WAIT_MS 1000

/* Limit of the idle connections that the session keeps. */
#define MAX_CONNECTIONS 8L

/* The session's connections, and the sockets to wait for. */
static struct
{
	CURLM	   *multi;
	bool		changed; /* the sockets, since the set was created */
	WaitEventSet *set;
	int			nsockets;
	struct
	{
		curl_socket_t socket;
		int			what;
	}			sockets[MAX_SOCKETS];
}			session;

/* A callback of libcurl, which must not throw. */
static int
watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg,
			 void *socket_arg)
{
	int			i = 0;

	while (i < session.nsockets && session.sockets[i].socket != socket)
		i++;
	session.changed = true;
	if (what == CURL_POLL_REMOVE)
	{
		if (i < session.nsockets)
			session.sockets[i] = session.sockets[--session.nsockets];
		return 0;
	}
	if (i == MAX_SOCKETS)
		return -1;
	if (i == session.nsockets)
		session.nsockets++;
	session.sockets[i].socket = socket;
	session.sockets[i].what = what;
	return 0;
}

static void
close_session(int code, Datum arg)
{
	/* ends idle connections properly; the kernel closes the others */
	curl_multi_cleanup(session.multi);
	session.multi = NULL;
}

void
bb_http_session_open(void)
{
	if (session.multi != NULL)
		return;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(session.multi = curl_multi_init()) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not initialize libcurl")));
	curl_multi_setopt(session.multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(session.multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
	on_proc_exit(close_session, 0);
}

void
bb_http_session_add(CURL *easy)
{
	if (curl_multi_add_handle(session.multi, easy) != CURLM_OK)
		elog(ERROR, "could not begin an HTTP request");
}

void
bb_http_session_remove(CURL *easy)
{
	if (session.multi != NULL)
		curl_multi_remove_handle(session.multi, easy);
}

CURL *
bb_http_session_next_ended(CURLcode *code)
{
	CURLMsg	   *message;
	int			left;

	while ((message = curl_multi_info_read(session.multi, &left)) != NULL)
	{
		if (message->msg == CURLMSG_DONE)
		{
			*code = message->data.result;
			return message->easy_handle;
		}
	}
	return NULL;
}

static void
fill_wait_set(WaitEventSet *set)
{
	bb_wait_set_begin(set);
	for (int i = 0; i < session.nsockets; i++)
	{
		int			what = session.sockets[i].what;
		uint32		events = 0;

		if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
			events |= WL_SOCKET_READABLE;
		if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
			events |= WL_SOCKET_WRITEABLE;
		if (events != 0)
			AddWaitEventToSet(set, events, session.sockets[i].socket, NULL,
							  NULL);
	}
}

/*
 * Create a wait event set for the sockets that libcurl watches now, unless
 * there is one.
 */
static void
prepare_wait(void)
{
	WaitEventSet *set;

	if (session.set != NULL && !session.changed)
		return;
	if (session.set != NULL)
	{
		FreeWaitEventSet(session.set);
		session.set = NULL;
	}
	set = BB_WAIT_EVENT_SET_NEW(MAX_SOCKETS + 2);
	PG_TRY();
	{
		fill_wait_set(set);
	}
	PG_CATCH();
	{
		FreeWaitEventSet(set);
		PG_RE_THROW();
	}
	PG_END_TRY();
	session.set = set;
	session.changed = false;
}

/* Let libcurl continue after events on a socket. */
static void
drive(curl_socket_t socket, int events)
{
	sigset_t	before;
	int			running;

	sigprocmask(SIG_SETMASK, &BlockSig, &before);
	curl_multi_socket_action(session.multi, socket, events, &running);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void
bb_http_session_drive(void)
{
	drive(CURL_SOCKET_TIMEOUT, 0);
}

void
bb_http_session_wait(const BbReqCtx *ctx, TimestampTz give_up)
{
	WaitEvent	events[MAX_SOCKETS + 2];
	TimestampTz deadlines[] = {ctx != NULL ? ctx->deadline : 0, give_up};
	long		wait_ms = -1;
	int			n;

	curl_multi_timeout(session.multi, &wait_ms);
	if (wait_ms < 0 || wait_ms > WAIT_MS)
		wait_ms = WAIT_MS;
	for (int i = 0; i < lengthof(deadlines); i++)
	{
		if (deadlines[i] != 0)
			wait_ms = Min(wait_ms,
						  TimestampDifferenceMilliseconds(
							  GetCurrentTimestamp(), deadlines[i]));
	}
	prepare_wait();
	n = WaitEventSetWait(session.set, wait_ms, events, lengthof(events),
						 PG_WAIT_EXTENSION);
	for (int i = 0; i < n; i++)
	{
		int			ready = 0;

		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			continue;
		}
		if (events[i].events & WL_SOCKET_READABLE)
			ready |= CURL_CSELECT_IN;
		if (events[i].events & WL_SOCKET_WRITEABLE)
			ready |= CURL_CSELECT_OUT;
		drive(events[i].fd, ready);
	}
	if (n == 0)
		bb_http_session_drive();
}
