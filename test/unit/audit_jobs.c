/*-------------------------------------------------------------------------
 *
 * audit_jobs.c
 *	  Jobs of upkeep: those that the planners ask for, and random ones.
 *
 * A job may be committed long after it was planned and its layers were written,
 * when other writers have changed the timeline.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit.h"
#include "base/settings.h"
#include "layer/manifest_edit.h"
#include "rectangle.h"
#include "upkeep/commit.h"
#include "upkeep/policy.h"
#include "upkeep/removal.h"
#include "upkeep/retention.h"
#include "upkeep/rewrite.h"

/* ---- random jobs ---- */

/* An LSN near that of a layer's begin or end. */
static XLogRecPtr
border(const BbManifest *manifest)
{
	const BbLayerDesc *layer = &manifest
									->layers[model_roll(manifest->nlayers)];
	XLogRecPtr	lsn = (model_roll(2) ? layer->lsn_start : layer->lsn_end) -
		model_roll(4) + 1;

	return Max(manifest->start_lsn, Min(manifest->end_lsn, lsn));
}

/* An image of random keys at a random LSN that has none. */
static bool
draw_image(const AuditLine *line, const BbManifest *manifest, BbUpkeepJob *job)
{
	BbKey		first = bb_key_range_kind(BB_KEY_TABLESPACE).start;
	BbLayerDesc image = {0};

	if (manifest->nlayers == 0)
		return false;
	job->keys = (BbKeyRange){first, bb_key_range_all().end};
	if (model_roll(2))
	{
		int			n;
		BbKey	   *keys = audit_line_keys(line, &n);
		int			from = model_roll(n);
		int			to = from + model_roll(n - from);

		job->keys = (BbKeyRange){keys[from], bb_key_next(&keys[to])};
		if (bb_key_compare(&job->keys.start, &first) < 0)
			job->keys.start = first;
		if (bb_key_compare(&job->keys.start, &job->keys.end) >= 0)
			return false;
	}
	job->lsn = model_roll(3) == 0 ? border(manifest)
		: model_roll(2)
		? audit_draw_lsn(line, manifest)
		: pg_prng_uint64_range(&model_prng, manifest->start_lsn,
							   manifest->end_lsn);
	if (bb_gap_at(manifest->gaps, manifest->ngaps, job->lsn) != NULL)
		return false;
	image.keys = job->keys;
	image.lsn_start = job->lsn;
	image.lsn_end = job->lsn + 1;
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &image))
			return false;
	return true;
}

XLogRecPtr
audit_draw_lsn(const AuditLine *line, const BbManifest *manifest)
{
	const BbKeeps *keeps = &manifest->keeps;
	int			n = 0;

	if (keeps->npoints > 0 && model_roll(3) == 0)
		return keeps->points[model_roll(keeps->npoints)].lsn;
	for (int i = 0; i < line->nrecords; i++)
		n += line->records[i].lsn >= manifest->start_lsn;
	if (n == 0 || model_roll(6) == 0)
		return manifest->start_lsn;
	return line->records[line->nrecords - 1 - model_roll(n)].lsn;
}

bool
audit_draw_job(const AuditLine *line, const BbManifest *manifest,
			   BbUpkeepJob *job)
{
	static const int sizes[] = {0, 1, 256};

	bb_setting_layer_size_mb = sizes[model_roll(lengthof(sizes))];
	*job = (BbUpkeepJob){.kind = (BbUpkeepKind) model_roll(3),
						 .lsn = manifest->start_lsn};
	return job->kind == BB_UPKEEP_IMAGE ? draw_image(line, manifest, job)
										: rectangle_draw_inputs(manifest, job);
}

/* ---- commits ---- */

static bool
has_layer(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id)
			return true;
	return false;
}

/* Is there an input that the manifest doesn't have any more? */
static bool
input_gone(const BbManifest *manifest, const BbUpkeepJob *job)
{
	ListCell   *cell;

	if (job->kind == BB_UPKEEP_IMAGE)
		return false;
	foreach(cell, job->inputs)
		if (!has_layer(manifest, lfirst(cell)))
			return true;
	return false;
}

/* Commit layers; the edit has to be refused if an input is gone. */
static bool
commit(AuditWorld *world, const BbManifest *manifest, const BbUpkeepJob *job,
	   List *added)
{
	const BbReqCtx *ctx = world->ctx;
	BbManifest *before = bb_manifest_find(ctx, world->objects,
										  manifest->timeline);
	BbManifest *next;
	bool		done;

	if (job->kind == BB_UPKEEP_IMAGE && added == NIL)
		return false;
	done = bb_upkeep_commit(ctx, world->objects, manifest, job, added, &next);
	if (done && (before == NULL || input_gone(before, job)))
		elog(ERROR, "a job was committed though an input was gone");
	if (done)
		audit_done.jobs[job->kind]++;
	else
		audit_done.refused++;
	return done;
}

static void
rewrite_and_commit(AuditWorld *world, const BbManifest *manifest,
				   const BbUpkeepJob *job)
{
	BbRewriteStats stats = {0};

	(void) commit(world, manifest, job,
				  bb_rewrite(world->ctx, world->objects, manifest, job,
							 &stats));
}

static BbManifest *
read_manifest(AuditWorld *world, const AuditLine *line)
{
	return bb_manifest_read(world->ctx, world->objects, line->name);
}

void
audit_jobs_random(AuditWorld *world, AuditLine *line)
{
	BbManifest *manifest = read_manifest(world, line);
	BbUpkeepJob job;

	if (audit_draw_job(line, manifest, &job))
		rewrite_and_commit(world, manifest, &job);
}

static BbPolicySettings
draw_settings(void)
{
	return (BbPolicySettings){.merge_layers = 2 + model_roll(3),
							  .image_percent = 1 + model_roll(100),
							  .layer_bytes = 500 + model_roll(30000)};
}

void
audit_jobs_policy(AuditWorld *world, AuditLine *line)
{
	BbPolicySettings settings = draw_settings();

	bb_setting_layer_size_mb = model_roll(3) ? 256 : 0;
	for (int i = 1 + model_roll(3); i > 0; i--)
	{
		BbManifest *manifest = read_manifest(world, line);
		BbUpkeepJob job;

		if (!bb_policy_next(manifest, &settings, &job))
			return;
		rewrite_and_commit(world, manifest, &job);
	}
}

void
audit_jobs_retention(AuditWorld *world, AuditLine *line)
{
	const BbReqCtx *ctx = world->ctx;

	bb_setting_layer_size_mb = model_roll(3) ? 256 : 0;
	for (int i = 1 + model_roll(5); i > 0; i--)
	{
		BbManifest *manifest = read_manifest(world, line);
		int64		now = audit_now(world);
		BbUpkeepJob job;

		if (!bb_retention_next(ctx, world->objects, manifest, now, &job))
			return;
		if (job.kind == BB_UPKEEP_SQUASH)
			rewrite_and_commit(world, manifest, &job);
		else if (job.kind == BB_UPKEEP_REMOVE)
			(void) bb_removal_run(ctx, world->objects, manifest, now);
		else
			(void) bb_retention_commit(ctx, world->objects, manifest, &job,
									   now);
		if (job.kind != BB_UPKEEP_SQUASH)
			audit_done.jobs[job.kind]++;
		/* each of them keeps its promises alone */
		audit_check_manifests(world, line);
	}
}

/* ---- jobs that wait ---- */

void
audit_jobs_forget(AuditJob *job)
{
	if (job->context != NULL)
		MemoryContextDelete(job->context);
	*job = (AuditJob){0};
}

/* Plan it as a second upkeep does, if another one has the lock. */
static bool
plan(AuditWorld *world, AuditLine *line, AuditJob *job)
{
	const BbReqCtx *ctx = world->ctx;
	BbRewriteStats stats = {0};
	BbPolicySettings settings = draw_settings();
	int			die = model_roll(5);
	bool		found;

	job->line = line;
	job->locked = bb_manifest_try_lock_upkeep(ctx, world->objects, line->name);
	job->manifest = read_manifest(world, line);
	if (die <= 1)
		found = bb_retention_next(ctx, world->objects, job->manifest,
								  audit_now(world), &job->job);
	else if (die == 2)
		found = bb_policy_next(job->manifest, &settings, &job->job);
	else
		found = audit_draw_job(line, job->manifest, &job->job);
	if (!found)
		return false;
	if (job->job.kind > BB_UPKEEP_SQUASH)
		return true;
	job->added = bb_rewrite(ctx, world->objects, job->manifest, &job->job,
							&stats);
	if (model_roll(3) == 0)
		job->rival = bb_rewrite(ctx, world->objects, job->manifest, &job->job,
								&stats);
	return true;
}

void
audit_jobs_plan(AuditWorld *world, AuditLine *line)
{
	AuditJob	job = {0};
	MemoryContext old;
	int			free = 0;

	while (free < AUDIT_JOBS && world->jobs[free].context != NULL)
		free++;
	if (free == AUDIT_JOBS)
		return;
	/* of the step, unless it comes to be the world's */
	job.context = AllocSetContextCreate(CurrentMemoryContext, "planned job",
										ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(job.context);
	if (plan(world, line, &job))
	{
		MemoryContextSetParent(job.context, world->context);
		world->jobs[free] = job;
	}
	MemoryContextSwitchTo(old);
}

/* Two upkeeps have done the same job: the second one is refused. */
static void
commit_both(AuditWorld *world, const AuditJob *job)
{
	BbManifest *next;

	if (commit(world, job->manifest, &job->job, job->added) &&
		job->rival != NIL &&
		bb_upkeep_commit(world->ctx, world->objects, job->manifest, &job->job,
						 job->rival, &next))
		elog(ERROR, "a job was committed twice");
}

void
audit_jobs_commit(AuditWorld *world)
{
	int			number = model_roll(AUDIT_JOBS);
	AuditJob   *job = &world->jobs[number];
	const AuditLine *line = job->line;
	int			sqlstate = 0;

	if (job->context == NULL)
		return;
	ERROR_OF(
		{
			if (job->job.kind <= BB_UPKEEP_SQUASH)
				commit_both(world, job);
			else if (job->job.kind == BB_UPKEEP_REMOVE)
				(void) bb_removal_run(world->ctx, world->objects,
									  job->manifest, audit_now(world));
			else
				(void) bb_retention_commit(world->ctx, world->objects,
										   job->manifest, &job->job,
										   audit_now(world));
		},
		sqlstate);
	audit_jobs_forget(job);
	audit_done.planned += sqlstate == 0;
	audit_done.refused += sqlstate == ERRCODE_OBJECT_IN_USE;
	if (sqlstate == 0 || sqlstate == ERRCODE_OBJECT_IN_USE)
		return;
	/* its layers went with the timeline */
	if (line->dropped &&
		(sqlstate == ERRCODE_UNDEFINED_OBJECT ||
		 sqlstate == ERRCODE_UNDEFINED_FILE))
		return;
	ereport(ERROR, (errcode(sqlstate),
					errmsg("a planned job of \"%s\" failed: %s", line->name,
						   unit_last_error)));
}
