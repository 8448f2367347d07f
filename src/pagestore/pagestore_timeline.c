/*-------------------------------------------------------------------------
 *
 * pagestore_timeline.c
 *	  The page store driver that reads a timeline's layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "pagestore/pagestore_driver.h"
#include "timeline/timeline.h"

typedef struct TimelineStore
{
	BbPageStore base;
	BbTimeline *timeline;
} TimelineStore;

typedef struct TimelineScan
{
	BbPageScan	base;
	BbTimelineScan *scan;
} TimelineScan;

typedef struct TimelineVersions
{
	BbPageVersions base;
	BbTimelineVersions *versions;
} TimelineVersions;

typedef struct TimelineEntries
{
	BbPageEntries base;
	BbTimelineEntries *entries;
} TimelineEntries;

static BbTimeline *
timeline_of(const BbPageStore *store)
{
	return ((const TimelineStore *) store)->timeline;
}

static bool
timeline_get(const BbReqCtx *ctx, const BbSnapshot *snapshot, const BbKey *key,
			 BbValue *value)
{
	BbEntry		entry;

	if (!bb_timeline_get(ctx, timeline_of(snapshot->store), key, snapshot->lsn,
						 &entry))
		return false;
	value->data = entry.value;
	value->length = entry.length;
	return true;
}

static BbPageScan *
timeline_scan_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				  const BbKeyRange *range)
{
	TimelineScan *scan = palloc0(sizeof(TimelineScan));

	scan->scan = bb_timeline_scan_new(ctx, timeline_of(snapshot->store), range,
									  snapshot->lsn);
	return &scan->base;
}

static bool
timeline_scan_next(const BbReqCtx *ctx, BbPageScan *scan, BbKey *key,
				   BbValue *value)
{
	BbEntry		entry;

	if (!bb_timeline_scan_next(ctx, ((TimelineScan *) scan)->scan, &entry))
		return false;
	*key = entry.key;
	value->data = entry.value;
	value->length = entry.length;
	return true;
}

static void
timeline_scan_seek(const BbReqCtx *ctx, BbPageScan *scan, const BbKey *key)
{
	bb_timeline_scan_seek(ctx, ((TimelineScan *) scan)->scan, key);
}

static void
timeline_scan_until(BbPageScan *scan, const BbKey *key)
{
	bb_timeline_scan_until(((TimelineScan *) scan)->scan, key);
}

static void
timeline_scan_close(BbPageScan *scan)
{
	bb_timeline_scan_close(((TimelineScan *) scan)->scan);
	pfree(scan);
}

static BbPageVersions *
timeline_versions_new(const BbReqCtx *ctx, BbPageStore *store,
					  const BbKey *key, XLogRecPtr after, XLogRecPtr until)
{
	TimelineVersions *versions = palloc0(sizeof(TimelineVersions));

	versions->versions = bb_timeline_versions_new(ctx, timeline_of(store), key,
												  after, until);
	return &versions->base;
}

static bool
timeline_versions_skip(BbPageVersions *versions, TimestampTz time)
{
	return bb_timeline_versions_skip(((TimelineVersions *) versions)->versions,
									 time);
}

static bool
timeline_versions_next(const BbReqCtx *ctx, BbPageVersions *versions,
					   XLogRecPtr *lsn, BbValue *value)
{
	BbEntry		entry;

	if (!bb_timeline_versions_next(ctx,
								   ((TimelineVersions *) versions)->versions,
								   &entry))
		return false;
	if (entry.type != BB_ENTRY_IMAGE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("page store has no whole value of %s at " BB_LSN_FORMAT,
						bb_key_text(&entry.key),
						LSN_FORMAT_ARGS(entry.lsn))));
	*lsn = entry.lsn;
	value->data = entry.value;
	value->length = entry.length;
	return true;
}

static void
timeline_versions_close(BbPageVersions *versions)
{
	bb_timeline_versions_close(((TimelineVersions *) versions)->versions);
	pfree(versions);
}

static BbPageEntries *
timeline_entries_new(const BbReqCtx *ctx, BbPageStore *store,
					 const BbKeyRange *range, XLogRecPtr after,
					 XLogRecPtr until)
{
	TimelineEntries *entries = palloc0(sizeof(TimelineEntries));

	entries->entries = bb_timeline_entries_new(ctx, timeline_of(store), range,
											   after, until);
	return &entries->base;
}

static bool
timeline_entries_next(const BbReqCtx *ctx, BbPageEntries *entries,
					  BbEntry *entry)
{
	return bb_timeline_entries_next(ctx,
									((TimelineEntries *) entries)->entries,
									entry);
}

static void
timeline_entries_close(BbPageEntries *entries)
{
	bb_timeline_entries_close(((TimelineEntries *) entries)->entries);
	pfree(entries);
}

static List *
timeline_tlis(const BbReqCtx *ctx, BbPageStore *store)
{
	return bb_timeline_tlis(ctx, timeline_of(store));
}

static List *
timeline_objects(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				 const BbKeyRange *ranges, int nranges)
{
	return bb_timeline_objects(ctx, timeline_of(snapshot->store), ranges,
							   nranges, snapshot->lsn);
}

static bool
timeline_is_current(const BbReqCtx *ctx, const BbPageStore *store)
{
	return bb_timeline_is_current(ctx, timeline_of(store));
}

static bool
timeline_reload(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	return bb_timeline_reload(ctx, timeline_of(snapshot->store),
							  snapshot->lsn);
}

static uint64
timeline_identity(const BbSnapshot *snapshot)
{
	return bb_timeline_identity(timeline_of(snapshot->store), snapshot->lsn);
}

static const BbPageStoreOps timeline_ops = {
	.get = timeline_get,
	.scan_new = timeline_scan_new,
	.scan_next = timeline_scan_next,
	.scan_seek = timeline_scan_seek,
	.scan_until = timeline_scan_until,
	.scan_close = timeline_scan_close,
	.versions_new = timeline_versions_new,
	.versions_skip = timeline_versions_skip,
	.versions_next = timeline_versions_next,
	.versions_close = timeline_versions_close,
	.entries_new = timeline_entries_new,
	.entries_next = timeline_entries_next,
	.entries_close = timeline_entries_close,
	.tlis = timeline_tlis,
	.objects = timeline_objects,
	.is_current = timeline_is_current,
	.reload = timeline_reload,
	.identity = timeline_identity,
};

BbPageStore *
bb_pagestore_timeline(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline)
{
	TimelineStore *store = palloc0(sizeof(TimelineStore));
	BbPageStoreInfo *info = &store->base.info;
	BbManifest	readable;
	const BbManifest *manifest = &readable;

	store->base.ops = &timeline_ops;
	store->base.objects = objects;
	store->timeline = bb_timeline_open(ctx, objects, timeline);
	readable = bb_manifest_readable(bb_timeline_manifest(store->timeline));
	(void) bb_manifest_major(manifest);

	info->timeline = manifest->timeline;
	info->pg_version_num = manifest->pg_version_num;
	info->system_identifier = manifest->system_identifier;
	info->wal_segment_size = manifest->wal_segment_size;
	info->data_checksum_version = manifest->data_checksum_version;
	info->tli = manifest->tli;
	info->nswitches = manifest->nswitches;
	info->switches = manifest->switches;
	info->uid = manifest->uid;
	info->gid = manifest->gid;
	info->directory_mode = manifest->directory_mode;
	info->start_lsn = manifest->start_lsn;
	info->end_lsn = manifest->end_lsn;
	info->prev_lsn = manifest->prev_lsn;
	info->ancestor_lsn = manifest->ancestor_lsn;
	info->upgraded_from = manifest->upgraded_from;
	info->end_time = manifest->end_time;
	info->gaps = bb_manifest_gaps(manifest, &info->ngaps);
	info->npoints = manifest->keeps.npoints;
	info->points = manifest->keeps.points;
	return &store->base;
}
