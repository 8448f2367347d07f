/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  One step of upkeep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "base/foreigntext.h"
#include "stats/progress.h"
#include "upkeep/commit.h"
#include "upkeep/pace.h"
#include "upkeep/policy.h"
#include "upkeep/removal.h"
#include "upkeep/retention.h"
#include "upkeep/rewrite.h"
#include "upkeep/upkeep.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

const char *const bb_upkeep_kind_names[BB_UPKEEP_KIND_COUNT] = {
	[BB_UPKEEP_MERGE] = "merge",   [BB_UPKEEP_IMAGE] = "image",
	[BB_UPKEEP_SQUASH] = "squash", [BB_UPKEEP_EXPIRE] = "expire",
	[BB_UPKEEP_RETIRE] = "retire", [BB_UPKEEP_REMOVE] = "remove",
};

/* What a step works with. */
typedef struct Step
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const char *timeline;
	const BbUpkeepOptions *options;
	const BbManifest *manifest;
	BbUpkeepJob job;
} Step;

/* ---- planning ---- */

static bool
may_plan(const Step *step, BbUpkeepKind kind)
{
	const BbUpkeepOptions *options = step->options;

	/* redo of another major version isn't ours to do */
	if ((kind == BB_UPKEEP_IMAGE || kind == BB_UPKEEP_SQUASH) &&
		step->manifest->pg_version_num / 10000 != PG_VERSION_NUM / 10000)
		return false;
	return (options->kinds & BB_UPKEEP_BIT(kind)) != 0 &&
		(!options->heed_pauses || bb_jobs_may_run(&options->place, kind));
}

/* Merges and images. */
static bool
plan_rewrite(Step *step)
{
	BbPolicySettings settings = bb_policy_settings();

	settings.barren = bb_jobs_barren(&step->options->place);
	if (!may_plan(step, BB_UPKEEP_IMAGE) ||
		list_length(settings.barren) >= BB_JOB_BARREN_MAX)
		settings.image_percent = 0;
	return bb_policy_next(step->manifest, &settings, &step->job) &&
		may_plan(step, step->job.kind);
}

/*
 * What takes no reading comes first.  A squash waits until all is merged, since
 * its inputs grow by that.
 */
static bool
plan(Step *step)
{
	BbUpkeepJob job;
	bool		found;

	found = bb_retention_next(step->ctx, step->objects, step->manifest,
							  (int64) time(NULL), &job) &&
		may_plan(step, job.kind);
	if (found && job.kind != BB_UPKEEP_SQUASH)
	{
		step->job = job;
		return true;
	}
	if (plan_rewrite(step))
		return true;
	step->job = job;
	return found;
}

/* ---- doing it ---- */

/* Retired layers are the first to leave the cache. */
static void
cool(const Step *step, List *layers)
{
	ListCell   *cell;

	foreach(cell, layers)
	{
		BbWholeObject object = bb_layer_object(step->timeline, lfirst(cell));

		bb_object_cool(step->objects, &object);
	}
}

/* Layers into other layers. */
static void
rewrite(Step *step, BbUpkeepOutcome *outcome)
{
	BbRewriteStats stats = {0};
	BbManifest *next;
	List	   *added = bb_rewrite(step->ctx, step->objects, step->manifest,
								   &step->job, &stats);

	if (added == NIL && step->job.kind == BB_UPKEEP_IMAGE)
		bb_jobs_note_barren(&step->options->place, &step->job.keys);
	outcome->layers_read = stats.layers_read;
	outcome->layers_written = stats.layers_written;
	outcome->bytes_written = stats.bytes_written;
	if (!bb_upkeep_commit(step->ctx, step->objects, step->manifest, &step->job,
						  added, &next))
	{
		outcome->state = BB_UPKEEP_REFUSED;
		return;
	}
	if (step->job.kind != BB_UPKEEP_IMAGE)
	{
		outcome->layers_removed = list_length(step->job.inputs);
		cool(step, step->job.inputs);
	}
}

/* Edits of the manifest, and removals. */
static void
release(Step *step, BbUpkeepOutcome *outcome)
{
	int64		now = (int64) time(NULL);
	const BbManifest *next;

	if (step->job.kind == BB_UPKEEP_REMOVE)
		next = bb_removal_run(step->ctx, step->objects, step->manifest, now);
	else
		next = bb_retention_commit(step->ctx, step->objects, step->manifest,
								   &step->job, now);
	if (next->generation <= step->manifest->generation)
	{
		/* nothing had to be changed after all */
		outcome->state = BB_UPKEEP_REFUSED;
		return;
	}
	outcome->layers_removed = list_length(step->job.inputs);
	if (step->job.kind == BB_UPKEEP_RETIRE)
		cool(step, step->job.inputs);
}

static void
do_job(Step *step, BbUpkeepOutcome *outcome)
{
	switch (step->job.kind)
	{
		case BB_UPKEEP_MERGE:
		case BB_UPKEEP_IMAGE:
		case BB_UPKEEP_SQUASH:
			rewrite(step, outcome);
			break;
		case BB_UPKEEP_EXPIRE:
		case BB_UPKEEP_RETIRE:
		case BB_UPKEEP_REMOVE:
			release(step, outcome);
			break;
	}
}

/* Does the error say that another session was faster? */
static bool
is_refusal(MemoryContext context)
{
	if (geterrcode() != ERRCODE_OBJECT_IN_USE)
		return false;
	MemoryContextSwitchTo(context);
	FlushErrorState();
	return true;
}

/*
 * Note the error that has just been caught.  Returns whether it is another one
 * than the last.
 */
static bool
note_error(BbJob *noted, MemoryContext context)
{
	ErrorData  *error;
	bool		another;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	noted->sqlstate = error->sqlerrcode;
	bb_text_copy(noted->message, error->message, sizeof(noted->message));
	another = bb_jobs_end(noted);
	FreeErrorData(error);
	return another;
}

static void
run(Step *step, BbUpkeepOutcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	BbJob		noted = {.place = step->options->place,
						 .kind = step->job.kind,
						 .lsn = step->job.lsn};
	BbCounters	before = *step->ctx->counters;

	bb_text_copy(noted.why, step->job.why, sizeof(noted.why));
	bb_jobs_begin(&noted);
	bb_progress_upkeep_start(step->job.kind, step->job.bytes);
	PG_TRY();
	{
		do_job(step, outcome);
	}
	PG_CATCH();
	{
		if (!is_refusal(context))
		{
			bb_progress_end();
			noted.bytes_read = step->ctx->counters->bytes_read -
				before.bytes_read;
			outcome->another_error = note_error(&noted, context);
			outcome->noted = true;
			PG_RE_THROW();
		}
		outcome->state = BB_UPKEEP_REFUSED;
	}
	PG_END_TRY();
	bb_progress_end();

	outcome->bytes_read = step->ctx->counters->bytes_read - before.bytes_read;
	noted.layers_read = outcome->layers_read;
	noted.layers_written = outcome->layers_written;
	noted.layers_removed = outcome->layers_removed;
	noted.bytes_read = outcome->bytes_read;
	noted.bytes_written = outcome->bytes_written;
	if (outcome->state == BB_UPKEEP_REFUSED)
		strlcpy(noted.message, "another writer was faster",
				sizeof(noted.message));
	(void) bb_jobs_end(&noted);
	outcome->duration_us = noted.ended_at - noted.started_at;
}

/* ---- the step ---- */

/* Is there a job?  Otherwise the state says why not. */
static bool
look(Step *step, BbUpkeepOutcome *outcome)
{
	const BbJobPlace *place = &step->options->place;
	const BbManifest *manifest;
	BbJobDebt	debt;

	manifest = bb_manifest_find(step->ctx, step->objects, step->timeline);
	step->manifest = manifest;
	outcome->state = BB_UPKEEP_NOTHING;
	if (manifest == NULL)
	{
		bb_jobs_forget(place);
		outcome->state = BB_UPKEEP_GONE;
		return false;
	}
	if (manifest->keeps.copy.source != NULL ||
		!bb_manifest_consistent(manifest))
	{
		outcome->state = BB_UPKEEP_LEFT;
		return false;
	}
	debt = bb_upkeep_debt(manifest, bb_jobs_seen_end(place));
	bb_jobs_look(place, &debt, BB_JOBS_IDLE);
	return plan(step);
}

static void
do_step(Step *step, BbUpkeepOutcome *outcome)
{
	const BbManifest *before;

	if (!look(step, outcome))
		return;
	if (!bb_manifest_try_lock_upkeep(step->ctx, step->objects, step->timeline))
	{
		bb_jobs_look(&step->options->place, NULL, BB_JOBS_BUSY);
		outcome->state = BB_UPKEEP_BUSY;
		return;
	}
	/* the one who had the lock may have done the job meanwhile */
	before = step->manifest;
	if (!bb_manifest_is_current(step->ctx, step->objects, before) &&
		!look(step, outcome))
		return;
	outcome->state = BB_UPKEEP_DONE;
	run(step, outcome);
}

void
bb_upkeep_step(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline, const BbUpkeepOptions *options,
			   BbUpkeepOutcome *outcome)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup upkeep step",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Step		step = {.ctx = ctx,
						.objects = objects,
						.timeline = timeline,
						.options = options};

	memset(outcome, 0, sizeof(*outcome));
	do_step(&step, outcome);
	MemoryContextSwitchTo(old);
	if (outcome->state == BB_UPKEEP_DONE ||
		outcome->state == BB_UPKEEP_REFUSED)
	{
		outcome->job = step.job;
		outcome->job.inputs = NIL;
		outcome->job.why = pstrdup(step.job.why);
	}
	MemoryContextDelete(context);
}
