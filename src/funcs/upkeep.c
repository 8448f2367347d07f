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
#include "foreign/foreign.h"
#include "funcs/arguments.h"
#include "keeper/keeper.h"
#include "miscadmin.h"
#include "stats/calls.h"
#include "stats/jobfaults.h"
#include "storage/procarray.h"
#include "stores/store_access.h"
#include "stores/store_probe.h"
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
	TimestampTz asked_at;
	int			failed; /* timelines */
	ErrorData  *error;	/* the first one */
	const char *error_timeline;
} Run;

typedef struct Timeline
{
	const char *name;
	int			refusals; /* in a row */
	uint32		kinds;	  /* of jobs that have not failed in this call */
	bool		failed;
	bool		ended; /* nothing more in this call */
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

/* An error that is not one of a job. */
static void
note_look(const BbJobPlace *place, const ErrorData *error)
{
	BbJob		job = {.place = *place, .kind = BB_KEEPER_LOOK};

	bb_jobs_begin(&job);
	job.sqlstate = error->sqlerrcode;
	bb_text_copy(job.message, error->message, sizeof(job.message));
	(void) bb_jobs_end(&job);
}

/* An error of one timeline doesn't stop the others, nor other kinds of jobs. */
static void
note_error(Run *run, Timeline *timeline, const BbUpkeepOutcome *outcome,
		   ErrorData *error)
{
	BbJobPlace	place = bb_jobplace(run->store, timeline->name);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("upkeep of timeline \"%s\" failed: %s", timeline->name,
					error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	if (outcome->left_out)
		/* other jobs of this kind can be done */;
	else if (outcome->noted)
		timeline->kinds &= ~BB_UPKEEP_BIT(outcome->failed_kind);
	else
	{
		note_look(&place, error);
		timeline->ended = true;
	}
	run->failed += !timeline->failed;
	timeline->failed = true;
	if (run->error == NULL)
	{
		run->error = error;
		run->error_timeline = timeline->name;
	}
}

/*
 * Do a step.  Returns false if it failed; a subtransaction releases what the step
 * had.
 */
static bool
try_step(Run *run, Timeline *timeline, BbUpkeepOutcome *outcome)
{
	BbUpkeepOptions options = {.place = bb_jobplace(run->store,
													timeline->name),
							   .kinds = timeline->kinds,
							   .asked_at = run->asked_at};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext attempt = AllocSetContextCreate(context,
												  "bbackup upkeep attempt",
												  ALLOCSET_SMALL_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(attempt);
	PG_TRY();
	{
		bb_upkeep_step(run->ctx, run->objects, timeline->name, &options,
					   outcome);
		bb_jobs_overcome(&options.place, BB_KEEPER_LOOK);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return true;
	/* also a cancel ends the subtransaction, and the lock of the step, first */
	MemoryContextDelete(attempt);
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	note_error(run, timeline, outcome, error);
	return false;
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
	BbUpkeepOutcome outcome = {0};

	if (!try_step(run, timeline, &outcome))
		return;
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
	{
		timelines[i].name = list_nth(names, i);
		timelines[i].kinds = BB_UPKEEP_ALL;
	}
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
					   .asked_at = GetCurrentTimestamp(),
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
	if (names != NIL)
		bb_store_note_growth(ctx, run.objects);
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
		case BB_JOBS_COPY:
			return "left: a copy";
		case BB_JOBS_INCOMPLETE:
			return "left: import not complete";
		case BB_JOBS_OTHER_VERSION:
			return "idle, no images: no redo helpers of its major version";
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
		[23] = time_datum(bb_jobtimeline_retry_at(timeline), &nulls[23]),
		[24] = sqlstate_datum(timeline->sqlstate, &nulls[24]),
		[25] = bb_result_text(timeline->message, &nulls[25]),
	};

	/* a store that could not be looked at */
	for (int i = 10; timeline->place.timeline[0] == '\0' && i < 22; i++)
		nulls[i] = true;
	bb_result_row(fcinfo, values, nulls);
}

/* Was the page store dropped?  That of another database isn't known here. */
static bool
is_dropped(const BbJobPlace *place)
{
	return place->database == MyDatabaseId &&
		GetForeignServerByName(place->store, true) == NULL;
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

		if (!bb_call_visible(timeline->user) || is_dropped(&timeline->place))
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
