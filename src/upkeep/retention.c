/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  How long history is kept: what upkeep gives up, and when.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "base/compat.h"
#include "base/events.h"
#include "base/settings.h"
#include "datatype/timestamp.h"
#include "layer/manifest_edit.h"
#include "pagestore/snapshot.h"
#include "upkeep/cutoff.h"
#include "upkeep/garbage.h"
#include "upkeep/moments.h"
#include "upkeep/policy.h"
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

/* Add the commits of a stretch without a gap.  Returns false at the cutoff. */
static bool
add_commits(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr from,
			XLogRecPtr until, BbCutoff *cutoff)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbPageVersions *versions = bb_pagestore_versions_new(ctx, store, &key,
														 from, until);
	BbValue		value;
	XLogRecPtr	lsn;
	bool		more = true;

	while (more && bb_pagestore_versions_next(ctx, versions, &lsn, &value))
		more = bb_cutoff_add(cutoff, lsn,
							 bb_snapshot_commit(&key, &value).time);
	bb_pagestore_versions_close(versions);
	return more;
}

static void
find_cutoff(const BbReqCtx *ctx, BbPageStore *store, BbCutoff *cutoff)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	XLogRecPtr	from = info->start_lsn;

	for (int i = 0; i <= info->ngaps; i++)
	{
		const BbGap *gap = i < info->ngaps ? &info->gaps[i] : NULL;

		if (!add_commits(ctx, store, from, gap ? gap->from : info->end_lsn,
						 cutoff) ||
			gap == NULL)
			return;
		from = gap->until;
		bb_cutoff_gap(cutoff, from,
					  time_t_to_timestamptz((pg_time_t) gap->until_time));
	}
}

/* Why is a window longer than it says? */
static const char *
held_by(const BbCutoff *cutoff)
{
	if (XLogRecPtrIsInvalid(cutoff->jump_lsn))
		return cutoff->ahead ? "held by commits later than the end" : NULL;
	return psprintf("held by %d hours without a commit before " BB_LSN_FORMAT,
					(int) Min(cutoff->jumped_us / USECS_PER_HOUR, INT_MAX),
					LSN_FORMAT_ARGS(cutoff->jump_lsn));
}

XLogRecPtr
bb_retention_cutoff(const BbReqCtx *ctx, BbObjectStore *objects,
					const BbManifest *manifest, int64 now, const char **held)
{
	BbManifest	readable = bb_manifest_readable(manifest);
	int64		window_s = bb_retention_window_s(&manifest->keeps.retention);
	int64		end = Min(readable.end_time, now);
	BbPageStore *store;
	BbSnapshot	start;
	TimestampTz start_time;
	BbCutoff	cutoff;

	if (held != NULL)
		*held = NULL;
	if (!may_expire(manifest) || end < window_s)
		return manifest->start_lsn;
	store = bb_pagestore_open_in(ctx, objects, manifest->timeline);
	start = bb_snapshot_at(store, manifest->start_lsn);
	start_time = time_t_to_timestamptz(
		(pg_time_t) bb_snapshot_time(ctx, &start));
	cutoff = bb_cutoff_begin(time_t_to_timestamptz((pg_time_t) end), window_s,
							 manifest->start_lsn, start_time);
	do
		find_cutoff(ctx, store, &cutoff);
	while (bb_cutoff_again(&cutoff, manifest->start_lsn, start_time));
	if (held != NULL)
		*held = held_by(&cutoff);
	return Max(Min(cutoff.lsn, readable.end_lsn), manifest->start_lsn);
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

/* Is there a lease to remove, which nothing else of the retention depends on? */
static bool
has_lapsed(const BbManifest *manifest, int64 now)
{
	return manifest->keeps.copy.source == NULL &&
		bb_manifest_consistent(manifest) &&
		bb_keeps_lapsed(&manifest->keeps, now);
}

static bool
next_lapsed(const BbManifest *manifest, BbUpkeepJob *job)
{
	(void) job_of(job, BB_UPKEEP_EXPIRE, NIL, "leases that have expired");
	job->lsn = manifest->start_lsn;
	return true;
}

static bool
next_expire(const BbReqCtx *ctx, BbObjectStore *objects,
			const BbManifest *manifest, List *branches, int64 now,
			BbUpkeepJob *job)
{
	XLogRecPtr	cutoff = bb_retention_cutoff(ctx, objects, manifest, now,
											 NULL);

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

static List *
branches_of(BbRetentionPlanner *planner)
{
	if (!planner->has_branches)
		planner->branches = bb_points_branches(planner->ctx, planner->objects,
											   planner->manifest->timeline);
	planner->has_branches = true;
	return planner->branches;
}

static bool
next_remove(const BbRetentionPlanner *planner, BbUpkeepJob *job)
{
	List	   *due = bb_removal_list(planner->manifest, planner->now);

	return due != NIL &&
		job_of(job, BB_UPKEEP_REMOVE, due, "layers retired long ago");
}

static bool
next_retire(const BbRetentionPlanner *planner, List *branches,
			BbUpkeepJob *job)
{
	List	   *unneeded = bb_retention_unneeded(planner->manifest, branches);

	return unneeded != NIL &&
		job_of(job, BB_UPKEEP_RETIRE, unneeded,
			   "layers that no readable LSN needs");
}

static bool
next_squash(const BbRetentionPlanner *planner, List *branches,
			BbUpkeepJob *job)
{
	BbReadable	readable = bb_retention_readable(planner->manifest, branches);

	return bb_garbage_next(planner->manifest, &readable, planner->broken,
						   (uint64) bb_setting_layer_size_mb * 1024 * 1024 *
							   BB_POLICY_JOB_LAYERS,
						   job);
}

bool
bb_retention_job(BbRetentionPlanner *planner, BbUpkeepKind kind,
				 BbUpkeepJob *job)
{
	if (kind == BB_UPKEEP_REMOVE)
		return next_remove(planner, job);
	if (kind == BB_UPKEEP_EXPIRE &&
		has_lapsed(planner->manifest, planner->now))
		return next_lapsed(planner->manifest, job);
	if (!may_expire(planner->manifest))
		return false;
	switch (kind)
	{
		case BB_UPKEEP_EXPIRE:
			return next_expire(planner->ctx, planner->objects,
							   planner->manifest, branches_of(planner),
							   planner->now, job);
		case BB_UPKEEP_RETIRE:
			return next_retire(planner, branches_of(planner), job);
		case BB_UPKEEP_SQUASH:
			return next_squash(planner, branches_of(planner), job);
		default:
			elog(ERROR, "job %d is not of retention", (int) kind);
	}
}

bool
bb_retention_next(const BbReqCtx *ctx, BbObjectStore *objects,
				  const BbManifest *manifest, int64 now, BbUpkeepJob *job)
{
	static const BbUpkeepKind kinds[] = {BB_UPKEEP_REMOVE, BB_UPKEEP_EXPIRE,
										 BB_UPKEEP_RETIRE, BB_UPKEEP_SQUASH};
	BbRetentionPlanner planner = {.ctx = ctx,
								  .objects = objects,
								  .manifest = manifest,
								  .now = now};

	for (int i = 0; i < lengthof(kinds); i++)
		if (bb_retention_job(&planner, kinds[i], job))
			return true;
	return false;
}

/* ---- commits ---- */

static void
report_cutoff(const BbManifest *manifest, XLogRecPtr cutoff)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("the start of timeline \"%s\" may not move to " BB_LSN_FORMAT " any more",
					manifest->timeline, LSN_FORMAT_ARGS(cutoff)),
			 errdetail("The clock of this server was set back in the meantime."),
			 errhint("Try again.")));
}

/*
 * Moments are collected before the lock is taken, since that may take long.
 * The manifest may have got pins since, but those of LSNs that aren't among
 * the moments let the edit be refused.  So does an end whose time was set back;
 * the clock of this server is looked at again.
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

	if (cutoff > bb_retention_cutoff(ctx, objects, manifest, now, NULL))
		report_cutoff(manifest, cutoff);
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
	if (!plan.changes && !has_lapsed(manifest, now))
		return bb_manifest_read(ctx, objects, manifest->timeline);
	points = (BbManifestPoints){plan.points->n, plan.points->points};
	edit = (BbManifestEdit){.base = manifest,
							.start_lsn = plan.start,
							.points = &points,
							.lapsed_at = now};
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Remove the leases of a timeline of which nothing expires. */
static void
commit_lapsed(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbManifest *manifest, int64 now)
{
	BbManifestEdit edit = {.base = manifest, .lapsed_at = now};

	(void) bb_manifest_edit(ctx, objects, &edit);
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

	if (job->kind == BB_UPKEEP_EXPIRE && !may_expire(manifest))
		commit_lapsed(ctx, objects, manifest, now);
	else if (job->kind == BB_UPKEEP_EXPIRE)
		(void) commit_expire(ctx, objects, manifest, job->lsn, now);
	else if (job->kind == BB_UPKEEP_RETIRE)
		(void) commit_retire(ctx, objects, manifest, job, now);
	else
		elog(ERROR, "job %d is not of retention", (int) job->kind);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return bb_manifest_read(ctx, objects, manifest->timeline);
}
