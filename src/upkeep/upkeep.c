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
#include "base/settings.h"
#include "redo/installation.h"
#include "stats/progress.h"
#include "upkeep/commit.h"
#include "upkeep/faults.h"
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

/* Branches of more generations get no first image. */
#define ANCESTORS_MAX 20

/* What a step works with. */
typedef struct Step
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const char *timeline;
	const BbUpkeepOptions *options;
	const BbManifest *manifest;
	BbFaults	faults;	  /* left out */
	bool		planning; /* a job of job.kind is being planned */
	bool		looking;  /* so far, at what was left out */
	BbUpkeepJob job;
} Step;

static BbFaultsPlace
faults_place(const Step *step)
{
	return (BbFaultsPlace){.ctx = step->ctx,
						   .objects = step->objects,
						   .manifest = step->manifest,
						   .place = &step->options->place,
						   .asked_at = step->options->asked_at};
}

/* ---- planning ---- */

/* Can pages of this timeline be made by redo? */
static bool
has_helpers(const BbManifest *manifest)
{
	const BbMajor *major = bb_major_of(manifest->pg_version_num);

	return major != NULL && bb_redo_installation_exists(major);
}

static bool
may_plan(const Step *step, BbUpkeepKind kind)
{
	const BbUpkeepOptions *options = step->options;

	/* images are made by redo, so they take redo helpers of that version */
	if ((kind == BB_UPKEEP_IMAGE || kind == BB_UPKEEP_SQUASH) &&
		!has_helpers(step->manifest))
		return false;
	return (options->kinds & BB_UPKEEP_BIT(kind)) != 0 &&
		(options->asked_at != 0 || bb_jobs_may_run(&options->place, kind));
}

static bool
has_image(const BbManifest *manifest)
{
	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (manifest->layers[i].image)
			return true;
	}
	return false;
}

/*
 * The size of an image of what a branch found, for the first image of its own.
 * An ancestor may be a branch without images, too.
 */
static uint64
ancestor_bytes(const Step *step)
{
	const BbManifest *manifest = step->manifest;

	for (int depth = 0; depth < ANCESTORS_MAX && !has_image(manifest); depth++)
	{
		ErrorData  *error;
		BbManifest *ancestor;

		if (manifest->ancestor == NULL)
			return 0;
		ancestor = bb_manifest_try(step->ctx, step->objects,
								   manifest->ancestor, &error);
		if (ancestor == NULL)
			return 0;
		if (has_image(ancestor))
			return bb_policy_image_bytes(ancestor, manifest->ancestor_lsn);
		manifest = ancestor;
	}
	return 0;
}

/* An error from now on is one of planning such a job. */
static void
begin_planning(Step *step, BbUpkeepKind kind)
{
	step->planning = true;
	step->job.kind = kind;
}

/*
 * A job of the retention.  If there is none to do, what had failed of this kind
 * has been overcome.
 */
static bool
plan_retention(Step *step, BbRetentionPlanner *planner, BbUpkeepKind kind)
{
	if (!may_plan(step, kind))
		return false;
	begin_planning(step, kind);
	if (bb_retention_job(planner, kind, &step->job))
		return true;
	bb_jobs_overcome(&step->options->place, kind);
	return false;
}

/*
 * The objects of layers that were retired in the future, so a clock was ahead,
 * and that upkeep has seen so for as long as layers stay.  That is measured by
 * a clock that can't be set.
 */
static bool
plan_late_removal(Step *step)
{
	List	   *late = bb_removal_future(step->manifest, (int64) time(NULL));

	if (!may_plan(step, BB_UPKEEP_REMOVE) ||
		!bb_jobs_waited(&step->options->place, bb_removal_sum(late),
						bb_setting_removal_delay_s))
		return false;
	step->job = (BbUpkeepJob){.kind = BB_UPKEEP_REMOVE,
							  .inputs = late,
							  .why = "layers retired while a clock was ahead"};
	return true;
}

/* What failed, and isn't whole yet, is left out by jobs that read layers. */
static void
look_at_faults(Step *step)
{
	BbFaultsPlace at = faults_place(step);

	begin_planning(step, BB_UPKEEP_MERGE);
	step->looking = true;
	bb_faults_look(&at, &step->faults);
	step->looking = false;
}

/*
 * Merges and images.  If there is nothing to do, what had failed has been overcome,
 * as when an image has made a merge needless.
 */
static bool
plan_rewrite(Step *step)
{
	BbPolicySettings settings = bb_policy_settings();
	const BbJobPlace *place = &step->options->place;
	bool		images;

	settings.barren = bb_jobs_barren(place);
	images = may_plan(step, BB_UPKEEP_IMAGE) && !step->faults.full &&
		list_length(settings.barren) < BB_JOB_BARREN_MAX;
	settings.barren = list_concat(settings.barren, step->faults.images);
	settings.broken = step->faults.layers;
	if (!images)
		settings.image_percent = 0;
	else
		settings.ancestor_bytes = ancestor_bytes(step);
	begin_planning(step, BB_UPKEEP_MERGE);
	if (bb_policy_next(step->manifest, &settings, &step->job))
		return may_plan(step, step->job.kind);
	bb_jobs_overcome(place, BB_UPKEEP_MERGE);
	if (images)
		bb_jobs_overcome(place, BB_UPKEEP_IMAGE);
	return false;
}

/*
 * What takes no reading comes first.  A squash waits until all is merged, since
 * its inputs grow by that.
 */
static bool
plan(Step *step)
{
	BbRetentionPlanner planner = {.ctx = step->ctx,
								  .objects = step->objects,
								  .manifest = step->manifest,
								  .now = (int64) time(NULL)};
	bool		found = plan_retention(step, &planner, BB_UPKEEP_REMOVE) ||
		plan_late_removal(step) ||
		plan_retention(step, &planner, BB_UPKEEP_EXPIRE) ||
		plan_retention(step, &planner, BB_UPKEEP_RETIRE);

	if (!found)
	{
		look_at_faults(step);
		planner.broken = step->faults.layers;
		found = plan_rewrite(step) ||
			plan_retention(step, &planner, BB_UPKEEP_SQUASH);
	}
	step->planning = false;
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
		next = bb_removal_of(step->ctx, step->objects, step->manifest,
							 step->job.inputs);
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

/* Note an error of the job, or of planning one. */
static void
note_error(BbJob *noted, const ErrorData *error, BbUpkeepOutcome *outcome)
{
	noted->sqlstate = error->sqlerrcode;
	bb_text_copy(noted->message, error->message, sizeof(noted->message));
	noted->fault_noted = outcome->left_out;
	outcome->another_error = bb_jobs_end(noted);
	outcome->failed_kind = (BbUpkeepKind) noted->kind;
	outcome->noted = true;
}

/*
 * Is what the job failed of left out from now on?  To find out takes reading, which
 * may fail, too; then it isn't known.  *error becomes that of a cancel.
 */
static bool
leave_out(const Step *step, ErrorData **error)
{
	BbFaultsPlace at = faults_place(step);
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile another = NULL;
	volatile bool noted = false;

	PG_TRY();
	{
		noted = bb_faults_note(&at, &step->job, *error);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		another = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	if (another != NULL && another->sqlerrcode == ERRCODE_QUERY_CANCELED)
		*error = another;
	return noted;
}

static void
run(Step *step, BbUpkeepOutcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	BbJob		noted = {.place = step->options->place,
						 .kind = step->job.kind,
						 .lsn = step->job.lsn};
	BbCounters	before = *step->ctx->counters;
	ErrorData *volatile caught = NULL;
	ErrorData  *error;

	bb_text_copy(noted.why, step->job.why, sizeof(noted.why));
	bb_jobs_begin(&noted);
	bb_progress_upkeep_start(step->job.kind, step->job.bytes);
	PG_TRY();
	{
		do_job(step, outcome);
	}
	PG_CATCH();
	{
		if (is_refusal(context))
			outcome->state = BB_UPKEEP_REFUSED;
		else
		{
			MemoryContextSwitchTo(context);
			caught = CopyErrorData();
			FlushErrorState();
		}
	}
	PG_END_TRY();
	error = caught;
	if (error != NULL)
		outcome->left_out = leave_out(step, &error);
	bb_progress_end();

	outcome->bytes_read = step->ctx->counters->bytes_read - before.bytes_read;
	noted.layers_read = outcome->layers_read;
	noted.layers_written = outcome->layers_written;
	noted.layers_removed = outcome->layers_removed;
	noted.bytes_read = outcome->bytes_read;
	noted.bytes_written = outcome->bytes_written;
	if (error != NULL)
	{
		note_error(&noted, error, outcome);
		ReThrowError(error);
	}
	if (outcome->state == BB_UPKEEP_REFUSED)
		strlcpy(noted.message, "another writer was faster",
				sizeof(noted.message));
	else
	{
		BbFaultsPlace at = faults_place(step);

		bb_faults_done(&at, &step->job);
	}
	(void) bb_jobs_end(&noted);
	outcome->duration_us = noted.ended_at - noted.started_at;
}

/* ---- the step ---- */

/* What bb_stat_upkeep says of a timeline that isn't, or not wholly, ours. */
static BbJobState
place_state(const BbManifest *manifest)
{
	if (manifest->keeps.copy.source != NULL)
		return BB_JOBS_COPY;
	if (!bb_manifest_consistent(manifest))
		return BB_JOBS_INCOMPLETE;
	if (!has_helpers(manifest))
		return BB_JOBS_OTHER_VERSION;
	return BB_JOBS_IDLE;
}

/* Is there a job?  Otherwise the state says why not. */
static bool
look(Step *step, BbUpkeepOutcome *outcome)
{
	const BbJobPlace *place = &step->options->place;
	const BbManifest *manifest;
	BbJobDebt	debt;
	BbJobState	state;

	manifest = bb_manifest_find(step->ctx, step->objects, step->timeline);
	step->manifest = manifest;
	outcome->state = BB_UPKEEP_NOTHING;
	if (manifest == NULL)
	{
		bb_jobs_forget(place);
		outcome->state = BB_UPKEEP_GONE;
		return false;
	}
	state = place_state(manifest);
	debt = bb_upkeep_debt(manifest, bb_jobs_seen_end(place));
	bb_jobs_look(place, &debt, state);
	if (state == BB_JOBS_COPY || state == BB_JOBS_INCOMPLETE)
	{
		outcome->state = BB_UPKEEP_LEFT;
		return false;
	}
	return plan(step);
}

/* The same; an error of the planner of a kind is one of such a job. */
static bool
look_and_note(Step *step, BbUpkeepOutcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	bool		found = false;

	PG_TRY();
	{
		found = look(step, outcome);
	}
	PG_CATCH();
	{
		if (step->planning)
		{
			BbJob		noted = {.place = step->options->place,
								 .kind = step->looking ? step->faults.kind
													   : step->job.kind};

			MemoryContextSwitchTo(context);
			strlcpy(noted.why,
					step->looking ? "a layer could not be read before"
								  : "a job could not be planned",
					sizeof(noted.why));
			outcome->left_out = step->looking;
			bb_jobs_begin(&noted);
			note_error(&noted, CopyErrorData(), outcome);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	return found;
}

static void
do_step(Step *step, BbUpkeepOutcome *outcome)
{
	const BbManifest *before;

	if (!look_and_note(step, outcome))
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
		!look_and_note(step, outcome))
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
