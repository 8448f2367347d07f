/*-------------------------------------------------------------------------
 *
 * s3_request.c
 *	  One request to S3: signed, retried, its errors explained.
 *
 * Each attempt is signed, since a signature contains the time.  All headers
 * are signed except Range, which libcurl adds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/settings.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "objstore/s3/s3_internal.h"
#include "objstore/s3/xml.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The wait after the first attempt; it doubles with each, up to the maximum. */
#define FIRST_BACKOFF_MS 100
#define MAX_BACKOFF_MS 5000

/* After so long, a WARNING says what the call is waiting for. */
#define WARN_AFTER_MS 5000

/* The time limit of cleaning up. */
#define CLEAN_UP_MS 3000

/* The attempts at one request. */
typedef struct Attempts
{
	int			count;
	TimestampTz failed; /* when the first one failed */
	TimestampTz until;	/* no attempt begins later; 0: none has failed */
	bool		warned;
} Attempts;

void
bb_s3_bad_answer(const BbS3Store *objects, const char *action,
				 const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("could not %s of page store \"%s\"", action,
					objects->base.url),
			 errdetail("The server's answer can't be read: %s", reason),
			 errhint("Is the endpoint an S3 server?")));
}

/* Send a request once. */
static BbHttpTransfer *
attempt(const BbS3Store *objects, const BbS3Request *request,
		BbHttpAnswer *answer)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup S3 signature",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	const char *headers[3] = {NULL};
	int			nheaders = 0;
	StringInfoData url;
	BbHttpRequest http = request->http;
	BbHttpTransfer *transfer;

	initStringInfo(&url);
	appendStringInfoString(&url, objects->bucket_url);
	if (request->name != NULL)
		appendStringInfo(&url, "%s%s", objects->prefix,
						 bb_s3_encode_path(request->name));
	if (request->query != NULL)
		appendStringInfo(&url, "?%s", request->query);
	if (http.body != NULL)
		headers[nheaders++] = "Content-Type: application/octet-stream";
	if (request->condition != NULL)
		headers[nheaders++] = request->condition;

	http.url = url.data;
	http.headers = headers;
	http.headers = bb_s3_sign(&objects->keys, &http, GetCurrentTimestamp());
	http.ca_file = bb_setting_s3_ca_file;
	http.timeout_s = bb_setting_s3_timeout_s;
	MemoryContextSwitchTo(old);
	transfer = bb_http_begin(&http, answer);
	/* libcurl has copied the URL and the headers */
	MemoryContextDelete(context);
	return transfer;
}

/* Copy a word of an error's body, unless it has unexpected characters. */
static void
take_word(const char *text, const char *others, char *to, size_t size)
{
	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char) *p) && strchr(others, *p) == NULL)
			return;
	if (strlen(text) < size)
		strlcpy(to, text, size);
}

/*
 * Find the code in an error's body, and where the bucket is.  The headers may
 * say so if the body doesn't.
 */
static void
find_code(BbS3Answer *answer)
{
	BbXml		xml;
	const char *path;
	const char *text;

	answer->code[0] = '\0';
	strlcpy(answer->endpoint, answer->http.location, sizeof(answer->endpoint));
	strlcpy(answer->region, answer->http.region, sizeof(answer->region));
	bb_xml_init(&xml, answer->http.error);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (strcmp(path, "Error/Code") == 0)
			take_word(text, "", answer->code, sizeof(answer->code));
		else if (strcmp(path, "Error/Endpoint") == 0)
			take_word(text, "-.:[]", answer->endpoint,
					  sizeof(answer->endpoint));
		else if (strcmp(path, "Error/Region") == 0)
			take_word(text, "-", answer->region, sizeof(answer->region));
	}
}

static bool
worth_retrying(const BbS3Answer *answer)
{
	if (answer->http.failure != NULL)
		return answer->http.worth_retrying;
	switch (answer->http.status)
	{
		case 408:
		case 429:
		case 500:
		case 502:
		case 503:
		case 504:
			return true;
		case 400:
			return strcmp(answer->code, "RequestTimeout") == 0;
		default:
			return false;
	}
}

static bool
tolerated(const BbS3Request *request, const BbS3Answer *answer)
{
	switch (answer->http.status)
	{
		case 404:
			return (request->tolerate & BB_S3_MISSING) &&
				strcmp(answer->code, "NoSuchBucket") != 0;
		case 409:
		case 412:
		case 501:
			return request->tolerate & BB_S3_CONDITION;
		case 400:
			return (request->tolerate & BB_S3_CONDITION) &&
				strcmp(answer->code, "NotImplemented") == 0;
		default:
			return false;
	}
}

/* Does the server say that the bucket is elsewhere? */
static bool
is_elsewhere(const BbS3Answer *answer)
{
	return (answer->http.status >= 300 && answer->http.status < 400) ||
		strcmp(answer->code, "AuthorizationHeaderMalformed") == 0 ||
		strcmp(answer->code, "PermanentRedirect") == 0;
}

static const char *
hint_for(const BbS3Store *objects, const BbS3Answer *answer)
{
	static const struct
	{
		const char *code;
		const char *hint;
	}			hints[] = {
		{"SignatureDoesNotMatch",
		 "Is secret_access_key in the user mapping the right one?"},
		{"InvalidAccessKeyId",
		 "Is access_key_id in the user mapping the right one?"},
		{"AccessDenied",
		 "The keys in the user mapping need the right to list, read, write "
		 "and delete in the bucket."},
		{"ExpiredToken", "Renew session_token in the user mapping."},
		{"InvalidToken", "Renew session_token in the user mapping."},
		{"RequestTimeTooSkewed", "Set the clock of this machine."},
		{"NoSuchBucket", "Create the bucket, or correct the store's URL."},
	};

	if (answer->http.untrusted && objects->dotted)
		return "Set the server's option \"path_style\" to true: a wildcard "
			   "certificate isn't valid for a bucket whose name has dots. For "
			   "a private authority, set bbackup.s3_ca_file.";
	if (answer->http.untrusted)
		return "Set bbackup.s3_ca_file to a file with the certificate of the "
			   "authority that signed the server's.";
	if (answer->http.failure != NULL)
		return "Is the server's option \"endpoint\" right, and does the "
			   "object storage run?";
	if (is_elsewhere(answer))
		return answer->region[0] != '\0'
			? psprintf("The bucket is in region \"%s\": set the server's "
					   "option \"region\" to it.",
					   answer->region)
			: "The bucket is in another region or at another endpoint: set "
			  "the server's options \"region\" and \"endpoint\" to them.";
	for (int i = 0; i < lengthof(hints); i++)
	{
		if (strcmp(answer->code, hints[i].code) == 0)
			return hints[i].hint;
	}
	switch (answer->http.status)
	{
		case 403:
			return "Are the keys in the user mapping right, and the clock of "
				   "this machine?";
		case 404:
			return "Does the bucket exist?";
		default:
			return worth_retrying(answer)
				? "Try again when the object storage has recovered; "
				  "bbackup.s3_retry_time says for how long calls do "
				  "that."
				: NULL;
	}
}

/* Report a failure: as a WARNING if the request will be retried, or an ERROR. */
static void
report_failure(int level, const BbS3Store *objects, const BbS3Request *request,
			   const BbS3Answer *answer, const Attempts *attempts)
{
	const char *hint = level >= ERROR
		? hint_for(objects, answer)
		: psprintf("It is retried until %s.",
				   timestamptz_to_str(attempts->until));
	bool		redirected = is_elsewhere(answer) &&
		answer->endpoint[0] != '\0';
	const char *reason;

	if (answer->http.failure != NULL)
		reason = answer->http.failure;
	else
		reason = psprintf("The server answered %d%s%s%s%s%s",
						  answer->http.status, answer->code[0] ? " " : "",
						  answer->code,
						  redirected ? ", a redirection to \"" : "",
						  redirected ? answer->endpoint : "",
						  redirected ? "\"" : "");
	ereport(level,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 request->name != NULL
			 ? errmsg("could not %s \"%s\" of page store \"%s\"",
					  request->action, request->name, objects->base.url)
			 : errmsg("could not %s of page store \"%s\"", request->action,
					  objects->base.url),
			 errdetail_plural("%s (%d attempt).", "%s (%d attempts).",
							  attempts->count, reason, attempts->count),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/* An attempt failed temporarily.  Is there time for another one? */
static bool
may_retry(const BbS3Request *request, Attempts *attempts)
{
	TimestampTz now = GetCurrentTimestamp();

	if (attempts->until == 0)
	{
		attempts->failed = now;
		attempts->until = now + bb_setting_s3_retry_time_s * USECS_PER_SEC;
		if (request->http.give_up != 0)
			attempts->until = Min(attempts->until, request->http.give_up);
	}
	return now < attempts->until;
}

/*
 * Wait before the next attempt: for a random time between half of what is due
 * and all of it, so that sessions that failed together don't retry together.
 */
static void
back_off(const BbReqCtx *ctx, const Attempts *attempts)
{
	double		due_ms = Min(FIRST_BACKOFF_MS * pow(2, attempts->count - 1),
							 MAX_BACKOFF_MS);
	TimestampTz end;

	due_ms *= 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
	end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) due_ms);
	end = Min(end, attempts->until);
	for (;;)
	{
		long		left;

		bb_reqctx_check(ctx);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
		if (left <= 0)
			break;
		if (ctx->deadline != 0)
			left = Min(left,
					   TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													   ctx->deadline) +
						   1);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* Does the object have another size than expected? */
static bool
of_another_size(const BbS3Request *request, const BbS3Answer *answer)
{
	if (request->whole_size == 0)
		return false;
	return answer->http.status == 416 ||
		(answer->http.total_length != 0 &&
		 answer->http.total_length != request->whole_size);
}

/* Does the answer have exactly the bytes that were asked for? */
static bool
is_whole(const BbS3Request *request, const BbHttpAnswer *answer)
{
	if (request->http.range_length == 0)
		return true;
	return answer->length == request->http.range_length &&
		(answer->status == 206 || request->http.range_start == 0);
}

BbHttpTransfer *
bb_s3_begin(const BbReqCtx *ctx, BbS3Store *objects,
			const BbS3Request *request, BbS3Answer *answer)
{
	if (objects->before_request != NULL)
		objects->before_request(ctx, objects);
	answer->repeated = false;
	return attempt(objects, request, &answer->http);
}

bool
bb_s3_end(const BbReqCtx *ctx, BbS3Store *objects, BbHttpTransfer *transfer,
		  const BbS3Request *request, BbS3Answer *answer)
{
	Attempts	attempts = {0};

	for (;;)
	{
		attempts.count++;
		answer->code[0] = answer->endpoint[0] = answer->region[0] = '\0';
		bb_http_end(ctx, transfer);
		if (answer->http.failure == NULL)
		{
			answer->other_size = of_another_size(request, answer);
			if (answer->other_size)
				return false;
			if (answer->http.status >= 200 && answer->http.status < 300)
			{
				if (answer->http.too_long || is_whole(request, &answer->http))
					return true;
				answer->http.failure = "The answer is too short";
				answer->http.worth_retrying = true;
			}
			else
				find_code(answer);
		}
		if (answer->http.failure == NULL && tolerated(request, answer))
			return false;
		if (!worth_retrying(answer) || !may_retry(request, &attempts))
			report_failure(ERROR, objects, request, answer, &attempts);
		if (!attempts.warned &&
			TimestampDifferenceExceeds(attempts.failed, GetCurrentTimestamp(),
									   WARN_AFTER_MS))
		{
			attempts.warned = true;
			report_failure(WARNING, objects, request, answer, &attempts);
		}
		answer->repeated = true;
		if (request->http.buffer == NULL && answer->http.body != NULL)
			pfree(answer->http.body);
		back_off(ctx, &attempts);
		transfer = attempt(objects, request, &answer->http);
	}
}

bool
bb_s3_request(const BbReqCtx *ctx, BbS3Store *objects,
			  const BbS3Request *request, BbS3Answer *answer)
{
	return bb_s3_end(ctx, objects, bb_s3_begin(ctx, objects, request, answer),
					 request, answer);
}

bool
bb_s3_put(const BbReqCtx *ctx, BbS3Store *objects, const BbS3Request *put,
		  BbS3Answer *answer)
{
	BbS3Request request = *put;

	request.http.method = "PUT";
	request.http.capacity = BB_S3_ANSWER_CAPACITY;
	if (request.action == NULL)
		request.action = "write object";
	if (request.condition != NULL)
		request.tolerate = BB_S3_CONDITION | BB_S3_MISSING;
	return bb_s3_request(ctx, objects, &request, answer);
}

void
bb_s3_delete(const BbReqCtx *ctx, BbS3Store *objects, const char *action,
			 const char *name, const char *query)
{
	BbS3Request request = {.action = action,
						   .name = name,
						   .query = query,
						   .tolerate = BB_S3_MISSING,
						   .http = {.method = "DELETE",
									.capacity = BB_S3_ANSWER_CAPACITY}};
	BbS3Answer	answer;

	(void) bb_s3_request(ctx, objects, &request, &answer);
}

bool
bb_s3_look(const BbReqCtx *ctx, BbS3Store *objects, const char *action,
		   const char *name, uint64 *size)
{
	BbS3Request request = {.action = action,
						   .name = name,
						   .tolerate = BB_S3_MISSING,
						   .http = {.method = "HEAD"}};
	BbS3Answer	answer;

	if (!bb_s3_request(ctx, objects, &request, &answer))
		return false;
	*size = answer.http.content_length;
	return true;
}

void
bb_s3_clean_up(BbS3Store *objects, const char *name, const char *query)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	BbS3Request request = {.name = name,
						   .query = query,
						   .http = {.method = "DELETE"}};
	BbHttpAnswer answer;

	request.http.give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   CLEAN_UP_MS);

	/* a session that ends may have freed buffers of other transfers */
	if (proc_exit_inprogress)
		bb_http_stop_all();
	HOLD_INTERRUPTS();
	context = AllocSetContextCreate(TopMemoryContext, "bbackup clean-up",
									ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		bb_http_end(NULL, attempt(objects, &request, &answer));
	}
	PG_CATCH();
	{
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	/* a latch event may have been consumed here: waits have to look again */
	SetLatch(MyLatch);
	RESUME_INTERRUPTS();
}
