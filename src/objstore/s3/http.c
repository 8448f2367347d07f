/*-------------------------------------------------------------------------
 *
 * http.c
 *	  HTTP requests, by libcurl, with the server's own wait.
 *
 * libcurl's multi interface tells which sockets it waits for, and the wait is
 * a WaitEventSet with them and our latch:
 *
 *	  curl_multi_socket_action ──► watch_socket: what to wait for
 *			  ^								 │
 *			  └── WaitEventSetWait ◄─────────┘
 *
 * Its callbacks are called from within libcurl, so they must not throw.
 *
 * libcurl may resolve names in a thread of its own.  Signals are blocked while
 * libcurl runs, so that such a thread is born with all of them blocked, and
 * the backend's handlers run in the backend's thread only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compat.h"
#include "lib/ilist.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "objstore/s3/http.h"
#include "objstore/s3/httpheader.h"
#include "pgstat.h"
#include "process/waitset.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Sockets that libcurl may watch at once; one or two for each request. */
#define MAX_SOCKETS 16

/* Look at interrupts and the deadline at least so often. */
#define WAIT_MS 1000

/* Idle connections that the session keeps. */
#define MAX_CONNECTIONS 8L

/* The session's connections, and what to wait for. */
static struct
{
	CURLM	   *multi;
	dlist_head	transfers;
	bool		changed; /* the sockets, since the set was made */
	WaitEventSet *set;
	int			nsockets;
	struct
	{
		curl_socket_t socket;
		int			what;
	}			sockets[MAX_SOCKETS];
}			session;

/* A request under way. */
struct BbHttpTransfer
{
	MemoryContext context; /* its own */
	MemoryContext caller;  /* for a body that grows */
	BbHttpRequest request;
	BbHttpAnswer *answer;
	CURL	   *easy;
	struct curl_slist *headers;
	bool		added; /* to the multi handle */
	bool		done;
	CURLcode	code; /* how it ended */
	size_t		allocated;
	size_t		error_length;
	bool		out_of_memory;
	bool		headers_ended; /* of the answer */
	bool		framed;		   /* they say where the body ends */
	char		message[CURL_ERROR_SIZE];
	MemoryContextCallback callback;
	dlist_node	node; /* in the session's, when added */
};

/* ---- callbacks of libcurl: they must not throw ---- */

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

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	int			fd;

	if (!AcquireExternalFD())
		return CURL_SOCKET_BAD;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
				address->protocol);
	if (fd < 0)
		ReleaseExternalFD();
	return fd;
}

static int
close_socket(void *arg, curl_socket_t socket)
{
	ReleaseExternalFD();
	return close(socket);
}

static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	BbHttpTransfer *transfer = arg;
	BbHttpAnswer *answer = transfer->answer;
	size_t		length = size * count;
	size_t		end = length;

	while (end > 0 && (line[end - 1] == '\r' || line[end - 1] == '\n'))
		end--;
	if (end == 0)
		transfer->headers_ended = true;
	else if (strncmp(line, "HTTP/", 5) == 0)
		transfer->headers_ended = transfer->framed = false;
	else if (pg_strncasecmp(line, "content-length:", 15) == 0 ||
			 pg_strncasecmp(line, "transfer-encoding:", 18) == 0)
		transfer->framed = true;

	bb_http_take_header(line, end, answer);
	return length;
}

/* Make room for so many bytes of body, and one more. */
static bool
grow_body(BbHttpTransfer *transfer, size_t needed)
{
	BbHttpAnswer *answer = transfer->answer;
	size_t		allocated = Max(transfer->allocated * 2, 8192);
	char	   *body;

	if (needed < transfer->allocated)
		return true;
	allocated = Max(allocated, needed + 1);
	body = MemoryContextAllocExtended(transfer->caller, allocated,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (body == NULL)
	{
		transfer->out_of_memory = true;
		return false;
	}
	if (answer->body != NULL)
	{
		memcpy(body, answer->body, answer->length);
		pfree(answer->body);
	}
	answer->body = body;
	transfer->allocated = allocated;
	return true;
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	BbHttpTransfer *transfer = arg;
	BbHttpAnswer *answer = transfer->answer;
	size_t		length = size * count;
	long		status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 300)
	{
		size_t		room = sizeof(answer->error) - 1 - transfer->error_length;

		memcpy(answer->error + transfer->error_length, data,
			   Min(length, room));
		transfer->error_length += Min(length, room);
		return length;
	}

	if (length > transfer->request.capacity - answer->length)
	{
		answer->too_long = true;
		return 0;
	}
	if (transfer->request.buffer == NULL &&
		!grow_body(transfer, answer->length + length))
		return 0;
	memcpy(answer->body + answer->length, data, length);
	answer->length += length;
	return length;
}

/* ---- the session's connections ---- */

static void
close_session(int code, Datum arg)
{
	/* idle connections say good-bye; the rest is the kernel's */
	curl_multi_cleanup(session.multi);
	session.multi = NULL;
}

static void
open_session(void)
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
 * Have a wait event set for the sockets that libcurl watches now.  If it can't
 * be had, there is none.
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

/* Let libcurl go on. */
static void
drive(curl_socket_t socket, int events)
{
	sigset_t	before;
	int			running;

	sigprocmask(SIG_SETMASK, &BlockSig, &before);
	curl_multi_socket_action(session.multi, socket, events, &running);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/*
 * Wait until a socket is ready, a timer of libcurl's is due, or somebody wants
 * something of us; then let libcurl go on.
 */
static void
wait_and_drive(const BbReqCtx *ctx, TimestampTz give_up)
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
		drive(CURL_SOCKET_TIMEOUT, 0);
}

/* ---- a request ---- */

/* libcurl goes on with it no more. */
static void
stop_transfer(BbHttpTransfer *transfer)
{
	if (!transfer->added)
		return;
	if (session.multi != NULL)
		curl_multi_remove_handle(session.multi, transfer->easy);
	dlist_delete(&transfer->node);
	transfer->added = false;
}

static void
end_transfer(void *arg)
{
	BbHttpTransfer *transfer = arg;

	stop_transfer(transfer);
	if (transfer->easy != NULL)
		curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
}

static void
add_header(BbHttpTransfer *transfer, const char *header)
{
	struct curl_slist *headers = curl_slist_append(transfer->headers, header);

	if (headers == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	transfer->headers = headers;
}

static void
set_options(BbHttpTransfer *transfer)
{
	const BbHttpRequest *request = &transfer->request;
	CURL	   *easy = transfer->easy;

	for (const char **header = request->headers; *header != NULL; header++)
		add_header(transfer, *header);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "bbackup");
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->message);

	if (request->body != NULL)
	{
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
						 (curl_off_t) request->body_length);
	}
	if (strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->range_length > 0)
		curl_easy_setopt(easy, CURLOPT_RANGE,
						 psprintf(UINT64_FORMAT "-" UINT64_FORMAT,
								  request->range_start,
								  request->range_start +
									  request->range_length - 1));

	if (request->ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long) request->timeout_s);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long) request->timeout_s);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);

	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

/* Will it be another time? */
static bool
passes(CURLcode code)
{
	switch (code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
		case CURLE_OPERATION_TIMEDOUT:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_GOT_NOTHING:
		case CURLE_PARTIAL_FILE:
		case CURLE_HTTP2:
		case CURLE_HTTP2_STREAM:
		case CURLE_WEIRD_SERVER_REPLY:
			return true;
		default:
			return false;
	}
}

static void
take_result(BbHttpTransfer *transfer)
{
	CURLcode	code = transfer->code;
	BbHttpAnswer *answer = transfer->answer;
	long		status = 0;
	curl_off_t	length = -1;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
					  &length);
	answer->status = (int) status;
	answer->content_length = Max(length, 0);
	if (transfer->out_of_memory)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (answer->body != NULL && transfer->request.buffer == NULL)
		answer->body[answer->length] = '\0';
	if (code != CURLE_OK && !answer->too_long)
	{
		answer->failure = pstrdup(transfer->message[0] != '\0'
									  ? transfer->message
									  : curl_easy_strerror(code));
		answer->worth_retrying = passes(code);
		answer->untrusted = code == CURLE_PEER_FAILED_VERIFICATION ||
			code == CURLE_SSL_CACERT_BADFILE;
	}
	/* libcurl is content with an answer that ends with the connection */
	else if (code == CURLE_OK &&
			 (!transfer->headers_ended ||
			  (answer->length > 0 && !transfer->framed)))
	{
		answer->failure = "The answer broke off";
		answer->worth_retrying = true;
	}
}

BbHttpTransfer *
bb_http_begin(const BbHttpRequest *request, BbHttpAnswer *answer)
{
	MemoryContext context;
	MemoryContext old;
	BbHttpTransfer *transfer;

	open_session();
	memset(answer, 0, sizeof(BbHttpAnswer));
	answer->body = request->buffer;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup request",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	transfer = palloc0(sizeof(BbHttpTransfer));
	transfer->context = context;
	transfer->caller = old;
	transfer->request = *request;
	transfer->answer = answer;
	transfer->callback.func = end_transfer;
	transfer->callback.arg = transfer;
	MemoryContextRegisterResetCallback(context, &transfer->callback);
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	set_options(transfer);
	if (curl_multi_add_handle(session.multi, transfer->easy) != CURLM_OK)
		elog(ERROR, "could not begin an HTTP request");
	transfer->added = true;
	dlist_push_tail(&session.transfers, &transfer->node);
	MemoryContextSwitchTo(old);

	drive(CURL_SOCKET_TIMEOUT, 0);
	return transfer;
}

/* Which ones ended? */
static void
take_messages(void)
{
	CURLMsg	   *message;
	int			left;

	while ((message = curl_multi_info_read(session.multi, &left)) != NULL)
	{
		BbHttpTransfer *transfer;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		transfer->done = true;
		transfer->code = message->data.result;
	}
}

static void
wait_for(const BbReqCtx *ctx, BbHttpTransfer *transfer)
{
	TimestampTz give_up = transfer->request.give_up;

	for (;;)
	{
		take_messages();
		if (transfer->done)
			break;
		if (ctx != NULL)
			bb_reqctx_check(ctx);
		if (give_up != 0 && GetCurrentTimestamp() >= give_up)
		{
			transfer->code = CURLE_OPERATION_TIMEDOUT;
			break;
		}
		wait_and_drive(ctx, give_up);
	}
}

void
bb_http_end(const BbReqCtx *ctx, BbHttpTransfer *transfer)
{
	PG_TRY();
	{
		wait_for(ctx, transfer);
	}
	PG_CATCH();
	{
		/*
		 * Its answer may be on the stack that is being left, and cleaning up
		 * may take other requests, before the memory context goes: libcurl
		 * must not go on with this one.
		 */
		MemoryContextDelete(transfer->context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	take_result(transfer);
	MemoryContextDelete(transfer->context);
}

void
bb_http_stop_all(void)
{
	dlist_mutable_iter iter;

	if (session.multi == NULL)
		return;
	dlist_foreach_modify(iter, &session.transfers)
	{
		BbHttpTransfer *transfer = dlist_container(BbHttpTransfer, node,
												   iter.cur);

		stop_transfer(transfer);
		transfer->done = true;
		transfer->code = CURLE_ABORTED_BY_CALLBACK;
	}
}
