/*-------------------------------------------------------------------------
 *
 * window.c
 *	  What can be read of a timeline, what holds it, and what it takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "datatype/timestamp.h"
#include "pagestore/snapshot.h"
#include "upkeep/retention.h"
#include "upkeep/window.h"

int64
bb_window_time(const BbReqCtx *ctx, BbObjectStore *objects,
			   const BbManifest *manifest, XLogRecPtr lsn)
{
	BbPageStore *store;
	BbSnapshot	snapshot;

	if (bb_major_of(manifest->pg_version_num) == NULL)
		return -1;
	for (int i = 0; i < manifest->keeps.npoints; i++)
		if (manifest->keeps.points[i].lsn == lsn)
			return manifest->keeps.points[i].time;
	store = bb_pagestore_open_in(ctx, objects, manifest->timeline);
	snapshot = bb_snapshot_at(store, lsn);
	return bb_snapshot_time(ctx, &snapshot);
}

const char **
bb_window_points(const BbManifest *manifest, List *branches, int64 start_time,
				 int64 now)
{
	const BbKeeps *keeps = &manifest->keeps;
	BbPoints   *points = bb_points_choose(manifest, branches, keeps->points,
										  keeps->npoints, Max(start_time, 0),
										  now);
	const char **why = palloc((keeps->npoints + 1) * sizeof(char *));
	int			at = 0;

	for (int i = 0; i < keeps->npoints; i++)
	{
		bool		kept = at < points->n &&
			points->points[at].lsn == keeps->points[i].lsn;

		why[i] = kept ? points->why[at++] : "nothing any more";
	}
	return why;
}

/* Add up the layers by what needs them. */
static void
add_bytes(BbWindow *window, const BbManifest *manifest, List *branches)
{
	BbReadable	readable = bb_retention_readable(manifest, branches);
	XLogRecPtr *needed = bb_reach(manifest, &readable);

	for (int i = 0; i < manifest->nlayers; i++)
	{
		uint64		size = manifest->layers[i].size;

		window->bytes += size;
		if (needed[i] >= manifest->start_lsn)
			window->bytes_window += size;
		else if (needed[i] != InvalidXLogRecPtr)
			window->bytes_points += size;
		else
			window->bytes_expired += size;
	}
	for (int i = 0; i < manifest->keeps.nretired; i++)
		window->bytes_retired += manifest->keeps.retired[i].layer.size;
	pfree(needed);
}

/*
 * What was added since the start, for each day that has passed since.  Of a
 * merged layer that begins before the start, a part counts, by LSNs.
 */
static double
growth(const BbWindow *window, const BbManifest *manifest)
{
	int64		seconds = window->newest_time - window->oldest_time;
	double		bytes = 0;

	if (window->oldest_time < 0 || seconds <= 0)
		return -1;
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!layer->image && layer->lsn_end > manifest->start_lsn)
			bytes += (double) layer->size *
				(layer->lsn_end - Max(layer->lsn_start, manifest->start_lsn)) /
				(layer->lsn_end - layer->lsn_start);
	}
	return bytes * SECS_PER_DAY / seconds;
}

/* The name of the WAL segment with the first byte that isn't in the store. */
static const char *
segment_name(const BbManifest *manifest, XLogRecPtr lsn)
{
	char	   *name = palloc(MAXFNAMELEN);
	XLogSegNo	segment;

	XLByteToSeg(lsn, segment, manifest->wal_segment_size);
	XLogFileName(name, manifest->tli, segment, manifest->wal_segment_size);
	return name;
}

/*
 * Does the window begin more than a step, or a jump of a clock, before it should?
 * Only reading all commits tells why (bb_retention_cutoff).
 */
static bool
is_late(const BbManifest *manifest, const BbWindow *window, int64 now)
{
	int64		window_s = bb_retention_window_s(&manifest->keeps.retention);

	return window_s > 0 && window->oldest_time >= 0 &&
		Min(window->newest_time, now) - window_s - window->oldest_time >
		Max(window_s, SECS_PER_HOUR);
}

BbWindow
bb_window_of(const BbReqCtx *ctx, BbObjectStore *objects,
			 const BbManifest *manifest, int64 now)
{
	BbManifest	readable = bb_manifest_readable(manifest);
	const BbKeeps *keeps = &manifest->keeps;
	List	   *branches = bb_points_known_branches(ctx, objects,
													manifest->timeline);
	BbWindow	window = {.oldest_lsn = manifest->start_lsn,
						  .newest_lsn = readable.end_lsn,
						  .newest_time = readable.end_time,
						  .npoints = keeps->npoints,
						  .nlayers = manifest->nlayers,
						  .wal_needed = segment_name(&readable,
													 readable.end_lsn)};

	(void) bb_manifest_gaps(manifest, &window.ngaps);
	window.oldest_time = bb_window_time(ctx, objects, manifest,
										manifest->start_lsn);
	window.held_by = bb_retention_window_s(&keeps->retention) > 0
		? "window"
		: "no retention is set";
	if (is_late(manifest, &window, now))
		window.held_by =
			"window, and a jump of a clock, or upkeep that is late: bb_expire() says which";
	if (keeps->npoints > 0)
	{
		window.oldest_point = keeps->points[0].lsn;
		window.oldest_point_time = keeps->points[0].time;
		window.held_by = bb_window_points(manifest, branches,
										  window.oldest_time, now)[0];
	}
	add_bytes(&window, manifest, branches);
	window.bytes_per_day = growth(&window, manifest);
	return window;
}
