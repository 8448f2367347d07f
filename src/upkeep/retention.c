/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  How long history is kept: what upkeep gives up, and when.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "layer/manifest_edit.h"
#include "pagestore/snapshot.h"
#include "upkeep/garbage.h"
#include "upkeep/moments.h"
#include "upkeep/removal.h"
#include "upkeep/retention.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The start moves by this part of the window at a time, or by an hour. */
#define STEPS_IN_WINDOW 64

int64
bb_retention_window_s(const BbRetention *retention)
{
	/* the window isn't set below the floor, but may come from elsewhere */
	return retention->window_s == 0
		? 0
		: Max(retention->window_s, retention->floor_s);
}

/* Does the retention of a timeline let anything go? */
static bool
may_expire(const BbManifest *manifest)
{
	return manifest->keeps.copy.source == NULL &&
		bb_manifest_consistent(manifest) &&
		bb_retention_window_s(&manifest->keeps.retention) > 0;
}

/* ---- the cutoff ---- */

XLogRecPtr
bb_retention_cutoff(const BbReqCtx *ctx, BbObjectStore *objects,
					const BbManifest *manifest, int64 now)
{
	BbManifest	readable = bb_manifest_readable(manifest);
	int64		time = Min(readable.end_time, now) -
		bb_retention_window_s(&manifest->keeps.retention);
	BbPageStore *store;
	BbTimeAnswer answer;
	XLogRecPtr	lsn;

	if (!may_expire(manifest) || time < 0)
		return manifest->start_lsn;
	store = bb_pagestore_open_in(ctx, objects, manifest->timeline);
	answer = bb_pagestore_lsn_at_time(ctx, store,
									  time_t_to_timestamptz((pg_time_t) time),
									  &lsn);
	if (answer == BB_TIME_PAST || answer == BB_TIME_NO_DATA)
		return manifest->start_lsn;
	lsn = Min(lsn, readable.end_lsn);
	return Max(lsn, manifest->start_lsn);
}

/* ---- the plan ---- */

static bool
same_points(const BbKeeps *keeps, const BbPoints *points)
{
	if (keeps->npoints != points->n)
		return false;
	for (int i = 0; i < points->n; i++)
		if (keeps->points[i].lsn != points->points[i].lsn)
			return false;
	return true;
}

/* The plan, with moments that were collected before. */
static BbRetentionPlan
plan_with(const BbManifest *manifest, List *branches, const BbMoments *moments,
		  int64 now)
{
	BbRetentionPlan plan = {.start = moments->start};

	plan.points = bb_points_choose(manifest, branches, moments->points,
								   moments->n, moments->next, now);
	plan.changes = may_expire(manifest) &&
		(plan.start != manifest->start_lsn ||
		 !same_points(&manifest->keeps, plan.points));
	return plan;
}

BbRetentionPlan
bb_retention_plan(const BbReqCtx *ctx, BbObjectStore *objects,
				  const BbManifest *manifest, List *branches,
				  XLogRecPtr cutoff, int64 now)
{
	BbMoments	moments = bb_moments_collect(ctx, objects, manifest, branches,
											 cutoff);

	return plan_with(manifest, branches, &moments, now);
}

/* ---- layers ---- */

static int
compare_points(const void *a, const void *b)
{
	XLogRecPtr	left = ((const BbPoint *) a)->lsn;
	XLogRecPtr	right = ((const BbPoint *) b)->lsn;

	return left < right ? -1 : left > right;
}

BbReadable
bb_retention_readable(const BbManifest *manifest, List *branches)
{
	BbReadable	readable = bb_reach_readable(manifest);
	Size		n = readable.npoints + list_length(branches) + 1;
	BbPoint	   *points = palloc_extended(n * sizeof(BbPoint), MCXT_ALLOC_HUGE);
	ListCell   *cell;

	for (int i = 0; i < readable.npoints; i++)
		points[i] = readable.points[i];
	foreach(cell, branches)
	{
		XLogRecPtr	lsn = ((const BbBranch *) lfirst(cell))->lsn;

		if (lsn < readable.start)
			points[readable.npoints++] = (BbPoint){.lsn = lsn};
	}
	qsort(points, readable.npoints, sizeof(BbPoint), compare_points);
	readable.points = points;
	return readable;
}

List *
bb_retention_unneeded(const BbManifest *manifest, List *branches)
{
	BbReadable	readable = bb_retention_readable(manifest, branches);
	XLogRecPtr *needed;
	List	   *unneeded = NIL;

	if (!may_expire(manifest))
		return NIL;
	needed = bb_reach(manifest, &readable);
	for (int i = 0; i < manifest->nlayers; i++)
		if (XLogRecPtrIsInvalid(needed[i]))
			unneeded = lappend(unneeded, &manifest->layers[i]);
	pfree(needed);
	return unneeded;
}

/* ---- jobs ---- */

static bool
job_of(BbUpkeepJob *job, BbUpkeepKind kind, List *inputs, const char *why)
{
	ListCell   *cell;

	*job = (BbUpkeepJob){.kind = kind, .inputs = inputs, .why = why};
	foreach(cell, inputs)
		job->bytes += ((const BbLayerDesc *) lfirst(cell))->size;
	return true;
}

/* Has the start to move as far as "cutoff" that a commit is worth it? */
static bool
is_step(const BbReqCtx *ctx, BbObjectStore *objects,
		const BbManifest *manifest, XLogRecPtr cutoff)
{
	int64		window = bb_retention_window_s(&manifest->keeps.retention);
	int64		step = Min(Max(window / STEPS_IN_WINDOW, 1), SECS_PER_HOUR);
	BbPageStore *store;
	BbSnapshot	from;
	BbSnapshot	to;

	if (cutoff == manifest->start_lsn)
		return false;
	store = bb_pagestore_open_in(ctx, objects, manifest->timeline);
	from = bb_snapshot_at(store, manifest->start_lsn);
	to = bb_snapshot_at(store, cutoff);
	return bb_snapshot_time(ctx, &to) - bb_snapshot_time(ctx, &from) >= step;
}

static bool
next_expire(const BbReqCtx *ctx, BbObjectStore *objects,
			const BbManifest *manifest, List *branches, int64 now,
			BbUpkeepJob *job)
{
	XLogRecPtr	cutoff = bb_retention_cutoff(ctx, objects, manifest, now);

	if (!is_step(ctx, objects, manifest, cutoff))
		cutoff = manifest->start_lsn;
	if (!bb_retention_plan(ctx, objects, manifest, branches, cutoff, now)
			 .changes)
		return false;
	(void) job_of(job, BB_UPKEEP_EXPIRE, NIL,
				  cutoff == manifest->start_lsn
					  ? "points that nothing holds any more"
					  : "history before the window");
	job->lsn = cutoff;
	return true;
}

bool
bb_retention_next(const BbReqCtx *ctx, BbObjectStore *objects,
				  const BbManifest *manifest, int64 now, BbUpkeepJob *job)
{
	List	   *due = bb_removal_list(manifest, now);
	List	   *branches;
	List	   *unneeded;
	BbReadable	readable;

	if (due != NIL)
		return job_of(job, BB_UPKEEP_REMOVE, due, "layers retired long ago");
	if (!may_expire(manifest))
		return false;
	branches = bb_points_branches(ctx, objects, manifest->timeline);
	if (next_expire(ctx, objects, manifest, branches, now, job))
		return true;
	unneeded = bb_retention_unneeded(manifest, branches);
	if (unneeded != NIL)
		return job_of(job, BB_UPKEEP_RETIRE, unneeded,
					  "layers that no readable LSN needs");
	readable = bb_retention_readable(manifest, branches);
	return bb_garbage_next(manifest, &readable, job);
}

/* ---- commits ---- */

/*
 * Moments are collected before the lock is taken, since that may take long.
 * The manifest may have got pins since, but those of LSNs that aren't among
 * the moments let the edit be refused.
 */
static BbManifest *
commit_expire(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbManifest *manifest, XLogRecPtr cutoff, int64 now)
{
	List	   *branches = bb_points_branches(ctx, objects,
											  manifest->timeline);
	BbMoments	moments = bb_moments_collect(ctx, objects, manifest, branches,
											 cutoff);
	BbRetentionPlan plan;
	BbManifestPoints points;
	BbManifestEdit edit;
	ListCell   *cell;

	bb_manifest_lock_tree(ctx, objects);
	branches = bb_points_branches(ctx, objects, manifest->timeline);
	foreach(cell, branches)
		if (!bb_moments_has(&moments, lfirst(cell)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("branch \"%s\" of timeline \"%s\" was made in the meantime",
							((const BbBranch *) lfirst(cell))->name,
							manifest->timeline),
					 errhint("Try again.")));
	plan = plan_with(manifest, branches, &moments, now);
	if (!plan.changes)
		return bb_manifest_read(ctx, objects, manifest->timeline);
	points = (BbManifestPoints){plan.points->n, plan.points->points};
	edit = (BbManifestEdit){.base = manifest,
							.start_lsn = plan.start,
							.points = &points};
	return bb_manifest_edit(ctx, objects, &edit);
}

static bool
is_input(const BbUpkeepJob *job, const BbLayerDesc *layer)
{
	ListCell   *cell;

	foreach(cell, job->inputs)
	{
		const BbLayerDesc *input = lfirst(cell);

		if (input->file_id == layer->file_id &&
			bb_key_compare(&input->keys.start, &layer->keys.start) == 0)
			return true;
	}
	return false;
}

static BbManifest *
commit_retire(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbManifest *manifest, const BbUpkeepJob *job, int64 now)
{
	BbManifest *current = bb_manifest_read(ctx, objects, manifest->timeline);
	List	   *branches = bb_points_branches(ctx, objects,
											  manifest->timeline);
	BbManifestEdit edit = {.base = current, .retired_at = Max(now, 1)};
	ListCell   *cell;

	foreach(cell, bb_retention_unneeded(current, branches))
		if (is_input(job, lfirst(cell)))
			edit.removed = lappend(edit.removed, lfirst(cell));
	return edit.removed == NIL ? current
							   : bb_manifest_edit(ctx, objects, &edit);
}

/* In a memory context of its own, with which the lock ends. */
BbManifest *
bb_retention_commit(const BbReqCtx *ctx, BbObjectStore *objects,
					const BbManifest *manifest, const BbUpkeepJob *job,
					int64 now)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup retention",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (job->kind == BB_UPKEEP_EXPIRE)
		(void) commit_expire(ctx, objects, manifest, job->lsn, now);
	else if (job->kind == BB_UPKEEP_RETIRE)
		(void) commit_retire(ctx, objects, manifest, job, now);
	else
		elog(ERROR, "job %d is not of retention", (int) job->kind);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return bb_manifest_read(ctx, objects, manifest->timeline);
}
