/*-------------------------------------------------------------------------
 *
 * fuzz_catalog.c
 *	  Keys, and the values of those of the catalog.
 *
 *	  entries: key 18, length u8, value
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/beneath.h"
#include "fuzz.h"
#include "pagestore/captured.h"
#include "pagestore/catalog.h"
#include "pagestore/pagestore_driver.h"

/* The page store: entries of one kind, from the input. */
static const uint8_t *rest;
static size_t rest_size;
static BbKeyKind wanted;
static BbPageStoreInfo info = {.timeline = "main"};

const BbPageStoreInfo *
bb_pagestore_info(const BbPageStore *store)
{
	return &info;
}

const BbMajor *
bb_pagestore_major(const BbPageStore *store)
{
	return bb_major_own();
}

BbPageScan *
bb_pagestore_scan_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
					  const BbKeyRange *range)
{
	return palloc0(sizeof(BbPageScan));
}

bool
bb_pagestore_scan_next(const BbReqCtx *ctx, BbPageScan *scan, BbKey *key,
					   BbValue *value)
{
	uint8	   *copy;

	if (rest_size < BB_KEY_LENGTH + 1)
		return false;
	memcpy(key->bytes, rest, BB_KEY_LENGTH);
	key->bytes[0] = (uint8) wanted;
	value->length = Min(rest[BB_KEY_LENGTH], rest_size - BB_KEY_LENGTH - 1);
	copy = palloc(value->length);
	memcpy(copy, rest + BB_KEY_LENGTH + 1, value->length);
	value->data = copy;
	rest += BB_KEY_LENGTH + 1 + value->length;
	rest_size -= BB_KEY_LENGTH + 1 + value->length;
	return true;
}

void
bb_pagestore_scan_close(BbPageScan *scan)
{
	pfree(scan);
}

static void
check_file(const BbCapturedFile *file)
{
	FUZZ_CHECK((file->mode & ~BB_CAPTURED_MODE_MASK) == 0);
	FUZZ_CHECK(file->size <= BB_CAPTURED_MAX_SIZE);
	FUZZ_CHECK(file->path[0] != '/' && strlen(file->path) < MAXPGPATH);
	FUZZ_CHECK(strstr(file->path, "../") != file->path &&
			   strstr(file->path, "/../") == NULL);
	FUZZ_CHECK(bb_storedpath_error(file->path) == NULL);
}

static bool
next(BbCatalogScan *scan)
{
	union
	{
		BbTablespace tablespace;
		BbDatabase	database;
		BbRelation	relation;
		BbSlruSegment segment;
		BbCapturedFile file;
		BbTwophase	twophase;
		BbOrigin	origin;
	}			u;
	bool		found;

	switch (wanted)
	{
		case BB_KEY_TABLESPACE:
			return bb_catalog_next_tablespace(NULL, scan, &u.tablespace);
		case BB_KEY_DATABASE:
			return bb_catalog_next_database(NULL, scan, &u.database);
		case BB_KEY_REL_SIZE:
			return bb_catalog_next_relation(NULL, scan, &u.relation);
		case BB_KEY_SLRU_SIZE:
			return bb_catalog_next_slru_segment(NULL, scan, &u.segment);
		case BB_KEY_FILE_ENTRY:
			found = bb_catalog_next_file(NULL, scan, &u.file);
			if (found)
				check_file(&u.file);
			return found;
		case BB_KEY_TWOPHASE_SIZE:
			return bb_catalog_next_twophase(NULL, scan, &u.twophase);
		default:
			return bb_catalog_next_origin(NULL, scan, &u.origin);
	}
}

static void
take(const uint8_t *data, size_t size)
{
	static const BbKeyKind kinds[] = {BB_KEY_TABLESPACE,
									  BB_KEY_DATABASE,
									  BB_KEY_REL_SIZE,
									  BB_KEY_SLRU_SIZE,
									  BB_KEY_FILE_ENTRY,
									  BB_KEY_TWOPHASE_SIZE,
									  BB_KEY_REPLICATION_ORIGIN};
	BbCatalogScan *scan;
	BbKey		key;

	if (size < 1 + BB_KEY_LENGTH)
		return;
	memcpy(key.bytes, data + 1, BB_KEY_LENGTH);
	(void) bb_key_text(&key);
	wanted = kinds[data[0] % lengthof(kinds)];
	rest = data + 1;
	rest_size = size - 1;
	scan = bb_catalog_scan_new(NULL, &(BbSnapshot){.lsn = 1}, wanted);
	while (next(scan))
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}
