/*-------------------------------------------------------------------------
 *
 * test_ingest.c
 *	  The parts of an import that need no cluster; t/ has the whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "ingest/imagewriter.h"
#include "ingest/pagecheck.h"
#include "pagestore/originfile.h"
#include "storage/checksum.h"
#include "unit.h"

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
				 "0/5000000") != NULL);
}

/* Layers are cut at the limit and lie side by side over all keys. */
UNIT_TEST(imagewriter_cuts)
{
	BbObjectStore *store = unit_store(ctx);
	BbImageWriter *writer;
	BbKeyRange	all = bb_key_range_all();
	BbLayerDesc *layers;
	int			count;
	uint64		entries = 0;
	char		value[BLCKSZ];
	int			saved_size = bb_setting_layer_size_mb;
	int			saved_compression = bb_setting_compression;

	bb_setting_layer_size_mb = 1;
	bb_setting_compression = BB_COMPRESSION_NONE;
	writer = bb_imagewriter_new(store, "main", END_LSN);
	for (BlockNumber block = 0; block < 500; block++)
	{
		BbKey		key = bb_key_rel_block(1663, 5, 1259, MAIN_FORKNUM, block);

		memset(value, block, sizeof(value));
		bb_imagewriter_add(ctx, writer, &key, value, sizeof(value));
	}
	layers = bb_imagewriter_finish(ctx, writer, &count);
	bb_setting_layer_size_mb = saved_size;
	bb_setting_compression = saved_compression;

	CHECK(count == 4);			/* 500 pages are 3.9 MB */
	CHECK(bb_key_compare(&layers[0].keys.start, &all.start) == 0);
	CHECK(bb_key_compare(&layers[count - 1].keys.end, &all.end) == 0);
	for (int i = 0; i < count; i++)
	{
		CHECK(layers[i].image && layers[i].lsn_start == END_LSN);
		CHECK(layers[i].size < 1024 * 1024 + 128 * 1024);
		if (i > 0)
			CHECK(bb_key_compare(&layers[i - 1].keys.end,
								 &layers[i].keys.start) == 0);
		entries += layers[i].entries;
	}
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
