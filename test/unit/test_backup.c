/*-------------------------------------------------------------------------
 *
 * test_backup.c
 *	  What the tar of a base backup has, and which stores have none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "backup/backup.h"
#include "backup/content.h"
#include "base/crc.h"
#include "catalog/pg_tablespace_d.h"
#include "cluster.h"
#include "sinks/destinations.h"

static void
check_pages(bytea *tar, const char *path, int pages, uint8 fill)
{
	uint64		size;
	char	   *data = tar_find(tar, path, &size);

	CHECK(data != NULL && size == pages * BLCKSZ);
	for (uint64 i = 0; i < size; i++)
		CHECK((uint8) data[i] == fill + i / BLCKSZ);
}

UNIT_TEST(backup_bytes)
{
	BbPageStore *store = small_cluster();
	bytea	   *tar = tar_of(ctx, store, true, 1);
	bytea	   *again = tar_of(ctx, store, true, 300000);
	uint64		size;
	char	   *data;
	pg_crc32c	crc;
	uint32		magic;

	CHECK(VARSIZE(tar) == VARSIZE(again));
	CHECK(memcmp(tar, again, VARSIZE(tar)) == 0);

	check_pages(tar, "base/5/1259", 3, 10);
	check_pages(tar, "base/5/1259_fsm", 1, 20);
	check_pages(tar, "base/5/2000", 0, 0);
	check_pages(tar, "base/5/3000", 1, 40);
	check_pages(tar, "base/5/3000_init", 1, 40);
	check_pages(tar, "base/5/3001", 1, 45);
	check_pages(tar, "global/1262", 1, 50);
	check_pages(tar, "pg_xact/0000", 2, 70);

	data = tar_find(tar,
					"pg_twophase/"
#if PG_VERSION_NUM >= 170000
					"00000000"
#endif
					"00000ABC",
					&size);
	CHECK(data != NULL && size == 20);
	crc = bb_crc32c_of("prepared state..", 16);
	CHECK(memcmp(data, "prepared state..", 16) == 0);
	CHECK(memcmp(data + 16, &crc, 4) == 0);

	data = tar_find(tar, "pg_logical/replorigin_checkpoint", &size);
	CHECK(data != NULL && size == 4 + 16 + 4);
	memcpy(&magic, data, 4);
	CHECK(magic == 0x1257DADE);
	crc = bb_crc32c_of(data, 20);
	CHECK(memcmp(data + 20, &crc, 4) == 0);

	data = tar_find(tar, "postgresql.conf", &size);
	CHECK(strstr(pnstrdup(data, size), "\nmax_prepared_transactions = 7\n") !=
		  NULL);
	CHECK(tar_find(tar, "pg_tblspc/16401/", &size) != NULL);
	CHECK(tar_find(tar, "neon.signal", &size) == NULL);
	data = tar_find(tar_of(ctx, store, false, 1), "neon.signal", &size);
	CHECK(strcmp(pnstrdup(data, size), "PREV LSN: 0/12345600") == 0);
}

UNIT_TEST(backup_is_never_wrong)
{
	BbPageStore *store;
	Oid			spc = DEFAULTTABLESPACE_OID;
	uint8		page[BLCKSZ] = {0};
	BbKey		sizes[] = {bb_key_rel_size(spc, 5, 2500, INIT_FORKNUM),
						   bb_key_rel_size(16400, 5, 5000, MAIN_FORKNUM),
						   bb_key_slru_size(BB_SLRU_COMMIT_TS, 0)};

	/* a block twice */
	store = small_cluster();
	put_page(store, bb_key_rel_block(spc, 5, 1259, MAIN_FORKNUM, 1), 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);

	/* missing blocks: in the midst, at the end, of an init fork, of an SLRU */
	store = small_cluster();
	put_u32(store, bb_key_rel_size(spc, 5, 2500, MAIN_FORKNUM), 3);
	put_page(store, bb_key_rel_block(spc, 5, 2500, MAIN_FORKNUM, 0), 1);
	put_page(store, bb_key_rel_block(spc, 5, 2500, MAIN_FORKNUM, 2), 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "base/5/2500") != NULL);
	for (int i = 0; i < lengthof(sizes); i++)
	{
		store = small_cluster();
		put_u32(store, sizes[i], 1);
		CHECK_ERROR(tar_of(ctx, store, i > 0, 1), ERRCODE_DATA_CORRUPTED);
	}

	/* a block of another length */
	store = small_cluster();
	put_u32(store, bb_key_rel_size(spc, 5, 2500, MAIN_FORKNUM), 1);
	fixture_put(store, bb_key_rel_block(spc, 5, 2500, MAIN_FORKNUM, 0), page,
				BLCKSZ - 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);
}

UNIT_TEST(backup_in_files_is_not_compressed)
{
	BbBackupOptions options = options_of(true);
	BbBackupPlan *plan = plan_of(ctx, small_cluster(), LSN, &options);
	BbSink	   *sink = bb_sink_chunks_new(1);

	plan->options.compression.algorithm = PG_COMPRESSION_GZIP;
	CHECK_ERROR(bb_backup_new(ctx, plan, NULL, BB_FORM_FILES, sink),
				ERRCODE_INVALID_PARAMETER_VALUE);
	plan->options.compression.algorithm = PG_COMPRESSION_NONE;
	bb_backup_new(ctx, plan, NULL, BB_FORM_FILES, sink);
}

/*
 * Some blocks are in no file: those of truncated forks, dropped relations, and
 * SLRU segments that are shorter or gone.
 */
UNIT_TEST(backup_skips_blocks_after_the_end)
{
	BbPageStore *store = small_cluster();
	bytea	   *expected = tar_of(ctx, store, true, 1);
	bytea	   *tar;
	Oid			spc = DEFAULTTABLESPACE_OID;

	for (uint32 i = 0; i < 50; i++)
	{
		put_page(store, bb_key_rel_block(spc, 5, 1, MAIN_FORKNUM, i), 1);
		put_page(store, bb_key_rel_block(spc, 5, 1259, MAIN_FORKNUM, 3 + i),
				 1);
		put_page(store, bb_key_rel_block(spc, 5, 2000, MAIN_FORKNUM, i), 1);
		put_page(store, bb_key_rel_block(spc, 5, 3000, INIT_FORKNUM, 1 + i),
				 1);
		put_page(store, bb_key_rel_block(spc, 9, 9, MAIN_FORKNUM, i), 1);
		put_page(store, bb_key_slru_block(BB_SLRU_XACT, 0, 2 + i), 1);
		put_page(store, bb_key_slru_block(BB_SLRU_COMMIT_TS, 7, i), 1);
	}
	tar = tar_of(ctx, store, true, 1);
	CHECK(VARSIZE(tar) == VARSIZE(expected));
	CHECK(memcmp(tar, expected, VARSIZE(tar)) == 0);
}

UNIT_TEST(backup_skips_what_unlogged_relations_lost)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	bytea	   *tar;

	/* more blocks than the scan reads past instead of seeking */
	put_database(store, DEFAULTTABLESPACE_OID, 5, 0);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 10, MAIN_FORKNUM, 2, 1);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 11, MAIN_FORKNUM, 150, 1);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 11, INIT_FORKNUM, 2, 5);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 12, MAIN_FORKNUM, 2, 9);
	tar = tar_of(ctx, store, true, 1);
	check_pages(tar, "base/5/10", 2, 1);
	check_pages(tar, "base/5/11", 2, 5);
	check_pages(tar, "base/5/11_init", 2, 5);
	check_pages(tar, "base/5/12", 2, 9);
}

UNIT_TEST(content_begins_anew)
{
	BbBackupOptions options = options_of(true);
	BbBackupPlan *plan = plan_of(ctx, small_cluster(), LSN, &options);
	BbFileList *list = bb_filelist_new(plan);
	BbContentReader *reader = bb_content_new(plan);
	BbMember	member;
	const uint8 *data;
	uint32		length;

	/* read each member twice, the first time only its beginning */
	while (bb_filelist_next(ctx, list, &member))
	{
		uint64		total = 0;

		if (member.kind == BB_MEMBER_DIRECTORY ||
			member.kind == BB_MEMBER_MANIFEST)
			continue;
		bb_content_begin(ctx, reader, &member);
		if (member.size > 0)
			CHECK(bb_content_next(ctx, reader, &data, &length));
		bb_content_begin(ctx, reader, &member);
		while (bb_content_next(ctx, reader, &data, &length))
		{
			CHECK(length > 0 && length <= BB_PIECE_MAX);
			total += length;
		}
		CHECK(total == member.size);
	}
	bb_content_close(reader);
	bb_filelist_close(list);
}
