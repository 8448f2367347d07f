/*-------------------------------------------------------------------------
 *
 * s3_request.c
 *	  One request to S3: signed, retried.
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

static const BbS3Keys *
keys_of(const BbS3Store *objects)
{
	return objects->credentials != NULL ? &objects->credentials->keys
										: &objects->keys;
}

/* Renew the keys, if they expire; say which these are. */
static uint64
renew_keys(const BbReqCtx *ctx, const BbS3Store *objects)
{
	if (objects->credentials == NULL)
		return 0;
	bb_credentials_renew(ctx, objects->credentials);
	return objects->credentials->generation;
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
	const char *headers[4 + BB_S3_STORAGE_HEADERS] = {NULL};
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
	if (request->copy_source != NULL)
		headers[nheaders++] = psprintf("x-amz-copy-source: %s",
									   request->copy_source);
	(void) bb_s3_storage_headers(objects, request, headers + nheaders);

	http.url = url.data;
	http.headers = headers;
	http.headers = bb_s3_sign(keys_of(objects), &http, GetCurrentTimestamp());
	http.ca_file = bb_setting_s3_ca_file;
	http.timeout_s = bb_setting_s3_timeout_s;
	MemoryContextSwitchTo(old);
	transfer = bb_http_begin(&http, answer);
	/* libcurl has copied the URL and the headers */
	MemoryContextDelete(context);
	return transfer;
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
		case 403:
			return (request->tolerate & BB_S3_REFUSAL) &&
				strcmp(answer->code, "AccessDenied") == 0;
		case 451:
			return request->tolerate & BB_S3_REFUSAL;
		case 400:
			return (request->tolerate & BB_S3_CONDITION) &&
				strcmp(answer->code, "NotImplemented") == 0;
		default:
			return false;
	}
}

/* An attempt failed temporarily.  Is there time for another one? */
static bool
may_retry(const BbS3Request *request, BbS3Attempts *attempts)
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
back_off(const BbReqCtx *ctx, const BbS3Attempts *attempts)
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
	answer->generation = renew_keys(ctx, objects);
	return attempt(objects, request, &answer->http);
}

/* Were the keys refused because they have expired? */
static bool
is_expired(const BbS3Answer *answer)
{
	if (answer->http.status != 400 && answer->http.status != 403)
		return false;
	/* the answer to a HEAD has no code */
	return answer->code[0] == '\0' ||
		strcmp(answer->code, "ExpiredToken") == 0 ||
		strcmp(answer->code, "InvalidToken") == 0 ||
		strcmp(answer->code, "TokenRefreshRequired") == 0;
}

/*
 * May the request succeed at once if it is changed?  With new keys, or with the
 * hash of its body, which a bucket with object lock wants.
 */
static bool
may_mend(const BbReqCtx *ctx, BbS3Store *objects, const BbS3Request *request,
		 const BbS3Answer *answer, BbS3Attempts *attempts)
{
	if (answer->http.failure != NULL)
		return false;
	if (objects->credentials != NULL && !attempts->renewed &&
		is_expired(answer))
	{
		attempts->renewed = true;
		bb_credentials_refused(ctx, objects->credentials, answer->generation);
		return true;
	}
	if (!objects->storage.checksums && request->http.body_length > 0 &&
		strcmp(answer->code, "InvalidRequest") == 0)
	{
		objects->storage.checksums = true;
		return true;
	}
	return false;
}

bool
bb_s3_end(const BbReqCtx *ctx, BbS3Store *objects, BbHttpTransfer *transfer,
		  const BbS3Request *request, BbS3Answer *answer)
{
	BbS3Attempts attempts = {0};

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
				bb_s3_find_code(answer);
		}
		if (answer->http.failure == NULL && tolerated(request, answer))
			return false;
		if (may_mend(ctx, objects, request, answer, &attempts))
		{
			transfer = attempt(objects, request, &answer->http);
			continue;
		}
		if (!bb_s3_worth_retrying(answer) || !may_retry(request, &attempts))
			bb_s3_report(ERROR, objects, request, answer, &attempts);
		if (!attempts.warned &&
			TimestampDifferenceExceeds(attempts.failed, GetCurrentTimestamp(),
									   WARN_AFTER_MS))
		{
			attempts.warned = true;
			bb_s3_report(WARNING, objects, request, answer, &attempts);
		}
		answer->repeated = true;
		if (request->http.buffer == NULL && answer->http.body != NULL)
			pfree(answer->http.body);
		back_off(ctx, &attempts);
		answer->generation = renew_keys(ctx, objects);
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
	if (!bb_s3_request(ctx, objects, &request, answer))
		return false;
	if (request.kind != BB_S3_NO_OBJECT)
		bb_s3_check_encrypted(objects, request.name, &answer->http);
	return true;
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
bb_s3_try_delete(const BbReqCtx *ctx, BbS3Store *objects, const char *name)
{
	BbS3Request request = {.action = "remove object",
						   .name = name,
						   .tolerate = BB_S3_MISSING | BB_S3_REFUSAL,
						   .http = {.method = "DELETE",
									.capacity = BB_S3_ANSWER_CAPACITY}};
	BbS3Answer	answer;

	return bb_s3_request(ctx, objects, &request, &answer) ||
		answer.http.status == 404;
}

bool
bb_s3_head(const BbReqCtx *ctx, BbS3Store *objects, const char *action,
		   const char *name, BbHttpAnswer *answer)
{
	BbS3Request request = {.action = action,
						   .name = name,
						   .tolerate = BB_S3_MISSING,
						   .http = {.method = "HEAD"}};
	BbS3Answer	whole;
	bool		found = bb_s3_request(ctx, objects, &request, &whole);

	*answer = whole.http;
	return found;
}

bool
bb_s3_look(const BbReqCtx *ctx, BbS3Store *objects, const char *action,
		   const char *name, uint64 *size)
{
	BbHttpAnswer answer;

	if (!bb_s3_head(ctx, objects, action, name, &answer))
		return false;
	*size = answer.content_length;
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

	if (keys_of(objects)->access_key_id == NULL)
		return; /* no request was ever sent */
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
