/*-------------------------------------------------------------------------
 *
 * s3_lock.c
 *	  The S3 driver: locks, and replacing an object on a condition.
 *
 * S3 has no locks.  What it has is that everybody sees an object, and lists
 * it, from the moment on when it was put.  So whoever wants a lock puts up a
 * flag, and then looks whether there are others:
 *
 *	  put "timelines/main/.writer.lock.RANDOM"
 *	  list "timelines/main/.writer.lock."
 *	  only mine ──► I hold the lock
 *	  others	──► one before mine: take mine down; another holds it, or will
 *					all after mine: look again, for some seconds
 *
 * Of two who do that at once, the one that lists last sees the other's flag,
 * so they never both win.	Nor do both lose: the first by name waits for the
 * others to leave.  Only one that had looked before it came doesn't.
 *
 * Who dies leaves the flag up.  So one that is older than a minute, by the
 * server's clock, counts as down.  A holder puts its flag up anew every
 * 15 seconds, on the occasion of its other requests, and loses the lock if by
 * then somebody has taken it down, or has one up too.	A writer that did no
 * request for a minute finds out before its next one, a commit among others.
 *
 * A lock is therefore a help against wasted work.	That of two commits only
 * one wins is guaranteed by the condition of the put (If-Match,
 * If-None-Match), which the server checks.  A server that can't (it answers
 * 501, or does as if there were no condition, which is tried once) gets a
 * lock, a comparison and a plain put instead.	This is weaker: it needs a
 * listing that is never behind, and a put that is not under way for more than
 * a minute.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "objstore/s3/s3_internal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LOCK_SECONDS 60
#define RENEW_SECONDS 15

/* How long to look whether others leave; longer for who had the lock. */
#define PATIENCE_MS 2000
#define HOLDER_PATIENCE_MS 6000

/* A put that the lock alone protects ends so long before that does. */
#define MARGIN_SECONDS 15

#define ANSWER_CAPACITY (1024 * 1024)

/* A put_if that waits for another's gives up after so many tries. */
#define LOCK_TRIES 100

typedef struct S3Lock
{
	BbS3Store  *objects;
	char	   *start; /* of the names of all flags of this lock */
	char	   *flag;  /* our own's */
	TimestampTz renewed;
	MemoryContextCallback callback;
} S3Lock;

static void
remove_object(const BbReqCtx *ctx, BbS3Store *objects, const char *name)
{
	BbS3Request request = {.action = "remove object",
						   .method = "DELETE",
						   .name = name,
						   .capacity = ANSWER_CAPACITY,
						   .tolerate = BB_S3_MISSING};
	BbS3Answer	answer;

	(void) bb_s3_request(ctx, objects, &request, &answer);
}

static void
put_flag(const BbReqCtx *ctx, S3Lock *lock)
{
	BbS3Request request = {.action = "write lock object",
						   .method = "PUT",
						   .name = lock->flag,
						   .body = "bbackup",
						   .body_length = 7,
						   .capacity = ANSWER_CAPACITY};
	BbS3Answer	answer;

	/* from before it is there: rather too early than too late */
	lock->renewed = GetCurrentTimestamp();
	(void) bb_s3_request(ctx, lock->objects, &request, &answer);
}

/*
 * Are there flags of others?  Those that are too old are taken down.  *before
 * (NULL: not wanted) is whether one of them precedes ours.
 */
static bool
others_there(const BbReqCtx *ctx, S3Lock *lock, bool *before)
{
	int64		now;
	bool		found = false;
	bool		precedes = false;
	ListCell   *cell;
	List	   *flags = bb_s3_list(ctx, lock->objects, lock->start, &now);

	foreach(cell, flags)
	{
		BbS3Listed *flag = lfirst(cell);

		if (strcmp(flag->name, lock->flag) == 0)
			continue;
		if (now != 0 && flag->modified != 0 &&
			now - flag->modified > LOCK_SECONDS)
			remove_object(ctx, lock->objects, flag->name);
		else
		{
			found = true;
			precedes |= strcmp(flag->name, lock->flag) < 0;
		}
	}
	list_free_deep(flags);
	if (before != NULL)
		*before = precedes;
	return found;
}

/* Wait for some tens of milliseconds, others for others. */
static void
wait_a_moment(const BbReqCtx *ctx)
{
	bb_reqctx_check(ctx);
	pg_usleep((long) (20000 + 80000 * pg_prng_double(&pg_global_prng_state)));
}

/*
 * Our flag is up.	Is it the only one, or will it be soon?
 */
static bool
prevails(const BbReqCtx *ctx, S3Lock *lock, bool holds)
{
	TimestampTz start = GetCurrentTimestamp();
	bool		before;

	while (others_there(ctx, lock, &before))
	{
		if ((before && !holds) ||
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   holds ? HOLDER_PATIENCE_MS
											 : PATIENCE_MS))
			return false;
		wait_a_moment(ctx);
	}
	return true;
}

static void
release_lock(void *arg)
{
	S3Lock	   *lock = arg;

	lock->objects->locks = list_delete_ptr(lock->objects->locks, lock);
	bb_s3_clean_up(lock->objects, lock->flag, NULL);
}

/* As bb_s3_lock; NULL when another holds it. */
static S3Lock *
take_lock(const BbReqCtx *ctx, BbS3Store *objects, const char *name)
{
	S3Lock	   *lock = palloc0(sizeof(S3Lock));
	const char *slash = strrchr(name, '/');
	const char *file = slash != NULL ? slash + 1 : name;
	uint64		random;
	MemoryContext old;

	if (!pg_strong_random(&random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random lock id")));
	lock->objects = objects;
	lock->start = psprintf("%.*s.%s.lock.", (int) (file - name), name, file);
	lock->flag = psprintf("%s%016llx", lock->start,
						  (unsigned long long) random);
	if (others_there(ctx, lock, NULL))
		return NULL;

	/* from here on, our flag goes with the context */
	lock->callback.func = release_lock;
	lock->callback.arg = lock;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &lock->callback);
	put_flag(ctx, lock);
	if (!prevails(ctx, lock, false))
	{
		remove_object(ctx, lock->objects, lock->flag);
		return NULL;
	}

	/* the list must not go before the store does */
	old = MemoryContextSwitchTo(GetMemoryChunkContext(objects));
	lock->objects->locks = lappend(lock->objects->locks, lock);
	MemoryContextSwitchTo(old);
	return lock;
}

bool
bb_s3_lock(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	return take_lock(ctx, (BbS3Store *) objects, name) != NULL;
}

static void
renew(const BbReqCtx *ctx, S3Lock *lock)
{
	BbS3Request request = {.action = "look at lock object",
						   .method = "HEAD",
						   .name = lock->flag,
						   .tolerate = BB_S3_MISSING};
	BbS3Answer	answer;
	bool		kept;

	kept = bb_s3_request(ctx, lock->objects, &request, &answer);
	if (kept)
	{
		put_flag(ctx, lock);
		kept = prevails(ctx, lock, true);
	}
	if (!kept)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the lock \"%s\" of page store \"%s\" was lost",
						lock->flag, lock->objects->base.url),
				 errdetail("This session made no request for %d seconds, and "
						   "another took the lock over.",
						   LOCK_SECONDS),
				 errhint("What was committed stays; try again.")));
}

void
bb_s3_renew_locks(const BbReqCtx *ctx, BbS3Store *objects)
{
	ListCell   *cell;

	if (objects->locks == NIL || objects->renewing)
		return;
	foreach(cell, objects->locks)
	{
		S3Lock	   *lock = lfirst(cell);

		if (!TimestampDifferenceExceeds(lock->renewed, GetCurrentTimestamp(),
										RENEW_SECONDS * 1000))
			continue;
		objects->renewing = true;
		PG_TRY();
		{
			renew(ctx, lock);
		}
		PG_FINALLY();
		{
			objects->renewing = false;
		}
		PG_END_TRY();
	}
}

/* ---- replacing on a condition ---- */

/*
 * Does the server heed conditions?  One that can't hold tells.
 */
static bool
heeds_conditions(const BbReqCtx *ctx, BbS3Store *objects)
{
	BbS3Request request = {.action = "write object",
						   .method = "PUT",
						   .name = ".bbackup.probe",
						   .condition = "If-Match: "
										"\"00000000000000000000000000000000\"",
						   .body = "bbackup",
						   .body_length = 7,
						   .capacity = ANSWER_CAPACITY,
						   .tolerate = BB_S3_CONDITION | BB_S3_MISSING};
	BbS3Answer	answer;

	if (!objects->conditions_known)
	{
		if (bb_s3_request(ctx, objects, &request, &answer))
			remove_object(ctx, objects, request.name);
		objects->conditions = answer.http.status == 412 ||
			answer.http.status == 404;
		objects->conditions_known = true;
	}
	return objects->conditions;
}

/* Is the object what we put, by an attempt whose answer was lost? */
static bool
is_ours(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
		size_t length, BbObjectTag tag)
{
	char	   *data;
	size_t		present_length;
	BbObjectTag present;

	return bb_s3_get(ctx, objects, name, MaxAllocSize - 1, &data,
					 &present_length, &present, NULL) &&
		present_length == length && present == tag;
}

typedef enum PutOutcome
{
	PUT_DONE,
	PUT_REFUSED,
	PUT_IMPOSSIBLE
} PutOutcome;

static PutOutcome
put(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
	const void *data, size_t length, const char *condition,
	TimestampTz give_up)
{
	BbS3Request request = {.action = "write object",
						   .method = "PUT",
						   .name = name,
						   .condition = condition,
						   .body = data,
						   .body_length = length,
						   .capacity = ANSWER_CAPACITY,
						   .give_up = give_up};
	BbS3Answer	answer;

	if (condition != NULL)
		request.tolerate = BB_S3_CONDITION | BB_S3_MISSING;
	if (bb_s3_request(ctx, objects, &request, &answer))
		return PUT_DONE;
	if (answer.http.status == 501 || answer.http.status == 400)
		return PUT_IMPOSSIBLE;
	if (answer.repeated &&
		is_ours(ctx, objects, name, length, bb_object_tag(data, length)))
		return PUT_DONE;
	return PUT_REFUSED;
}

/*
 * Put, if the object is as expected.  A lock protects a put without condition;
 * NULL: there is to be one.
 */
static PutOutcome
compare_and_put(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
				const void *data, size_t length, BbObjectTag expected,
				const S3Lock *lock)
{
	char	   *present;
	size_t		present_length;
	BbObjectTag tag = BB_OBJECT_ABSENT;
	char	   *etag = NULL;
	const char *condition = NULL;
	TimestampTz give_up = 0;

	(void) bb_s3_get(ctx, objects, name, MaxAllocSize - 1, &present,
					 &present_length, &tag, &etag);
	if (tag != expected)
		return PUT_REFUSED;
	if (lock == NULL)
		condition = etag != NULL ? psprintf("If-Match: %s", etag)
								 : "If-None-Match: *";
	else
		/* the next attempt might be one too late */
		give_up = TimestampTzPlusMilliseconds(lock->renewed,
											  (LOCK_SECONDS - MARGIN_SECONDS) *
												  1000L);
	return put(ctx, objects, name, data, length, condition, give_up);
}

bool
bb_s3_put_if(const BbReqCtx *ctx, BbObjectStore *base, const char *name,
			 const void *data, size_t length, BbObjectTag expected,
			 BbObjectTag *tag)
{
	BbS3Store  *objects = (BbS3Store *) base;
	MemoryContext context;
	MemoryContext old;
	PutOutcome	outcome = PUT_IMPOSSIBLE;
	S3Lock	   *lock;

	/* the lock is released with this context */
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup put",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);

	if (heeds_conditions(ctx, objects))
		outcome = compare_and_put(ctx, objects, name, data, length, expected,
								  NULL);
	if (outcome == PUT_IMPOSSIBLE)
	{
		objects->conditions = false;
		for (int tries = 1; (lock = take_lock(ctx, objects, name)) == NULL;
			 tries++)
		{
			if (tries == LOCK_TRIES)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_IN_USE),
						 errmsg("object \"%s\" of page store \"%s\" is being "
								"written by another session",
								name, base->url),
						 errhint("Try again when it has finished.")));
			wait_a_moment(ctx);
		}
		outcome = compare_and_put(ctx, objects, name, data, length, expected,
								  lock);
	}

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	*tag = bb_object_tag(data, length);
	return outcome == PUT_DONE;
}
