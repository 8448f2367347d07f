/*-------------------------------------------------------------------------
 *
 * pagestore.c
 *	  The page store: what all drivers have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errorcontext.h"
#include "pagestore/pagestore_driver.h"

BbPageStore *
bb_pagestore_open(const BbReqCtx *ctx, const char *url,
				  const BbObjectStoreOptions *options, const char *timeline)
{
	return bb_pagestore_timeline(ctx, bb_objstore_open(ctx, url, options),
								 timeline);
}

BbPageStore *
bb_pagestore_open_in(const BbReqCtx *ctx, BbObjectStore *objects,
					 const char *timeline)
{
	return bb_pagestore_timeline(ctx, objects, timeline);
}

BbObjectStore *
bb_pagestore_object_store(const BbPageStore *store)
{
	return store->objects;
}

List *
bb_pagestore_objects(const BbReqCtx *ctx, const BbSnapshot *snapshot,
					 const BbKeyRange *ranges, int nranges)
{
	return snapshot->store->ops->objects(ctx, snapshot, ranges, nranges);
}

bool
bb_pagestore_is_current(const BbReqCtx *ctx, const BbPageStore *store)
{
	return store->ops->is_current(ctx, store);
}

bool
bb_pagestore_reload(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	return snapshot->store->ops->reload(ctx, snapshot);
}

uint64
bb_pagestore_identity(const BbSnapshot *snapshot)
{
	return snapshot->store->ops->identity(snapshot);
}

const BbPageStoreInfo *
bb_pagestore_info(const BbPageStore *store)
{
	return &store->info;
}

const BbMajor *
bb_pagestore_major(const BbPageStore *store)
{
	return bb_major_of(store->info.pg_version_num);
}

List *
bb_pagestore_tlis(const BbReqCtx *ctx, BbPageStore *store)
{
	return store->ops->tlis(ctx, store);
}

static void
check_gaps(const BbPageStoreInfo *info, XLogRecPtr lsn)
{
	const BbGap *gap = bb_gap_at(info->gaps, info->ngaps, lsn);

	if (gap != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("LSN " BB_LSN_FORMAT " is in a gap of timeline \"%s\"",
						LSN_FORMAT_ARGS(lsn), info->timeline),
				 errdetail("WAL was lost. The timeline can be read up to " BB_LSN_FORMAT ", and from " BB_LSN_FORMAT " on.",
						   LSN_FORMAT_ARGS(gap->from),
						   LSN_FORMAT_ARGS(gap->until)),
				 errhint("bb_gaps() lists the gaps.")));
}

bool
bb_pagestore_is_point(const BbPageStore *store, XLogRecPtr lsn)
{
	for (int i = 0; i < store->info.npoints; i++)
		if (store->info.points[i].lsn == lsn)
			return true;
	return false;
}

int
bb_pagestore_hint_at_past(const BbPageStore *store)
{
	const BbPageStoreInfo *info = &store->info;

	if (info->upgraded_from != NULL)
		return errhint(
			"The cluster was upgraded by pg_upgrade. Timeline \"%s\" has what was before that.%s",
			info->upgraded_from,
			info->npoints > 0
				? " bb_keeps() lists single LSNs of this timeline that can be read, too."
				: "");
	if (info->npoints > 0)
		return errhint(
			"Single LSNs before that can be read, too: bb_keeps() lists them.");
	return 0;
}

XLogRecPtr
bb_pagestore_check_lsn(const BbPageStore *store, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = &store->info;

	if (info->start_lsn > info->end_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" is not consistent yet",
						info->timeline),
				 errdetail("Its import is under way, or was killed."),
				 errhint("Import it again if nobody is importing it.")));
	if (XLogRecPtrIsInvalid(lsn))
		return info->end_lsn;
	if (bb_pagestore_is_point(store, lsn))
		return lsn;
	if (lsn < info->start_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("LSN " BB_LSN_FORMAT " is before the history that timeline \"%s\" "
						"holds",
						LSN_FORMAT_ARGS(lsn), info->timeline),
				 errdetail("It can be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(info->start_lsn),
						   LSN_FORMAT_ARGS(info->end_lsn)),
				 bb_pagestore_hint_at_past(store)));
	if (lsn > info->end_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("LSN " BB_LSN_FORMAT " is past the end of timeline \"%s\"",
						LSN_FORMAT_ARGS(lsn), info->timeline),
				 errdetail("It can be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(info->start_lsn),
						   LSN_FORMAT_ARGS(info->end_lsn))));
	check_gaps(info, lsn);
	return lsn;
}

/* What the read path is doing, for an error's context. */
typedef struct ReadPlace
{
	ErrorContextCallback callback;
	const BbSnapshot *snapshot;
	const BbKey *key;
	bool		scan;
} ReadPlace;

static void
describe_place(void *arg)
{
	const ReadPlace *place = arg;

	errcontext(place->scan ? "while scanning timeline \"%s\" at " BB_LSN_FORMAT
							 ", from %s on"
						   : "while reading timeline \"%s\" at " BB_LSN_FORMAT
							 ": %s",
			   place->snapshot->store->info.timeline,
			   LSN_FORMAT_ARGS(place->snapshot->lsn), bb_key_text(place->key));
}

/* Add the place to the error context; the caller takes it away again. */
static void
push_place(ReadPlace *place, const BbSnapshot *snapshot, const BbKey *key,
		   bool scan)
{
	place->snapshot = snapshot;
	place->key = key;
	place->scan = scan;
	bb_error_context_push(&place->callback, describe_place, place);
}

static void
count_request(const BbReqCtx *ctx, const BbKey *key)
{
	BB_COUNT(ctx, keys_requested, 1);
	if (key->bytes[0] == BB_KEY_REL_BLOCK)
		BB_COUNT(ctx, pages_requested, 1);
}

bool
bb_pagestore_get(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				 const BbKey *key, BbValue *value)
{
	ReadPlace	place;
	bool		found;

	bb_reqctx_check(ctx);
	count_request(ctx, key);

	push_place(&place, snapshot, key, false);
	found = snapshot->store->ops->get(ctx, snapshot, key, value);
	bb_error_context_pop(&place.callback);
	return found;
}

BbValue
bb_pagestore_need(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				  const BbKey *key, uint32 length)
{
	const char *timeline = snapshot->store->info.timeline;
	BbValue		value;

	if (!bb_pagestore_get(ctx, snapshot, key, &value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("timeline \"%s\" has no %s at " BB_LSN_FORMAT, timeline,
						bb_key_text(key), LSN_FORMAT_ARGS(snapshot->lsn))));
	if (length != 0 && value.length != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s of timeline \"%s\" has the wrong length",
						bb_key_text(key), timeline),
				 errdetail("It has %u bytes instead of %u.", value.length,
						   length)));
	return value;
}

void
bb_pagestore_report_invalid(const BbKey *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the page store's entry for %s is invalid",
					bb_key_text(key))));
}

BbPageScan *
bb_pagestore_scan_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
					  const BbKeyRange *range)
{
	BbPageScan *scan = snapshot->store->ops->scan_new(ctx, snapshot, range);

	scan->snapshot = *snapshot;
	scan->last_key = range->start;
	return scan;
}

bool
bb_pagestore_scan_next(const BbReqCtx *ctx, BbPageScan *scan, BbKey *key,
					   BbValue *value)
{
	ReadPlace	place;
	bool		found;

	bb_reqctx_check(ctx);

	push_place(&place, &scan->snapshot, &scan->last_key, true);
	found = scan->snapshot.store->ops->scan_next(ctx, scan, key, value);
	bb_error_context_pop(&place.callback);
	if (found)
	{
		count_request(ctx, key);
		scan->last_key = *key;
	}
	return found;
}

void
bb_pagestore_scan_seek(const BbReqCtx *ctx, BbPageScan *scan, const BbKey *key)
{
	ReadPlace	place;

	push_place(&place, &scan->snapshot, key, true);
	scan->snapshot.store->ops->scan_seek(ctx, scan, key);
	bb_error_context_pop(&place.callback);
	scan->last_key = *key;
}

void
bb_pagestore_scan_until(BbPageScan *scan, const BbKey *key)
{
	scan->snapshot.store->ops->scan_until(scan, key);
}

void
bb_pagestore_scan_close(BbPageScan *scan)
{
	scan->snapshot.store->ops->scan_close(scan);
}

BbPageVersions *
bb_pagestore_versions_new(const BbReqCtx *ctx, BbPageStore *store,
						  const BbKey *key, XLogRecPtr after, XLogRecPtr until)
{
	BbPageVersions *versions;

	versions = store->ops->versions_new(ctx, store, key, after, until);
	versions->store = store;
	return versions;
}

bool
bb_pagestore_versions_skip(BbPageVersions *versions, TimestampTz time)
{
	const BbPageStoreOps *ops = versions->store->ops;

	return ops->versions_skip != NULL && ops->versions_skip(versions, time);
}

bool
bb_pagestore_versions_next(const BbReqCtx *ctx, BbPageVersions *versions,
						   XLogRecPtr *lsn, BbValue *value)
{
	bb_reqctx_check(ctx);
	return versions->store->ops->versions_next(ctx, versions, lsn, value);
}

void
bb_pagestore_versions_close(BbPageVersions *versions)
{
	versions->store->ops->versions_close(versions);
}

BbPageEntries *
bb_pagestore_entries_new(const BbReqCtx *ctx, BbPageStore *store,
						 const BbKeyRange *range, XLogRecPtr after,
						 XLogRecPtr until)
{
	BbPageEntries *entries;

	if (store->ops->entries_new == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this page store does not list changes")));
	entries = store->ops->entries_new(ctx, store, range, after, until);
	entries->store = store;
	return entries;
}

bool
bb_pagestore_entries_next(const BbReqCtx *ctx, BbPageEntries *entries,
						  BbEntry *entry)
{
	bb_reqctx_check(ctx);
	return entries->store->ops->entries_next(ctx, entries, entry);
}

void
bb_pagestore_entries_close(BbPageEntries *entries)
{
	entries->store->ops->entries_close(entries);
}
