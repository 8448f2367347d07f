/*-------------------------------------------------------------------------
 *
 * moments.c
 *	  The LSNs before a new start of a timeline that might stay readable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/events.h"
#include "pagestore/snapshot.h"
#include "upkeep/moments.h"
#include "upkeep/periods.h"

/* What moments are collected from. */
typedef struct Collector
{
	const BbReqCtx *ctx;
	BbPageStore *store; /* NULL: not open */
	const BbManifest *manifest;
	BbMoments	moments;
	int			allocated;
} Collector;

static void
add(Collector *collector, XLogRecPtr lsn, int64 time)
{
	BbMoments  *moments = &collector->moments;

	if (moments->n == collector->allocated)
	{
		collector->allocated *= 2;
		moments->points = repalloc_huge(moments->points,
										(Size) collector->allocated *
											sizeof(BbPoint));
	}
	moments->points[moments->n++] = (BbPoint){lsn, time};
}

static int64
time_at(const Collector *collector, XLogRecPtr lsn)
{
	BbSnapshot	snapshot = bb_snapshot_at(collector->store, lsn);

	return bb_snapshot_time(collector->ctx, &snapshot);
}

/* Add an LSN that somebody holds, if it is from the start on. */
static void
add_held(Collector *collector, XLogRecPtr lsn)
{
	const BbManifest *manifest = collector->manifest;

	if (lsn > manifest->start_lsn && lsn < collector->moments.start &&
		bb_gap_at(manifest->gaps, manifest->ngaps, lsn) == NULL)
		add(collector, lsn, time_at(collector, lsn));
}

/* Add the last commit of each hour between the old start and the new one. */
static void
add_hours(Collector *collector, int64 start_time)
{
	const BbManifest *manifest = collector->manifest;
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbPoint		last = {manifest->start_lsn, start_time};
	BbPageVersions *versions;
	XLogRecPtr	lsn;
	BbValue		value;

	versions = bb_pagestore_versions_new(collector->ctx, collector->store,
										 &key, manifest->start_lsn,
										 collector->moments.start - 1);
	while (bb_pagestore_versions_next(collector->ctx, versions, &lsn, &value))
	{
		int64		time = bb_snapshot_commit_time(&key, &value);

		if (bb_gap_at(manifest->gaps, manifest->ngaps, lsn) != NULL)
			continue;
		if (last.lsn != manifest->start_lsn &&
			bb_period_of(BB_PERIOD_HOUR, last.time) !=
				bb_period_of(BB_PERIOD_HOUR, time))
			add(collector, last.lsn, last.time);
		last = (BbPoint){lsn, time};
	}
	bb_pagestore_versions_close(versions);
	if (last.lsn != manifest->start_lsn)
		add(collector, last.lsn, last.time);
}

static int
compare_points(const void *a, const void *b)
{
	XLogRecPtr	left = ((const BbPoint *) a)->lsn;
	XLogRecPtr	right = ((const BbPoint *) b)->lsn;

	return left < right ? -1 : left > right;
}

static void
sort_unique(BbMoments *moments)
{
	int			n = 0;

	qsort(moments->points, moments->n, sizeof(BbPoint), compare_points);
	for (int i = 0; i < moments->n; i++)
		if (n == 0 || moments->points[n - 1].lsn != moments->points[i].lsn)
			moments->points[n++] = moments->points[i];
	moments->n = n;
}

BbMoments
bb_moments_collect(const BbReqCtx *ctx, BbObjectStore *objects,
				   const BbManifest *manifest, List *branches,
				   XLogRecPtr cutoff)
{
	const BbKeeps *keeps = &manifest->keeps;
	Collector	collector = {.ctx = ctx,
							 .manifest = manifest,
							 .moments = {.start = cutoff},
							 .allocated = keeps->npoints + 16};
	ListCell   *cell;

	collector.moments.points = palloc_extended((Size) collector.allocated *
												   sizeof(BbPoint),
											   MCXT_ALLOC_HUGE);
	for (int i = 0; i < keeps->npoints; i++)
		add(&collector, keeps->points[i].lsn, keeps->points[i].time);

	collector.store = bb_pagestore_open_in(ctx, objects, manifest->timeline);
	collector.moments.next = time_at(&collector, cutoff);
	if (cutoff > manifest->start_lsn)
	{
		int64		start_time = time_at(&collector, manifest->start_lsn);

		add(&collector, manifest->start_lsn, start_time);
		if (bb_periods_any(&keeps->retention))
			add_hours(&collector, start_time);
		for (int i = 0; i < keeps->npins; i++)
			add_held(&collector, keeps->pins[i].lsn);
		foreach(cell, branches)
			add_held(&collector, ((const BbBranch *) lfirst(cell))->lsn);
	}
	sort_unique(&collector.moments);
	return collector.moments;
}

bool
bb_moments_has(const BbMoments *moments, const BbBranch *branch)
{
	BbPoint		key = {.lsn = branch->lsn};

	return branch->lsn >= moments->start ||
		bsearch(&key, moments->points, moments->n, sizeof(BbPoint),
				compare_points) != NULL;
}
