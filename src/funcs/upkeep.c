/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  bb_upkeep(), and what upkeep does: bb_stat_upkeep, bb_stat_upkeep_jobs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "keeper/keeper.h"
#include "stats/calls.h"
#include "storage/procarray.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "upkeep/pace.h"
#include "upkeep/upkeep.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_upkeep);
BB_SQL_FUNCTION(bb_sql_get_stat_upkeep);
BB_SQL_FUNCTION(bb_sql_get_stat_upkeep_jobs);

/* So often in a row, another writer may be faster. */
#define REFUSALS_MAX 5

/* One call of bb_upkeep. */
typedef struct Run
{
	FunctionCallInfo fcinfo;
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const char *store;
	bool		named;	   /* the user named a timeline */
	int64		jobs_left; /* -1: no limit */
	TimestampTz until;	   /* 0: no limit */
	int			failed;	   /* timelines */
	ErrorData  *error;	   /* the first one */
	const char *error_timeline;
} Run;

typedef struct Timeline
{
	const char *name;
	int			refusals; /* in a row */
	bool		ended;	  /* nothing more in this call */
} Timeline;

static Datum
key_range_text(const BbUpkeepJob *job, bool *null)
{
	*null = job->kind != BB_UPKEEP_MERGE && job->kind != BB_UPKEEP_IMAGE &&
		job->kind != BB_UPKEEP_SQUASH;
	return *null ? (Datum) 0
				 : CStringGetTextDatum(psprintf("%s to %s",
												bb_key_text(&job->keys.start),
												bb_key_text(&job->keys.end)));
}

static void
job_row(const Run *run, const char *timeline, const BbUpkeepOutcome *outcome)
{
	bool		nulls[11] = {0};
	Datum		values[] = {
		[0] = CStringGetTextDatum(timeline),
		[1] = CStringGetTextDatum(bb_upkeep_kind_names[outcome->job.kind]),
		[2] = key_range_text(&outcome->job, &nulls[2]),
		[3] = bb_result_lsn(outcome->job.lsn, &nulls[3]),
		[4] = bb_text_datum(outcome->job.why),
		[5] = Int64GetDatum((int64) outcome->layers_read),
		[6] = Int64GetDatum((int64) outcome->layers_written),
		[7] = Int64GetDatum((int64) outcome->layers_removed),
		[8] = Int64GetDatum((int64) outcome->bytes_read),
		[9] = Int64GetDatum((int64) outcome->bytes_written),
		[10] = Float8GetDatum(outcome->duration_us / 1000.0),
	};

	bb_result_row(run->fcinfo, values, nulls);
}

/* An error of one timeline doesn't stop the others. */
static void
note_error(Run *run, const char *timeline, MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("upkeep of timeline \"%s\" failed: %s", timeline,
					error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	if (run->failed++ == 0)
	{
		run->error = error;
		run->error_timeline = timeline;
	}
}

/*
 * Do a step.  Returns false if it failed; a subtransaction releases what the step
 * had.
 */
static bool
try_step(Run *run, const char *timeline, BbUpkeepOutcome *outcome)
{
	BbUpkeepOptions options = {.place = bb_jobplace(run->store, timeline),
							   .kinds = BB_UPKEEP_ALL};
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool success = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		bb_upkeep_step(run->ctx, run->objects, timeline, &options, outcome);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		note_error(run, timeline, context);
		RollbackAndReleaseCurrentSubTransaction();
		success = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return success;
}

/* Say why nothing is done for a timeline that the user named. */
static void
report_left(const Run *run, const char *timeline, BbUpkeepState state)
{
	if (state == BB_UPKEEP_BUSY)
		ereport(NOTICE,
				(errmsg("another process takes care of timeline \"%s\"",
						timeline)));
	else if (run->named && state == BB_UPKEEP_GONE)
		bb_timeline_report_missing(run->objects, timeline);
	else if (run->named && state == BB_UPKEEP_LEFT)
		ereport(NOTICE,
				(errmsg("timeline \"%s\" is a copy, or its import is not complete",
						timeline),
				 errdetail("Its layers are left as they are.")));
}

static void
step(Run *run, Timeline *timeline)
{
	BbUpkeepOutcome outcome;

	if (!try_step(run, timeline->name, &outcome))
	{
		timeline->ended = true;
		return;
	}
	switch (outcome.state)
	{
		case BB_UPKEEP_DONE:
			timeline->refusals = 0;
			job_row(run, timeline->name, &outcome);
			if (run->jobs_left > 0)
				run->jobs_left--;
			break;
		case BB_UPKEEP_REFUSED:
			timeline->ended = ++timeline->refusals == REFUSALS_MAX;
			break;
		case BB_UPKEEP_NOTHING:
		case BB_UPKEEP_BUSY:
		case BB_UPKEEP_LEFT:
		case BB_UPKEEP_GONE:
			report_left(run, timeline->name, outcome.state);
			timeline->ended = true;
			break;
	}
}

/* One job for each timeline in turn, so that none waits for the others. */
static void
run_all(Run *run, List *names)
{
	int			n = list_length(names);
	Timeline   *timelines = palloc0(Max(n, 1) * sizeof(Timeline));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup upkeep call",
												  ALLOCSET_DEFAULT_SIZES);
	bool		more = true;

	for (int i = 0; i < n; i++)
		timelines[i].name = list_nth(names, i);
	while (more)
	{
		more = false;
		for (int i = 0; i < n; i++)
		{
			MemoryContext old;

			if (timelines[i].ended)
				continue;
			if (run->jobs_left == 0 ||
				(run->until != 0 && GetCurrentTimestamp() >= run->until))
				return;
			old = MemoryContextSwitchTo(context);
			step(run, &timelines[i]);
			MemoryContextSwitchTo(old);
			if (run->error == NULL)
				MemoryContextReset(context);
			more |= !timelines[i].ended;
		}
	}
}

/*
 * bb_upkeep(store name, timeline text, max_jobs integer, max_time interval);
 * NULL: all timelines, no limit
 */
static Datum
bb_sql_upkeep_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_UPKEEP);
	char	   *store = bb_arg_name(fcinfo, 0, "store");
	char	   *timeline = PG_ARGISNULL(1)
		? NULL
		: bb_arg_text(fcinfo, 1, "timeline");
	int64		time_ms = bb_arg_interval_ms(fcinfo, 3);
	Run			run = {.fcinfo = fcinfo,
					   .ctx = ctx,
					   .store = store,
					   .named = timeline != NULL,
					   .jobs_left = PG_ARGISNULL(2)
						   ? -1
						   : Max(PG_GETARG_INT32(2), 0)};
	List	   *names;

	if (time_ms >= 0)
		run.until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												time_ms);
	(void) bb_result_begin(fcinfo);
	if (timeline != NULL)
		bb_timeline_name_check(timeline);
	run.objects = bb_store_open(ctx, store, timeline);
	names = timeline != NULL ? list_make1(timeline)
							 : bb_store_timelines(ctx, run.objects, store);
	bb_upkeeppace_begin(ctx, NULL);
	run_all(&run, names);
	if (run.failed > 0)
		ereport(ERROR,
				(errcode(run.error->sqlerrcode),
				 errmsg("upkeep of %d of %d timelines of page store \"%s\" failed",
						run.failed, list_length(names), store),
				 errdetail("Timeline \"%s\": %s", run.error_timeline,
						   run.error->message),
				 errhint("What was done for the others stays done. "
						 "bb_stat_upkeep_jobs shows it.")));
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* ---- views ---- */

static Datum
time_datum(TimestampTz time, bool *null)
{
	*null = time == 0;
	return TimestampTzGetDatum(time);
}

static Datum
job_kind_datum(int kind, bool *null)
{
	*null = kind < 0;
	return *null ? (Datum) 0 : CStringGetTextDatum(bb_keeper_job_name(kind));
}

static Datum
sqlstate_datum(int sqlstate, bool *null)
{
	*null = sqlstate == 0;
	return CStringGetTextDatum(unpack_sql_state(sqlstate));
}

static Datum
name_datum(const char *name)
{
	return DirectFunctionCall1(namein, CStringGetDatum(bb_text_valid(name)));
}

static const char *
state_name(const BbJobTimeline *timeline)
{
	switch (timeline->state)
	{
		case BB_JOBS_IDLE:
			break;
		case BB_JOBS_RUNNING:
			/* its process may have been ended */
			if (BackendPidGetProc(timeline->pid) != NULL)
				return "running";
			break;
		case BB_JOBS_WAITING:
			return "waiting after error";
		case BB_JOBS_BUSY:
			return "elsewhere";
	}
	return "idle";
}

static int64
sum(const uint64 *values)
{
	uint64		total = 0;

	for (int i = 0; i < BB_JOB_KINDS_MAX; i++)
		total += values[i];
	return (int64) total;
}

/* When is the failed kind of job tried again?  0: no failure. */
static TimestampTz
retry_at(const BbJobTimeline *timeline)
{
	return timeline->failed_at != 0 ? timeline->retry_at[timeline->failed_kind]
									: 0;
}

static Datum
amplification_datum(const BbJobTimeline *timeline, bool *null)
{
	*null = timeline->bytes_ingested == 0;
	return Float8GetDatum(*null ? 0
								: (double) sum(timeline->bytes_written) /
								  (double) timeline->bytes_ingested);
}

static void
timeline_row(FunctionCallInfo fcinfo, const BbJobTimeline *timeline)
{
	const BbJobDebt *debt = &timeline->debt;
	bool		nulls[26] = {0};
	Datum		values[] = {
		[0] = ObjectIdGetDatum(timeline->place.database),
		[1] = name_datum(timeline->place.store),
		[2] = bb_result_text(timeline->place.timeline, &nulls[2]),
		[3] = CStringGetTextDatum(state_name(timeline)),
		[4] = Int32GetDatum(timeline->pid),
		[5] = time_datum(timeline->visited_at, &nulls[5]),
		[6] = job_kind_datum(timeline->kind, &nulls[6]),
		[7] = time_datum(timeline->job_at, &nulls[7]),
		[8] = Int64GetDatum((int64) timeline->jobs),
		[9] = Int64GetDatum((int64) timeline->failed_jobs),
		[10] = Int64GetDatum((int64) debt->layers),
		[11] = Int64GetDatum((int64) debt->runs),
		[12] = Int64GetDatum((int64) debt->depth),
		[13] = Int64GetDatum((int64) debt->retired),
		[14] = Int64GetDatum((int64) debt->bytes),
		[15] = Int64GetDatum((int64) timeline->bytes_ingested),
		[16] = Int64GetDatum(sum(timeline->bytes_read)),
		[17] = Int64GetDatum(sum(timeline->bytes_written)),
		[18] = Int64GetDatum((int64) timeline->bytes_written[BB_UPKEEP_MERGE]),
		[19] = Int64GetDatum((int64) timeline->bytes_written[BB_UPKEEP_IMAGE]),
		[20] = Int64GetDatum(
			(int64) timeline->bytes_written[BB_UPKEEP_SQUASH]),
		[21] = amplification_datum(timeline, &nulls[21]),
		[22] = time_datum(timeline->failed_at, &nulls[22]),
		[23] = time_datum(retry_at(timeline), &nulls[23]),
		[24] = sqlstate_datum(timeline->sqlstate, &nulls[24]),
		[25] = bb_result_text(timeline->message, &nulls[25]),
	};

	/* a store that could not be looked at */
	for (int i = 10; timeline->place.timeline[0] == '\0' && i < 22; i++)
		nulls[i] = true;
	bb_result_row(fcinfo, values, nulls);
}

/* bb_get_stat_upkeep() */
static Datum
bb_sql_get_stat_upkeep_body(PG_FUNCTION_ARGS)
{
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_jobs_fetch_timelines())
	{
		const BbJobTimeline *timeline = lfirst(cell);
		MemoryContext old;

		if (!bb_call_visible(timeline->user))
			continue;
		old = MemoryContextSwitchTo(row_context);
		timeline_row(fcinfo, timeline);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	return (Datum) 0;
}

static void
ended_job_row(FunctionCallInfo fcinfo, const BbJob *job)
{
	bool		nulls[17] = {0};
	Datum		values[] = {
		[0] = Int64GetDatum((int64) job->id),
		[1] = ObjectIdGetDatum(job->place.database),
		[2] = name_datum(job->place.store),
		[3] = bb_result_text(job->place.timeline, &nulls[3]),
		[4] = CStringGetTextDatum(bb_keeper_job_name(job->kind)),
		[5] = bb_result_text(job->why, &nulls[5]),
		[6] = bb_result_lsn(job->lsn, &nulls[6]),
		[7] = TimestampTzGetDatum(job->started_at),
		[8] = Float8GetDatum(Max(job->ended_at - job->started_at, 0) / 1000.0),
		[9] = Int32GetDatum(job->pid),
		[10] = Int64GetDatum((int64) job->layers_read),
		[11] = Int64GetDatum((int64) job->layers_written),
		[12] = Int64GetDatum((int64) job->layers_removed),
		[13] = Int64GetDatum((int64) job->bytes_read),
		[14] = Int64GetDatum((int64) job->bytes_written),
		[15] = sqlstate_datum(job->sqlstate, &nulls[15]),
		[16] = bb_result_text(job->message, &nulls[16]),
	};

	bb_result_row(fcinfo, values, nulls);
}

/* bb_get_stat_upkeep_jobs() */
static Datum
bb_sql_get_stat_upkeep_jobs_body(PG_FUNCTION_ARGS)
{
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_jobs_fetch())
	{
		const BbJob *job = lfirst(cell);
		MemoryContext old;

		if (!bb_call_visible(job->user))
			continue;
		old = MemoryContextSwitchTo(row_context);
		ended_job_row(fcinfo, job);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	return (Datum) 0;
}
