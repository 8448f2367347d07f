/*-------------------------------------------------------------------------
 *
 * s3_lock.c
 *	  The S3 driver: locks, and replacing an object on a condition.
 *
 * S3 has no locks.  But all sessions can read and list an object from the
 * moment on when it was put.  So a session that wants a lock puts up a flag, an
 * object, and then looks whether there are other flags:
 *
 *	  put "timelines/main/.writer.lock.RANDOM"
 *	  list "timelines/main/.writer.lock."
 *	  only mine ──► I hold the lock
 *	  others	──► one before mine: take mine down; another session holds the
 *								   lock, or will
 *					all after mine: look again, for some seconds
 *
 * If two sessions do that at once, the one that lists last sees the other's
 * flag, so they never both get the lock.  Nor do both fail: the session whose
 * flag is first by name waits until the others have taken theirs down.  Only a
 * session that listed before the first flag was put up doesn't take its flag
 * down.
 *
 * A session that dies leaves its flag up.  So a flag that is older than a
 * minute, by the server's clock, counts as down.  The holder puts its flag up
 * again every 15 seconds, before another request, and loses the lock if by
 * then another session has taken the flag down or has put up its own.  A
 * writer that made no request for a minute finds out before its next one, at
 * the latest before its commit.
 *
 * So locks only help against wasted work.  That one of two commits fails is
 * guaranteed by the condition of the PUT (If-Match, If-None-Match), which the
 * server checks.  With a server that can't (it answers 501, or ignores the
 * condition, for which it is tested once), a lock, a comparison and a plain
 * PUT do instead.  This is weaker: it requires listings that are never out of
 * date, and that no PUT is under way for more than a minute.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "common/pg_prng.h"
#include "objstore/s3/s3_internal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LOCK_SECONDS 60
#define RENEW_SECONDS 15

/*
 * How long to wait until other flags are down: before the lock is taken, and
 * when it is renewed.
 */
#define PATIENCE_MS 2000
#define HOLDER_PATIENCE_MS 6000

/* A PUT that only a lock protects ends so long before the lock expires. */
#define MARGIN_SECONDS 15

#define ACTION "remove object"

/* The content of a flag. */
#define FLAG .http = {.body = "bbackup", .body_length = 7}

/* How often put_if tries to take a lock that another session holds. */
#define LOCK_TRIES 100

typedef struct S3Lock
{
	BbS3Store  *objects;
	char	   *start; /* of the names of all flags of this lock */
	char	   *flag;  /* the name of our flag */
	TimestampTz renewed;
} S3Lock;

/* Put our flag up, or put it up again. */
static void
put_flag(const BbReqCtx *ctx, S3Lock *lock)
{
	BbS3Request flag = {.action = "write lock object",
						.name = lock->flag,
						.kind = BB_S3_FLAG,
						FLAG};
	BbS3Answer	answer;

	/* the time before the request: rather too early than too late */
	lock->renewed = GetCurrentTimestamp();
	(void) bb_s3_put(ctx, lock->objects, &flag, &answer);
}

/*
 * Are there other flags?  Takes down those that are too old.  Sets *before
 * (NULL: not wanted) if one of them precedes ours.
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

		if (strcmp(flag->object.name, lock->flag) == 0)
			continue;
		if (now != 0 && flag->modified != 0 &&
			now - flag->modified > LOCK_SECONDS)
			bb_s3_delete(ctx, lock->objects, ACTION, flag->object.name, NULL);
		else
		{
			found = true;
			precedes |= strcmp(flag->object.name, lock->flag) < 0;
		}
	}
	list_free_deep(flags);
	if (before != NULL)
		*before = precedes;
	return found;
}

/* Wait for 20 to 100 milliseconds, at random. */
static void
wait_a_moment(const BbReqCtx *ctx)
{
	bb_reqctx_check(ctx);
	pg_usleep((long) (20000 + 80000 * pg_prng_double(&pg_global_prng_state)));
}

/*
 * Our flag is up.  Wait until it is the only one.  Returns false if another
 * session has, or gets, the lock.
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
renew(const BbReqCtx *ctx, S3Lock *lock)
{
	uint64		size;
	bool		kept = bb_s3_look(ctx, lock->objects, "look at lock object",
								  lock->flag, &size);

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

/* The store's before_request: renew the locks that are due. */
static void
renew_locks(const BbReqCtx *ctx, BbS3Store *objects)
{
	ListCell   *cell;

	/* renewing takes requests, before which nothing is renewed */
	objects->before_request = NULL;
	PG_TRY();
	{
		foreach(cell, objects->locks)
		{
			S3Lock	   *lock = lfirst(cell);

			if (TimestampDifferenceExceeds(lock->renewed,
										   GetCurrentTimestamp(),
										   RENEW_SECONDS * 1000))
				renew(ctx, lock);
		}
	}
	PG_FINALLY();
	{
		objects->before_request = renew_locks;
	}
	PG_END_TRY();
}

static void
release_lock(void *arg)
{
	S3Lock	   *lock = arg;

	lock->objects->locks = list_delete_ptr(lock->objects->locks, lock);
	bb_s3_clean_up(lock->objects, lock->flag, NULL);
}

/* Take a lock.  Returns NULL if another session holds it. */
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

	/* from here on, resetting the context takes our flag down */
	bb_on_reset(CurrentMemoryContext, release_lock, lock);
	put_flag(ctx, lock);
	if (!prevails(ctx, lock, false))
	{
		bb_s3_delete(ctx, lock->objects, ACTION, lock->flag, NULL);
		return NULL;
	}

	/* the list lives as long as the store */
	old = MemoryContextSwitchTo(GetMemoryChunkContext(objects));
	objects->locks = lappend(objects->locks, lock);
	MemoryContextSwitchTo(old);
	objects->before_request = renew_locks;
	return lock;
}

bool
bb_s3_lock(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	return take_lock(ctx, (BbS3Store *) objects, name) != NULL;
}

/* ---- replacing on a condition ---- */

/* Does the server check conditions?  Find out by a condition that is false. */
static bool
checks_conditions(const BbReqCtx *ctx, BbS3Store *objects)
{
	BbS3Request probe = {.name = ".bbackup.probe",
						 .kind = BB_S3_FLAG,
						 .condition = "If-Match: "
									  "\"00000000000000000000000000000000\"",
						 FLAG};
	BbS3Answer	answer;

	if (!objects->conditions_known)
	{
		if (bb_s3_put(ctx, objects, &probe, &answer))
			bb_s3_delete(ctx, objects, ACTION, probe.name, NULL);
		objects->conditions = answer.http.status == 412 ||
			answer.http.status == 404;
		objects->conditions_known = true;
	}
	return objects->conditions;
}

/* Is the object what we have put, by an attempt whose answer was lost? */
static bool
is_ours(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
		size_t length, BbObjectTag tag)
{
	char	   *data;
	size_t		present_length;
	BbObjectTag present;

	return bb_s3_get_etag(ctx, objects, name, MaxAllocSize - 1, &data,
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
	BbS3Request request = {.name = name,
						   .condition = condition,
						   .kind = bb_s3_kind_of(name),
						   .http = {.body = data,
									.body_length = length,
									.give_up = give_up}};
	BbS3Answer	answer;

	if (bb_s3_put(ctx, objects, &request, &answer))
		return PUT_DONE;
	if (answer.http.status == 501 || answer.http.status == 400)
		return PUT_IMPOSSIBLE;
	if (answer.repeated &&
		is_ours(ctx, objects, name, length, bb_object_tag(data, length)))
		return PUT_DONE;
	return PUT_REFUSED;
}

/*
 * Put an object if its state is "expected": on a condition, or, if "lock" isn't
 * NULL, without one, protected by the lock.
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

	(void) bb_s3_get_etag(ctx, objects, name, MaxAllocSize - 1, &present,
						  &present_length, &tag, &etag);
	if (tag != expected)
		return PUT_REFUSED;
	if (lock == NULL)
		condition = etag != NULL ? psprintf("If-Match: %s", etag)
								 : "If-None-Match: *";
	else
		/* another attempt might outlast the lock */
		give_up = lock->renewed +
			(LOCK_SECONDS - MARGIN_SECONDS) * USECS_PER_SEC;
	return put(ctx, objects, name, data, length, condition, give_up);
}

bool
bb_s3_put_if(const BbReqCtx *ctx, BbObjectStore *base, const char *name,
			 const void *data, size_t length, BbObjectTag expected,
			 BbObjectTag *tag)
{
	BbS3Store  *objects = (BbS3Store *) base;
	/* the lock is released with this context */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup put",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PutOutcome	outcome = PUT_IMPOSSIBLE;
	S3Lock	   *lock;

	if (checks_conditions(ctx, objects))
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
