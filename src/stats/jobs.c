/*-------------------------------------------------------------------------
 *
 * jobs.c
 *	  What upkeep does.
 *
 * A timeline that isn't known takes the place of the one that was visited
 * longest ago.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "miscadmin.h"
#include "stats/jobs.h"
#include "stats/jobs_internal.h"
#include "stats/shared_internal.h"
#include "utils/timestamp.h"

#define JOBS_SHARED 512
#define JOBS_OF_SESSION 64
#define TIMELINES_SHARED 256
#define TIMELINES_OF_SESSION 32

#define FIRST_PAUSE_S 10
#define LAST_PAUSE_S 3600

/* Something may exist there after that time. */
#define BARREN_S 3600

/* Followed by the timelines and the ring.  Protected by the lock. */
typedef struct Table
{
	int			ntimelines; /* places */
	int			ring_size;
	uint64		last_id; /* of a job */
	uint64		ended;	 /* jobs in the ring, so far */
} Table;

static Table *table = NULL;
static BbJobTimeline *timelines;
static BbJob *ring; /* the job that ended as number n: at n % ring_size */

/* ---- the memory ---- */

static Size
part_size(bool shared)
{
	return MAXALIGN(sizeof(Table)) +
		MAXALIGN((shared ? TIMELINES_SHARED : TIMELINES_OF_SESSION) *
				 sizeof(BbJobTimeline)) +
		MAXALIGN((shared ? JOBS_SHARED : JOBS_OF_SESSION) * sizeof(BbJob));
}

static void
attach(void *memory)
{
	char	   *at = memory;

	table = memory;
	at += MAXALIGN(sizeof(Table));
	timelines = (BbJobTimeline *) at;
	at += MAXALIGN(table->ntimelines * sizeof(BbJobTimeline));
	ring = (BbJob *) at;
}

static void
init(void *memory, bool shared)
{
	Table	   *new_table = memory;

	memset(memory, 0, part_size(shared));
	new_table->ntimelines = shared ? TIMELINES_SHARED : TIMELINES_OF_SESSION;
	new_table->ring_size = shared ? JOBS_SHARED : JOBS_OF_SESSION;
}

const BbStatsPart bb_jobs_part = {
	.size = part_size,
	.init = init,
	.attach = attach,
};

/* Forget jobs and sums, but not the pauses. */
void
bb_jobs_reset(void)
{
	table->ended = 0;
	for (int i = 0; i < table->ntimelines; i++)
	{
		BbJobTimeline *timeline = &timelines[i];

		timeline->jobs = 0;
		timeline->failed_jobs = 0;
		timeline->bytes_ingested = 0;
		memset(timeline->bytes_read, 0, sizeof(timeline->bytes_read));
		memset(timeline->bytes_written, 0, sizeof(timeline->bytes_written));
	}
}

/* ---- timelines ---- */

BbJobPlace
bb_jobplace(const char *store, const char *timeline)
{
	BbJobPlace	place;

	memset(&place, 0, sizeof(place));
	place.database = MyDatabaseId;
	strlcpy(place.store, store, sizeof(place.store));
	strlcpy(place.timeline, timeline, sizeof(place.timeline));
	return place;
}

static bool
is_place(const BbJobTimeline *timeline, const BbJobPlace *place)
{
	return timeline->place.database == place->database &&
		strcmp(timeline->place.store, place->store) == 0 &&
		strcmp(timeline->place.timeline, place->timeline) == 0;
}

BbJobTimeline *
bb_jobs_find(const BbJobPlace *place)
{
	for (int i = 0; i < table->ntimelines; i++)
	{
		if (is_place(&timelines[i], place))
			return &timelines[i];
	}
	return NULL;
}

BbJobTimeline *
bb_jobs_find_or_add(const BbJobPlace *place)
{
	BbJobTimeline *timeline = bb_jobs_find(place);

	if (timeline == NULL)
	{
		/* an unused one was visited at 0 */
		timeline = &timelines[0];
		for (int i = 1; i < table->ntimelines; i++)
		{
			if (timelines[i].visited_at < timeline->visited_at)
				timeline = &timelines[i];
		}
		memset(timeline, 0, sizeof(*timeline));
		timeline->place = *place;
		timeline->kind = -1;
	}
	timeline->user = GetUserId();
	timeline->pid = MyProcPid;
	timeline->visited_at = GetCurrentTimestamp();
	return timeline;
}

void
bb_jobs_lock(LWLockMode mode)
{
	bb_stats_need();
	bb_stats_lock(mode);
}

XLogRecPtr
bb_jobs_seen_end(const BbJobPlace *place)
{
	const BbJobTimeline *timeline;
	XLogRecPtr	end = InvalidXLogRecPtr;

	bb_jobs_lock(LW_SHARED);
	timeline = bb_jobs_find(place);
	if (timeline != NULL)
		end = timeline->debt.end_lsn;
	bb_stats_unlock();
	return end;
}

void
bb_jobs_look(const BbJobPlace *place, const BbJobDebt *debt, BbJobState state)
{
	BbJobTimeline *timeline;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find_or_add(place);
	if (debt != NULL)
	{
		timeline->bytes_ingested += debt->new_bytes;
		timeline->debt = *debt;
	}
	timeline->state = (state == BB_JOBS_IDLE ||
					   state == BB_JOBS_OTHER_VERSION) &&
			timeline->failed_at != 0
		? BB_JOBS_WAITING
		: state;
	bb_stats_unlock();
}

bool
bb_jobs_pause_is_over(TimestampTz retry_at, TimestampTz now)
{
	return retry_at <= now || retry_at > now + LAST_PAUSE_S * USECS_PER_SEC;
}

bool
bb_jobs_may_run(const BbJobPlace *place, int kind)
{
	const BbJobTimeline *timeline;
	bool		may = true;

	bb_jobs_lock(LW_SHARED);
	timeline = bb_jobs_find(place);
	if (timeline != NULL)
		may = bb_jobs_pause_is_over(timeline->retry_at[kind],
									GetCurrentTimestamp());
	bb_stats_unlock();
	return may;
}

void
bb_jobs_forget(const BbJobPlace *place)
{
	BbJobTimeline *timeline;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find(place);
	if (timeline != NULL)
		memset(timeline, 0, sizeof(*timeline));
	bb_stats_unlock();
}

static bool
is_among(const char *name, const List *names)
{
	const ListCell *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

void
bb_jobs_forget_others(const char *store, const List *names)
{
	bb_jobs_lock(LW_EXCLUSIVE);
	for (int i = 0; i < table->ntimelines; i++)
	{
		const BbJobPlace *place = &timelines[i].place;

		/* the store itself has no name of a timeline */
		if (place->database == MyDatabaseId &&
			strcmp(place->store, store) == 0 && place->timeline[0] != '\0' &&
			!is_among(place->timeline, names))
			memset(&timelines[i], 0, sizeof(timelines[i]));
	}
	bb_stats_unlock();
}

void
bb_jobs_forget_stores(const List *names)
{
	bb_jobs_lock(LW_EXCLUSIVE);
	for (int i = 0; i < table->ntimelines; i++)
	{
		const BbJobPlace *place = &timelines[i].place;

		if (place->database == MyDatabaseId && !is_among(place->store, names))
			memset(&timelines[i], 0, sizeof(timelines[i]));
	}
	bb_stats_unlock();
}

static int64
boot_seconds(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

bool
bb_jobs_waited(const BbJobPlace *place, uint64 what, int64 seconds)
{
	BbJobTimeline *timeline;
	bool		waited;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find(place);
	if (timeline != NULL && timeline->waiting != what)
	{
		timeline->waiting = what;
		timeline->waiting_since = boot_seconds();
	}
	waited = timeline != NULL && what != 0 &&
		boot_seconds() - timeline->waiting_since >= seconds;
	bb_stats_unlock();
	return waited;
}

List *
bb_jobs_barren(const BbJobPlace *place)
{
	TimestampTz since = GetCurrentTimestamp() - BARREN_S * USECS_PER_SEC;
	BbKeyRange *copy = palloc(BB_JOB_BARREN_MAX * sizeof(BbKeyRange));
	const BbJobTimeline *timeline;
	int			n = 0;
	List	   *ranges = NIL;

	bb_jobs_lock(LW_SHARED);
	timeline = bb_jobs_find(place);
	for (int i = 0; timeline != NULL && i < BB_JOB_BARREN_MAX; i++)
	{
		if (timeline->barren[i].found_at > since)
			copy[n++] = timeline->barren[i].keys;
	}
	bb_stats_unlock();
	for (int i = 0; i < n; i++)
		ranges = lappend(ranges, &copy[i]);
	return ranges;
}

void
bb_jobs_note_barren(const BbJobPlace *place, const BbKeyRange *keys)
{
	BbJobTimeline *timeline;
	int			oldest = 0;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find_or_add(place);
	for (int i = 1; i < BB_JOB_BARREN_MAX; i++)
	{
		if (timeline->barren[i].found_at < timeline->barren[oldest].found_at)
			oldest = i;
	}
	timeline->barren[oldest].keys = *keys;
	timeline->barren[oldest].found_at = GetCurrentTimestamp();
	bb_stats_unlock();
}

/* ---- jobs ---- */

void
bb_jobs_begin(BbJob *job)
{
	BbJobTimeline *timeline;

	Assert(job->kind >= 0 && job->kind < BB_JOB_KINDS_MAX);
	job->user = GetUserId();
	job->pid = MyProcPid;
	job->started_at = GetCurrentTimestamp();
	job->ended_at = 0;

	bb_jobs_lock(LW_EXCLUSIVE);
	job->id = ++table->last_id;
	timeline = bb_jobs_find_or_add(&job->place);
	timeline->state = BB_JOBS_RUNNING;
	timeline->kind = job->kind;
	bb_stats_unlock();
}

TimestampTz
bb_jobs_pause_after(int failures, TimestampTz now)
{
	int64		pause_s = FIRST_PAUSE_S;

	for (int i = 1; i < failures && pause_s < LAST_PAUSE_S; i++)
		pause_s *= 2;
	return now + Min(pause_s, LAST_PAUSE_S) * USECS_PER_SEC;
}

/* Returns whether the error is another one than the last. */
static bool
note_failure(BbJobTimeline *timeline, const BbJob *job)
{
	bool		another = timeline->failed_at == 0 ||
		timeline->sqlstate != job->sqlstate ||
		strcmp(timeline->message, job->message) != 0;

	timeline->failed_jobs++;
	if (!job->fault_noted)
	{
		timeline->failures[job->kind]++;
		timeline->retry_at[job->kind] =
			bb_jobs_pause_after(timeline->failures[job->kind], job->ended_at);
	}
	timeline->failed_at = job->ended_at;
	timeline->failed_kind = job->kind;
	timeline->sqlstate = job->sqlstate;
	strlcpy(timeline->message, job->message, sizeof(timeline->message));
	timeline->state = BB_JOBS_WAITING;
	return another;
}

static bool
has_fault(const BbJobTimeline *timeline, int kind)
{
	for (int i = 0; i < BB_JOB_FAULTS_MAX; i++)
	{
		if (timeline->faults[i].failures > 0 &&
			timeline->faults[i].kind == kind)
			return true;
	}
	return false;
}

/* A job that had to leave something out doesn't make the others work again. */
static void
note_success(BbJobTimeline *timeline, const BbJob *job)
{
	timeline->failures[job->kind] = 0;
	timeline->retry_at[job->kind] = 0;
	if (timeline->failed_at != 0 && timeline->failed_kind == job->kind &&
		!has_fault(timeline, job->kind))
	{
		timeline->failed_at = 0;
		timeline->sqlstate = 0;
		timeline->message[0] = '\0';
	}
	if (timeline->state == BB_JOBS_RUNNING ||
		timeline->state == BB_JOBS_WAITING)
		timeline->state = timeline->failed_at != 0 ? BB_JOBS_WAITING
												   : BB_JOBS_IDLE;
}

void
bb_jobs_overcome(const BbJobPlace *place, int kind)
{
	const BbJob job = {.kind = kind};
	BbJobTimeline *timeline;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find(place);
	if (timeline != NULL)
		note_success(timeline, &job);
	bb_stats_unlock();
}

bool
bb_jobs_end(BbJob *job)
{
	BbJobTimeline *timeline;
	bool		another = false;

	job->ended_at = GetCurrentTimestamp();
	bb_jobs_lock(LW_EXCLUSIVE);
	ring[table->ended++ % table->ring_size] = *job;
	timeline = bb_jobs_find_or_add(&job->place);
	timeline->jobs++;
	timeline->kind = job->kind;
	timeline->job_at = job->ended_at;
	timeline->bytes_read[job->kind] += job->bytes_read;
	timeline->bytes_written[job->kind] += job->bytes_written;
	if (job->sqlstate == ERRCODE_QUERY_CANCELED)
		timeline->state = BB_JOBS_IDLE;
	else if (job->sqlstate != 0)
		another = note_failure(timeline, job);
	else
		note_success(timeline, job);
	bb_stats_unlock();
	return another;
}

/* ---- reading ---- */

/*
 * The memory is copied under the lock, and rows are made of it afterwards.
 */
List *
bb_jobs_fetch(void)
{
	List	   *jobs = NIL;
	BbJob	   *copy;
	uint64		ended;
	int			size;

	bb_stats_need();
	size = table->ring_size;
	copy = palloc(size * sizeof(BbJob));
	bb_stats_lock(LW_SHARED);
	ended = table->ended;
	memcpy(copy, ring, size * sizeof(BbJob));
	bb_stats_unlock();
	for (uint64 i = ended > (uint64) size ? ended - size : 0; i < ended; i++)
		jobs = lappend(jobs, &copy[i % size]);
	return jobs;
}

List *
bb_jobs_fetch_timelines(void)
{
	List	   *found = NIL;
	BbJobTimeline *copy;
	int			n;

	bb_stats_need();
	n = table->ntimelines;
	copy = palloc(n * sizeof(BbJobTimeline));
	bb_stats_lock(LW_SHARED);
	memcpy(copy, timelines, n * sizeof(BbJobTimeline));
	bb_stats_unlock();
	for (int i = 0; i < n; i++)
	{
		if (copy[i].visited_at != 0)
			found = lappend(found, &copy[i]);
	}
	return found;
}
