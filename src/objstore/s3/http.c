/*-------------------------------------------------------------------------
 *
 * http.c
 *	  One HTTP request, by libcurl: its options, its answer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/resource.h"
#include "lib/ilist.h"
#include "objstore/s3/http.h"
#include "objstore/s3/http_session.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The transfers that were added to the session. */
static dlist_head transfers = DLIST_STATIC_INIT(transfers);

/* A request under way. */
struct BbHttpTransfer
{
	MemoryContext context; /* owns the transfer */
	MemoryContext caller;  /* the body is allocated there */
	BbHttpRequest request;
	BbHttpAnswer *answer;
	CURL	   *easy;
	struct curl_slist *headers;
	bool		added; /* to the session */
	bool		done;
	CURLcode	code; /* how it ended */
	size_t		allocated;
	size_t		error_length;
	bool		out_of_memory;
	bool		headers_ended; /* of the answer */
	bool		framed;		   /* the headers say where the body ends */
	char		message[CURL_ERROR_SIZE];
	dlist_node	node; /* in "transfers", if added */
};

static void
report_out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/*
 * ---- the headers of an answer ----
 *
 * They come from the server and are not terminated.  Malformed values are
 * ignored.
 */

/* "content-range: bytes 0-99/1234": 1234; 0 if it isn't known. */
static uint64
total_of_range(const char *line, size_t end)
{
	uint64		total = 0;
	uint64		unit = 1;

	for (; end > 0 && line[end - 1] >= '0' && line[end - 1] <= '9'; end--)
	{
		total += unit * (line[end - 1] - '0');
		unit *= 10;
	}
	return end > 0 && line[end - 1] == '/' ? total : 0;
}

/* Can this character be in the name of a host or region, or a port? */
static bool
is_plain(char c)
{
	return isalnum((unsigned char) c) || strchr("-.:[]_", c) != NULL;
}

/* Copy a value that ends at "end", unless it is too long. */
static void
take_value(const char *value, size_t end, char *to, size_t size)
{
	if (end < size)
	{
		memcpy(to, value, end);
		to[end] = '\0';
	}
}

/*
 * Copy "https://host:port" of "https://host:port/path?query".  The rest isn't
 * kept, because the query may contain a signature.
 */
static void
take_location(const char *value, size_t end, BbHttpAnswer *answer)
{
	size_t		at = 0;

	while (at < end && value[at] != ':')
		at++;
	if (at + 3 > end || strncmp(value + at, "://", 3) != 0)
		return;
	for (at += 3; at < end && is_plain(value[at]);)
		at++;
	take_value(value, at, answer->location, sizeof(answer->location));
}

static void
take_region(const char *value, size_t end, BbHttpAnswer *answer)
{
	for (size_t at = 0; at < end; at++)
		if (!is_plain(value[at]))
			return;
	take_value(value, end, answer->region, sizeof(answer->region));
}

/* Is it this header?  Then set *value and its length. */
static bool
is_header(const char *line, size_t end, const char *name, const char **value,
		  size_t *length)
{
	size_t		start = strlen(name);

	if (end <= start || pg_strncasecmp(line, name, start) != 0)
		return false;
	*value = line + start;
	*length = end - start;
	return true;
}

/* The headers whose values are kept as they are. */
static const struct
{
	const char *name;
	size_t		at; /* in the answer */
	size_t		size;
}			texts[] = {
#define TEXT(name, field)                          \
	{                                              \
		name ": ", offsetof(BbHttpAnswer, field),  \
			sizeof(((BbHttpAnswer *) NULL)->field) \
	}
	TEXT("etag", etag),
	TEXT("x-amz-server-side-encryption", encryption),
	TEXT("x-amz-server-side-encryption-aws-kms-key-id", kms_key_id),
	TEXT("x-amz-server-side-encryption-bucket-key-enabled", bucket_key),
	TEXT("x-amz-storage-class", storage_class),
	TEXT("x-amz-object-lock-mode", lock_mode),
	TEXT("x-amz-object-lock-retain-until-date", retained_until),
#undef TEXT
};

/* Decode a line that ends at "end", if it is one of the headers in use. */
static void
decode_header(const char *line, size_t end, BbHttpAnswer *answer)
{
	const char *value;
	size_t		length;

	for (int i = 0; i < lengthof(texts); i++)
		if (is_header(line, end, texts[i].name, &value, &length))
			take_value(value, length, (char *) answer + texts[i].at,
					   texts[i].size);
	if (is_header(line, end, "location: ", &value, &length))
		take_location(value, length, answer);
	else if (is_header(line, end, "x-amz-bucket-region: ", &value, &length))
		take_region(value, length, answer);
	else if (is_header(line, end, "content-range: ", &value, &length))
		answer->total_length = total_of_range(value, length);
	else if (is_header(line, end, "date: ", &value, &length))
	{
		char		date[100] = "";

		take_value(value, length, date, sizeof(date));
		answer->date = Max(curl_getdate(date, NULL), 0);
	}
}

/* ---- callbacks of libcurl: they must not throw ---- */

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

	decode_header(line, end, transfer->answer);
	return length;
}

/* Allocate memory for so many bytes of body, and one more. */
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

/* ---- a transfer ---- */

/* Take a transfer away from libcurl. */
static void
stop_transfer(BbHttpTransfer *transfer)
{
	if (!transfer->added)
		return;
	bb_http_session_remove(transfer->easy);
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
		report_out_of_memory();
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

	if (request->direct)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
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

/* May the request succeed if it is sent again? */
static bool
is_temporary(CURLcode code)
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
		report_out_of_memory();
	if (answer->body != NULL && transfer->request.buffer == NULL)
		answer->body[answer->length] = '\0';
	if (code != CURLE_OK && !answer->too_long)
	{
		answer->failure = pstrdup(transfer->message[0] != '\0'
									  ? transfer->message
									  : curl_easy_strerror(code));
		answer->worth_retrying = is_temporary(code);
		answer->untrusted = code == CURLE_PEER_FAILED_VERIFICATION ||
			code == CURLE_SSL_CACERT_BADFILE;
	}
	/* libcurl accepts an answer that ends with the connection */
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
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup request",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbHttpTransfer *transfer = palloc0(sizeof(BbHttpTransfer));

	bb_http_session_open();
	memset(answer, 0, sizeof(BbHttpAnswer));
	answer->body = request->buffer;
	transfer->context = context;
	transfer->caller = old;
	transfer->request = *request;
	transfer->answer = answer;
	bb_on_reset(context, end_transfer, transfer);
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		report_out_of_memory();
	set_options(transfer);
	bb_http_session_add(transfer->easy);
	transfer->added = true;
	dlist_push_tail(&transfers, &transfer->node);
	MemoryContextSwitchTo(old);

	bb_http_session_drive();
	return transfer;
}

/* Take note of the transfers that have ended. */
static void
take_ended(void)
{
	CURL	   *easy;
	CURLcode	code;

	while ((easy = bb_http_session_next_ended(&code)) != NULL)
	{
		BbHttpTransfer *transfer;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
		transfer->done = true;
		transfer->code = code;
	}
}

static void
wait_for(const BbReqCtx *ctx, BbHttpTransfer *transfer)
{
	TimestampTz give_up = transfer->request.give_up;

	for (;;)
	{
		take_ended();
		if (transfer->done)
			break;
		if (ctx != NULL)
			bb_reqctx_check(ctx);
		if (give_up != 0 && GetCurrentTimestamp() >= give_up)
		{
			transfer->code = CURLE_OPERATION_TIMEDOUT;
			break;
		}
		bb_http_session_wait(ctx, give_up);
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
		 * The answer may be on the stack that is being left, and cleaning up
		 * may make other requests before the memory context is deleted.  So
		 * libcurl must not continue this transfer.
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

	dlist_foreach_modify(iter, &transfers)
	{
		BbHttpTransfer *transfer = dlist_container(BbHttpTransfer, node,
												   iter.cur);

		stop_transfer(transfer);
		transfer->done = true;
		transfer->code = CURLE_ABORTED_BY_CALLBACK;
	}
}
