/*-------------------------------------------------------------------------
 *
 * fixture.c
 *	  A page store driver with its values in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pagestore/catalog.h"
#include "unit.h"

typedef struct FixtureValue
{
	BbKey		key;
	uint8	   *data;
	uint32		length;
} FixtureValue;

typedef struct FixtureStore
{
	BbPageStore base;
	List	   *values; /* FixtureValue, in key order */
} FixtureStore;

typedef struct FixtureScan
{
	BbPageScan	base;
	BbKeyRange	range;
	int			at;
} FixtureScan;

static bool
fixture_get(const BbReqCtx *ctx, const BbSnapshot *snapshot, const BbKey *key,
			BbValue *value)
{
	ListCell   *cell;

	foreach(cell, ((FixtureStore *) snapshot->store)->values)
	{
		FixtureValue *candidate = lfirst(cell);

		if (bb_key_compare(&candidate->key, key) == 0)
		{
			value->data = candidate->data;
			value->length = candidate->length;
			return true;
		}
	}
	return false;
}

static BbPageScan *
fixture_scan_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				 const BbKeyRange *range)
{
	FixtureScan *scan = palloc0(sizeof(FixtureScan));

	scan->range = *range;
	return &scan->base;
}

static bool
fixture_scan_next(const BbReqCtx *ctx, BbPageScan *scan, BbKey *key,
				  BbValue *value)
{
	FixtureScan *fixture = (FixtureScan *) scan;
	List	   *values = ((FixtureStore *) scan->snapshot.store)->values;

	while (fixture->at < list_length(values))
	{
		FixtureValue *candidate = list_nth(values, fixture->at);

		/* fixture_scan_until may move the end */
		if (bb_key_compare(&candidate->key, &fixture->range.end) >= 0)
			return false;
		fixture->at++;
		if (bb_key_in_range(&candidate->key, &fixture->range))
		{
			*key = candidate->key;
			value->data = candidate->data;
			value->length = candidate->length;
			return true;
		}
	}
	return false;
}

static void
fixture_scan_seek(const BbReqCtx *ctx, BbPageScan *scan, const BbKey *key)
{
	((FixtureScan *) scan)->range.start = *key;
}

static void
fixture_scan_until(BbPageScan *scan, const BbKey *key)
{
	((FixtureScan *) scan)->range.end = *key;
}

static void
fixture_scan_close(BbPageScan *scan)
{
	pfree(scan);
}

/* The values are the same at every LSN: no key has versions. */
static BbPageVersions *
fixture_versions_new(const BbReqCtx *ctx, BbPageStore *store, const BbKey *key,
					 XLogRecPtr after, XLogRecPtr until)
{
	return palloc0(sizeof(BbPageVersions));
}

static bool
fixture_versions_next(const BbReqCtx *ctx, BbPageVersions *versions,
					  XLogRecPtr *lsn, BbValue *value)
{
	return false;
}

static void
fixture_versions_close(BbPageVersions *versions)
{
	pfree(versions);
}

static List *
fixture_tlis(const BbReqCtx *ctx, BbPageStore *store)
{
	return list_make1_oid(store->info.tli);
}

/* The values are not in an object store. */
static List *
fixture_objects(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				const BbKeyRange *ranges, int nranges)
{
	return NIL;
}

static bool
fixture_is_current(const BbReqCtx *ctx, const BbPageStore *store)
{
	return true;
}

static bool
fixture_reload(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	return false;
}

/* Another process has another fixture. */
static uint64
fixture_identity(const BbSnapshot *snapshot)
{
	return (uint64) (uintptr_t) snapshot->store;
}

static const BbPageStoreOps fixture_ops = {
	.get = fixture_get,
	.scan_new = fixture_scan_new,
	.scan_next = fixture_scan_next,
	.scan_seek = fixture_scan_seek,
	.scan_until = fixture_scan_until,
	.scan_close = fixture_scan_close,
	.versions_new = fixture_versions_new,
	.versions_next = fixture_versions_next,
	.versions_close = fixture_versions_close,
	.tlis = fixture_tlis,
	.objects = fixture_objects,
	.is_current = fixture_is_current,
	.reload = fixture_reload,
	.identity = fixture_identity,
};

BbPageStore *
fixture_pagestore_new(const BbPageStoreInfo *info)
{
	FixtureStore *store = palloc0(sizeof(FixtureStore));

	store->base.ops = &fixture_ops;
	store->base.info = *info;
	return &store->base;
}

const BbSnapshot *
unit_snapshot(BbPageStore *store, XLogRecPtr lsn)
{
	BbSnapshot *snapshot = palloc(sizeof(BbSnapshot));

	*snapshot = bb_snapshot_at(store, lsn);
	return snapshot;
}

static int
compare_values(const ListCell *a, const ListCell *b)
{
	return bb_key_compare(&((FixtureValue *) lfirst(a))->key,
						  &((FixtureValue *) lfirst(b))->key);
}

void
fixture_put(BbPageStore *store, BbKey key, const void *value, size_t length)
{
	FixtureStore *fixture = (FixtureStore *) store;
	FixtureValue *entry = palloc(sizeof(FixtureValue));

	entry->key = key;
	entry->data = palloc(length + 1);
	memcpy(entry->data, value, length);
	entry->length = (uint32) length;
	fixture->values = lappend(fixture->values, entry);
	list_sort(fixture->values, compare_values);
}

void
fixture_put_file(BbPageStore *store, uint32 ordinal, const char *path,
				 const char *content)
{
	BbCapturedFile file = {ordinal, 0640, strlen(content), (char *) path};
	StringInfoData value;

	initStringInfo(&value);
	bb_catalog_encode_file(&file, &value);
	fixture_put(store, bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, ordinal, 0, 0),
				value.data, value.len);
	if (file.size > 0)
		fixture_put(store, bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, ordinal, 0, 0),
					content, file.size);
}
