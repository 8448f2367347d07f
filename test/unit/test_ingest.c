/*-------------------------------------------------------------------------
 *
 * test_ingest.c
 *	  The parts of an import that need no cluster; t/ has the whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/pagecheck.h"
#include "base/settings.h"
#include "import/import_internal.h"
#include "ingest/invalidpages.h"
#include "ingest/rmgr/xactrecord.h"
#include "layer/imagewriter.h"
#include "pagestore/originfile.h"
#include "storage/checksum.h"
#include "storage/sinval.h"
#include "unit.h"
#include "wal/compat.h"

#define END_LSN ((XLogRecPtr) 0x5000000)

/* A page as a server writes it: block 7, with a checksum. */
static Page
good_page(void)
{
	Page		page = palloc0(BLCKSZ);

	PageInit(page, BLCKSZ, 0);
	PageSetLSN(page, END_LSN);
	memset((char *) page + BLCKSZ - 100, 'x', 100);
	((PageHeader) page)->pd_checksum = pg_checksum_page((char *) page, 7);
	return page;
}

UNIT_TEST(pagecheck_good)
{
	CHECK(bb_pagecheck(good_page(), 7, true, END_LSN) == NULL);
	CHECK(bb_pagecheck(palloc0(BLCKSZ), 7, true, END_LSN) == NULL);
}

UNIT_TEST(pagecheck_checksum)
{
	Page		page = good_page();

	CHECK(strstr(bb_pagecheck(page, 8, true, END_LSN), "checksum") != NULL);
	CHECK(bb_pagecheck(page, 8, false, END_LSN) == NULL);
	for (int i = 0; i < BLCKSZ; i += 97)
	{
		((char *) page)[i] ^= 0x10;
		CHECK(bb_pagecheck(page, 7, true, END_LSN) != NULL);
		((char *) page)[i] ^= 0x10;
	}
	CHECK(bb_pagecheck(page, 7, true, END_LSN) == NULL);
}

UNIT_TEST(pagecheck_header)
{
	Page		page = good_page();

	((PageHeader) page)->pd_lower = BLCKSZ + 1;
	CHECK(strstr(bb_pagecheck(page, 7, false, END_LSN), "header") != NULL);

	page = palloc0(BLCKSZ);
	((char *) page)[BLCKSZ - 1] = 1;
	CHECK(bb_pagecheck(page, 7, false, END_LSN) != NULL);
}

UNIT_TEST(pagecheck_newer_than_wal)
{
	CHECK(strstr(bb_pagecheck(good_page(), 7, true, END_LSN - 1),
				 unit_lsn(0x5000000)) != NULL);
}

/* Layers are cut at the limit and lie side by side over all keys. */
UNIT_TEST(imagewriter_cuts)
{
	BbObjectStore *objects = unit_store(ctx);
	BbImageWriter *writer;
	BbKeyRange	all = bb_key_range_all();
	List	   *layers;
	BbKey		next = all.start;
	ListCell   *cell;
	uint64		entries = 0;
	char		value[BLCKSZ];
	int			saved_size = bb_setting_layer_size_mb;
	int			saved_compression = bb_setting_compression;

	bb_setting_layer_size_mb = 1;
	bb_setting_compression = BB_COMPRESSION_NONE;
	writer = bb_imagewriter_new(objects, "main", END_LSN);
	for (BlockNumber block = 0; block < 500; block++)
	{
		BbKey		key = bb_key_rel_block(1663, 5, 1259, MAIN_FORKNUM, block);

		memset(value, block, sizeof(value));
		bb_imagewriter_add(ctx, writer, &key, value, sizeof(value));
	}
	layers = bb_imagewriter_finish(ctx, writer);
	bb_setting_layer_size_mb = saved_size;
	bb_setting_compression = saved_compression;

	CHECK(list_length(layers) == 4); /* 500 pages are 3.9 MB */
	foreach(cell, layers)
	{
		const BbLayerDesc *layer = lfirst(cell);

		CHECK(layer->image && layer->lsn_start == END_LSN);
		CHECK(layer->size < 1024 * 1024 + 128 * 1024);
		CHECK(bb_key_compare(&layer->keys.start, &next) == 0);
		next = layer->keys.end;
		entries += layer->entries;
	}
	CHECK(bb_key_compare(&next, &all.end) == 0);
	CHECK(entries == 500);
}

UNIT_TEST(originfile_roundtrip)
{
	StringInfoData file;
	List	   *origins;
	BbOrigin	second = {.id = 2, .remote_lsn = 0x123456789};
	BbOrigin	first = {.id = 1, .remote_lsn = 0x42};
	BbOrigin	impossible = {.id = PG_UINT16_MAX + 1};

	initStringInfo(&file);
	bb_originfile_begin(&file);
	bb_originfile_add(&file, &second);
	bb_originfile_add(&file, &first);
	CHECK_ERROR(bb_originfile_add(&file, &impossible), ERRCODE_DATA_CORRUPTED);
	bb_originfile_end(&file);

	CHECK(bb_originfile_decode(file.data, file.len, &origins));
	CHECK(list_length(origins) == 2);
	CHECK(((BbOrigin *) linitial(origins))->id == 1);
	CHECK(((BbOrigin *) lsecond(origins))->remote_lsn == 0x123456789);

	for (int i = 0; i < file.len; i++)
	{
		file.data[i] ^= 0x40;
		CHECK(!bb_originfile_decode(file.data, file.len, &origins));
		file.data[i] ^= 0x40;
		CHECK(!bb_originfile_decode(file.data, i, &origins));
	}
}

static void
add_items(StringInfo record, int count, size_t item_size)
{
	appendBinaryStringInfo(record, (char *) &count, sizeof(count));
	for (size_t i = 0; i < count * item_size; i++)
		appendStringInfoChar(record, 'i');
}

#define ORIGIN_LSN UINT64CONST(0x123456789A)

/* The parts that "has" says, each count 3; the counts are at *counts_at. */
static StringInfo
xact_record(bool commit, uint32 has, List **counts_at)
{
	StringInfo	record = makeStringInfo();
	xl_xact_origin origin = {.origin_lsn = ORIGIN_LSN};
	const struct
	{
		uint32		flag;
		size_t		item_size;
	}			arrays[] = {
		{XACT_XINFO_HAS_SUBXACTS, sizeof(TransactionId)},
		{BB_XACT_HAS_DROPPED, sizeof(BbWalLocator)},
		{XACT_XINFO_HAS_DROPPED_STATS, sizeof(xl_xact_stats_item)},
		{commit ? XACT_XINFO_HAS_INVALS : 0,
		 sizeof(SharedInvalidationMessage)},
	};

	*counts_at = NIL;
	appendStringInfoSpaces(record,
						   commit ? MinSizeOfXactCommit : MinSizeOfXactAbort);
	appendBinaryStringInfo(record, (char *) &has, sizeof(has));
	if (has & XACT_XINFO_HAS_DBINFO)
		appendStringInfoSpaces(record, sizeof(xl_xact_dbinfo));
	for (int i = 0; i < lengthof(arrays); i++)
	{
		if (!(has & arrays[i].flag))
			continue;
		*counts_at = lappend_int(*counts_at, record->len);
		add_items(record, 3, arrays[i].item_size);
	}
	if (has & XACT_XINFO_HAS_TWOPHASE)
	{
		appendStringInfoSpaces(record, sizeof(xl_xact_twophase));
		if (has & XACT_XINFO_HAS_GID)
			appendBinaryStringInfo(record, "gid", 4);
	}
	if (has & XACT_XINFO_HAS_ORIGIN)
		appendBinaryStringInfo(record, (char *) &origin, sizeof(origin));
	return record;
}

/* A copy that ends where its memory does, for valgrind and its like. */
static bool
fits(uint8 info, StringInfo record, int length)
{
	char	   *data = palloc(Max(length, 1));
	bool		result;

	memcpy(data, record->data, length);
	result = bb_xactrecord_fits(info, data, length);
	pfree(data);
	return result;
}

static void
check_xact_record(bool commit, uint32 has)
{
	uint8		info = XLOG_XACT_HAS_INFO |
		(commit ? XLOG_XACT_COMMIT : XLOG_XACT_ABORT_PREPARED);
	List	   *counts_at;
	StringInfo	record = xact_record(commit, has, &counts_at);
	ListCell   *cell;

	CHECK(fits(info, record, record->len));
	for (int length = 0; length < record->len; length++)
		CHECK(!fits(info, record, length));

	foreach(cell, counts_at)
	{
		char	   *at = record->data + lfirst_int(cell);
		const int	impossible[] = {-1, PG_INT32_MIN, PG_INT32_MAX, 1000};
		int			count;

		memcpy(&count, at, sizeof(count));
		for (int i = 0; i < lengthof(impossible); i++)
		{
			memcpy(at, &impossible[i], sizeof(count));
			CHECK(!fits(info, record, record->len));
		}
		memcpy(at, &count, sizeof(count));
	}

	/* the server's parser sees the last part where we do */
	if ((has & XACT_XINFO_HAS_ORIGIN) && commit)
	{
		xl_xact_parsed_commit parsed;

		ParseCommitRecord(info, (xl_xact_commit *) record->data, &parsed);
		CHECK(parsed.origin_lsn == ORIGIN_LSN);
	}
	else if (has & XACT_XINFO_HAS_ORIGIN)
	{
		xl_xact_parsed_abort parsed;

		ParseAbortRecord(info, (xl_xact_abort *) record->data, &parsed);
		CHECK(parsed.origin_lsn == ORIGIN_LSN);
	}
}

UNIT_TEST(xactrecord_is_as_long_as_it_says)
{
	const uint32 all = XACT_XINFO_HAS_DROPPED_STATS * 2 - 1;

	for (uint32 has = 0; has <= all; has++)
	{
		check_xact_record(true, has);
		check_xact_record(false, has);
	}
	/* without flags */
	CHECK(fits(XLOG_XACT_COMMIT, makeStringInfo(), 0) == false);
	CHECK(bb_xactrecord_fits(XLOG_XACT_ABORT, palloc0(MinSizeOfXactAbort),
							 MinSizeOfXactAbort));
}

/* An ingest that has nothing but invalid pages, ahead of consistency. */
static BbIngest *
ingest_of_a_backup(const BbReqCtx *ctx)
{
	BbIngest   *ingest = palloc0(sizeof(BbIngest));

	ingest->ctx = ctx;
	ingest->context = CurrentMemoryContext;
	ingest->start_lsn = BB_LSN_UNKNOWN;
	ingest->done_lsn = 1000;
	ingest->lsn = 1100;
	return ingest;
}

/* So many that what takes the square of them would take minutes. */
UNIT_TEST(invalid_pages_are_forgotten)
{
	BbIngest   *ingest = ingest_of_a_backup(ctx);
	BbFork		large = {1663, 5, 100, MAIN_FORKNUM};
	BbFork		map = {1663, 5, 100, VISIBILITYMAP_FORKNUM};
	BbFork		other = {1663, 6, 101, MAIN_FORKNUM};

	bb_invalidpages_check(ingest);
	for (BlockNumber block = 0; block < 1000000; block++)
		bb_invalidpages_add(ingest, &large, block);
	bb_invalidpages_add(ingest, &map, 3);
	bb_invalidpages_add(ingest, &other, 700);
	bb_invalidpages_add(ingest, &other, 64);
	bb_invalidpages_add(ingest, &other, 700);

	bb_invalidpages_forget(ingest, &large, 1);
	bb_invalidpages_forget(ingest, &other, 65);
	bb_invalidpages_forget(ingest, &map, 0);
	bb_invalidpages_forget_database(ingest, 6);
	CHECK_ERROR(bb_invalidpages_check(ingest), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_detail, "1663/5/100 main block 0 ") != NULL);

	bb_invalidpages_forget(ingest, &large, 0);
	bb_invalidpages_check(ingest);

	/* a truncation keeps what is ahead of it, to the bit */
	bb_invalidpages_add(ingest, &other, 64);
	bb_invalidpages_forget(ingest, &other, 65);
	CHECK_ERROR(bb_invalidpages_check(ingest), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_detail, "1663/6/101 main block 64 ") != NULL);
	bb_invalidpages_forget(ingest, &other, 64);
	bb_invalidpages_check(ingest);

	/* from the consistent LSN on, no invalid page is allowed */
	ingest->start_lsn = 900;
	CHECK_ERROR(bb_invalidpages_add(ingest, &large, 1),
				ERRCODE_DATA_CORRUPTED);
}
