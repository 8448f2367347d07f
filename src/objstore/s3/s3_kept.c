/*-------------------------------------------------------------------------
 *
 * s3_kept.c
 *	  The S3 driver: does the server keep a layer as it was asked to?  Retaining
 *	  objects anew.
 *
 * The answer to a PUT says neither the storage class nor the retention.
 *
 * (Facts: Amazon S3's API Reference, "HeadObject", "PutObjectRetention".)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "objstore/s3/s3_internal.h"
#include "objstore/s3/s3_time.h"

#define SECONDS_PER_DAY_INT64 INT64CONST(86400)

/* The time from which the server counts may be a little earlier than ours. */
#define CLOCK_SECONDS 3600

/* For how long an object that is retained now has to be: a time_t. */
static int64
end_of_retention(const BbS3Storage *storage)
{
	return time(NULL) + storage->lock_days * SECONDS_PER_DAY_INT64;
}

/* Is it retained for as long, in this mode or the stricter one? */
static bool
is_retained(const BbS3Storage *storage, const BbHttpAnswer *answer)
{
	return (strcmp(answer->lock_mode, storage->lock_mode) == 0 ||
			strcmp(answer->lock_mode, "COMPLIANCE") == 0) &&
		bb_s3_time_parse(answer->retained_until) >=
		end_of_retention(storage) - CLOCK_SECONDS;
}

void
bb_s3_check_kept(const BbReqCtx *ctx, BbS3Store *objects, const char *name)
{
	BbS3Storage *storage = &objects->storage;
	BbHttpAnswer answer;
	const char *class;

	if (storage->checked ||
		(storage->storage_class == NULL && storage->lock_mode == NULL))
		return;
	if (!bb_s3_head(ctx, objects, "look at object", name, &answer))
		bb_object_missing(&objects->base, name);
	class = answer.storage_class[0] != '\0' ? answer.storage_class
											: "STANDARD";
	if (storage->storage_class != NULL &&
		strcmp(storage->storage_class, class) != 0)
		bb_s3_ignored(objects, name, "storage_class",
					  psprintf("is in class \"%s\"", class),
					  "Omit the option, or use a server that supports it.");
	if (storage->lock_mode != NULL &&
		(strcmp(storage->lock_mode, answer.lock_mode) != 0 ||
		 bb_s3_time_parse(answer.retained_until) < time(NULL) +
				 storage->lock_days * SECONDS_PER_DAY_INT64 - CLOCK_SECONDS))
		bb_s3_ignored(
			objects, name, "object_lock_mode",
			"has no such retention, or the keys have no right to see it",
			"The bucket needs object lock, and the keys need the rights "
			"s3:PutObjectRetention and s3:GetObjectRetention.");
	storage->checked = true;
}

void
bb_s3_retain(const BbReqCtx *ctx, BbObjectStore *base, const char *name)
{
	BbS3Store  *objects = (BbS3Store *) base;
	const BbS3Storage *storage = &objects->storage;
	char	   *body = psprintf(
		"<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>",
		storage->lock_mode, bb_s3_time_text(end_of_retention(storage)));
	BbS3Request request = {.action = "retain object",
						   .name = name,
						   .query = "retention=",
						   .tolerate = BB_S3_MISSING | BB_S3_REFUSAL,
						   .http = {.method = "PUT",
									.body = body,
									.body_length = strlen(body),
									.capacity = BB_S3_ANSWER_CAPACITY}};
	BbS3Answer	answer;
	BbHttpAnswer present;

	if (bb_s3_request(ctx, objects, &request, &answer) ||
		answer.http.status == 404)
		return;
	/* a retention can't be shortened, which isn't needed */
	if (bb_s3_head(ctx, objects, "look at object", name, &present) &&
		!is_retained(storage, &present))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not retain object \"%s\" of page store \"%s\"",
						name, base->url),
				 errdetail("The server answered %d %s.", answer.http.status,
						   answer.code),
				 errhint("The keys need the rights s3:PutObjectRetention and "
						 "s3:GetObjectRetention.")));
}
