/*-------------------------------------------------------------------------
 *
 * expiry.c
 *	  What the retention lets go of a timeline, layer by layer, and why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "upkeep/expiry.h"
#include "upkeep/locking.h"
#include "upkeep/removal.h"
#include "upkeep/retention.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static List *
add_row(List *rows, const BbLayerDesc *layer, bool goes, const char *why)
{
	BbExpiryRow *row = palloc(sizeof(BbExpiryRow));

	*row = (BbExpiryRow){layer, goes, why};
	return lappend(rows, row);
}

/* Why is a point kept? */
static const char *
why_point(const BbPoints *points, XLogRecPtr lsn)
{
	for (int i = 0; i < points->n; i++)
		if (points->points[i].lsn == lsn)
			return points->why[i];
	return "branch";
}

/* Why does a layer stay that an LSN needs? */
static const char *
why_needed(const BbManifest *manifest, const BbPoints *points, XLogRecPtr by,
		   const char *held)
{
	const BbRetention *retention = &manifest->keeps.retention;

	if (by < manifest->start_lsn)
		return psprintf("%s: needed by LSN " BB_LSN_FORMAT,
						why_point(points, by), LSN_FORMAT_ARGS(by));
	return psprintf("%s%s%s: needed by LSN " BB_LSN_FORMAT,
					retention->floor_s > retention->window_s ? "floor"
															 : "window",
					held ? ", " : "", held ? held : "", LSN_FORMAT_ARGS(by));
}

/* Why does all of a timeline stay?  NULL: it need not. */
static const char *
why_all(const BbManifest *manifest)
{
	if (!bb_manifest_consistent(manifest))
		return "the import is not complete";
	if (manifest->keeps.retention.window_s == 0)
		return "no retention is set";
	return NULL;
}

static List *
rows_that_stay(const BbManifest *manifest, const char *why)
{
	List	   *rows = NIL;

	for (int i = 0; i < manifest->nlayers; i++)
		rows = add_row(rows, &manifest->layers[i], false, why);
	return rows;
}

static List *
rows_of_layers(const BbManifest *manifest, const BbPoints *points,
			   List *branches, const char *held)
{
	BbReadable	readable = bb_retention_readable(manifest, branches);
	XLogRecPtr *needed = bb_reach(manifest, &readable);
	List	   *rows = NIL;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];
		bool		goes = XLogRecPtrIsInvalid(needed[i]);

		rows = add_row(rows, layer, goes,
					   goes ? "no LSN that can be read needs it"
							: why_needed(manifest, points, needed[i], held));
	}
	return rows;
}

static const char *
why_retired(const BbRetired *retired, int64 now)
{
	const char *since = pstrdup(
		timestamptz_to_str(time_t_to_timestamptz((pg_time_t) retired->since)));

	if (bb_removal_due(retired, now))
		return psprintf("retired at %s, to be removed now", since);
	return psprintf("retired at %s, to be removed at %s", since,
					timestamptz_to_str(
						time_t_to_timestamptz((pg_time_t) retired->since +
											  bb_setting_removal_delay_s)));
}

static List *
rows_of_retired(const BbManifest *manifest, List *rows, int64 now)
{
	for (int i = 0; i < manifest->keeps.nretired; i++)
		rows = add_row(rows, &manifest->keeps.retired[i].layer, true,
					   why_retired(&manifest->keeps.retired[i], now));
	return rows;
}

/* The manifest as an EXPIRE job would leave it. */
static BbManifest
expired(const BbManifest *manifest, const BbRetentionPlan *plan)
{
	BbManifest	next = *manifest;

	if (plan->changes)
	{
		next.start_lsn = plan->start;
		next.keeps.npoints = plan->points->n;
		next.keeps.points = plan->points->points;
	}
	return next;
}

/* The layers of rows that go, and aren't retired yet. */
static List *
to_retire(List *rows)
{
	List	   *layers = NIL;
	ListCell   *cell;

	foreach(cell, rows)
	{
		const BbExpiryRow *row = lfirst(cell);

		if (row->goes)
			layers = lappend(layers, unconstify(BbLayerDesc *, row->layer));
	}
	return layers;
}

/* Let the layers go that the rows say; the start has moved already. */
static void
retire(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *manifest,
	   List *rows, int64 now)
{
	BbUpkeepJob job = {.kind = BB_UPKEEP_RETIRE, .inputs = to_retire(rows)};

	if (job.inputs != NIL)
		(void) bb_retention_commit(ctx, objects, manifest, &job, now);
}

/*
 * Move the start, unless it is a dry run, and return the manifest as it is
 * after that, or would be.
 */
static BbManifest
expire(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *manifest,
	   const BbRetentionPlan *plan, bool dry_run, int64 now)
{
	BbUpkeepJob job = {.kind = BB_UPKEEP_EXPIRE, .lsn = plan->start};

	if (dry_run || !plan->changes)
		return expired(manifest, plan);
	return *bb_retention_commit(ctx, objects, manifest, &job, now);
}

/* The manifest of a timeline that may expire. */
static BbManifest *
read_own(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);

	bb_manifest_check_no_copy(manifest);
	return manifest;
}

static List *
rows_of(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
		bool dry_run, int64 now)
{
	BbManifest *manifest = read_own(ctx, objects, timeline);
	List	   *rows;

	if (why_all(manifest) != NULL)
		rows = rows_that_stay(manifest, why_all(manifest));
	else
	{
		List	   *branches = bb_points_branches(ctx, objects, timeline);
		const char *held;
		XLogRecPtr	cutoff = bb_retention_cutoff(ctx, objects, manifest, now,
												 &held);
		BbRetentionPlan plan = bb_retention_plan(ctx, objects, manifest,
												 branches, cutoff, now);
		BbManifest	next = expire(ctx, objects, manifest, &plan, dry_run, now);

		rows = rows_of_layers(&next, plan.points, branches, held);
		if (!dry_run)
			retire(ctx, objects, &next, rows, now);
	}
	rows = rows_of_retired(manifest, rows, now);
	if (!dry_run)
		(void) bb_removal_run(ctx, objects, manifest, now);
	return rows;
}

/* The lock ends with a memory context of its own. */
List *
bb_expiry_rows(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline, bool dry_run, int64 now)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext locking;
	List	   *rows;

	if (dry_run)
		return rows_of(ctx, objects, timeline, true, now);
	(void) read_own(ctx, objects, timeline);
	locking = AllocSetContextCreate(caller, "bbackup expiry",
									ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(locking);
	bb_upkeep_lock(ctx, objects, timeline);
	MemoryContextSwitchTo(caller);
	rows = rows_of(ctx, objects, timeline, false, now);
	MemoryContextDelete(locking);
	return rows;
}
