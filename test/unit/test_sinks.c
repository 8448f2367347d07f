/*-------------------------------------------------------------------------
 *
 * test_sinks.c
 *	  The manifest, and the limits of tar and of large objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogrecord.h"
#include "backup/backup.h"
#include "base/crc.h"
#include "catalog/pg_control.h"
#include "catalog/pg_tablespace_d.h"
#include "cluster.h"
#include "pgtar.h"
#include "sinks/destinations.h"
#include "sinks/stages.h"
#include "storage/checksum.h"

/* The record of the generated WAL. */
#define CHECKPOINT_RECORD_SIZE                                    \
	MAXALIGN(SizeOfXLogRecord + SizeOfXLogRecordDataHeaderShort + \
			 sizeof(CheckPoint))

/* The manifest has every file except WAL, with its CRC, and nothing else. */
UNIT_TEST(manifest_lists_all_files)
{
	bytea	   *tar = tar_of(ctx, small_cluster(), true, 1);
	char	   *end = (char *) tar + VARSIZE(tar) - BB_TAR_END_SIZE;
	uint64		manifest_size;
	char	   *text = tar_find(tar, "backup_manifest", &manifest_size);
	uint64		size;
	int			files = 0;

	CHECK(text + manifest_size + tarPaddingBytesRequired(manifest_size) ==
		  end);
	text = pnstrdup(text, manifest_size);
	for (char *at = VARDATA(tar); strcmp(at, "backup_manifest") != 0;
		 at += TAR_BLOCK_SIZE + size + tarPaddingBytesRequired(size))
	{
		uint8		crc_bytes[sizeof(pg_crc32c)];
		pg_crc32c	crc;

		size = read_tar_number(at + 124, 12);
		if (at[strlen(at) - 1] == '/' ||
			strcmp(at, "pg_wal/000000030000000000000123") == 0)
			continue;
		crc = bb_crc32c_of(at + TAR_BLOCK_SIZE, size);
		memcpy(crc_bytes, &crc, sizeof(crc));
		CHECK(
			strstr(text,
				   psprintf("{ \"Path\": \"%s\", \"Size\": " UINT64_FORMAT
							", \"Last-Modified\": \"2023-11-14 22:13:20 GMT\""
							", \"Checksum-Algorithm\": \"CRC32C\""
							", \"Checksum\": \"%02x%02x%02x%02x\" }",
							at, size, crc_bytes[0], crc_bytes[1], crc_bytes[2],
							crc_bytes[3])) != NULL);
		files++;
	}
	CHECK(files > 20);
	for (char *at = strstr(text, "\"Path\""); at != NULL;
		 at = strstr(at + 1, "\"Path\""))
		files--;
	CHECK(files == 0);
	CHECK(strstr(text,
				 psprintf("\"WAL-Ranges\": [\n"
						  "{ \"Timeline\": 3, \"Start-LSN\": \"%s\", "
						  "\"End-LSN\": \"%s\" }\n],\n",
						  unit_lsn(0x12345678),
						  unit_lsn(0x12345678 + CHECKPOINT_RECORD_SIZE))) !=
		  NULL);
}

/* The entries of so many files exceed the memory for them. */
UNIT_TEST(manifest_of_many_files)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	bytea	   *tar;
	uint64		size;

	put_database(store, DEFAULTTABLESPACE_OID, 5, 0);
	for (Oid rel = 10000; rel < 30000; rel++)
		put_u32(store,
				bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, rel, MAIN_FORKNUM),
				0);
	tar = tar_of(ctx, store, true, 1);
	CHECK(tar_find(tar, "backup_manifest", &size) != NULL);
	CHECK(size > 2 * 1024 * 1024);
}

static const char *
file_text(const BbBackupManifest *text, const char *path, const char *checksum)
{
	StringInfoData buf;

	initStringInfo(&buf);
	bb_backupmanifest_file(text, &buf, true, path, 12,
						   (const uint8 *) checksum);
	return buf.data;
}

#define FILE_TAIL \
	", \"Size\": 12, \"Last-Modified\": \"2023-11-14 22:13:20 GMT\""

UNIT_TEST(manifest_text)
{
	BbSeed		seed = {0};
	BbBackupManifest text = {.mtime = 1700000000, .seed = &seed};
	StringInfoData buf;

	CHECK(strcmp(file_text(&text, "a \"b\"\\c\t\xc3\xa9", ""),
				 "\n{ \"Path\": \"a \\\"b\\\"\\\\c\\t\xc3\xa9\"" FILE_TAIL
				 " }") == 0);
	/* not UTF-8 */
	CHECK(strcmp(file_text(&text, "caf\xe9", ""),
				 "\n{ \"Encoded-Path\": \"636166e9\"" FILE_TAIL " }") == 0);
	text.checksum_type = CHECKSUM_TYPE_CRC32C;
	text.force_encode = true;
	CHECK(strcmp(file_text(&text, "ab", "\x01\xfe\x80\x0a"),
				 "\n{ \"Encoded-Path\": \"6162\"" FILE_TAIL
				 ", \"Checksum-Algorithm\": \"CRC32C\""
				 ", \"Checksum\": \"01fe800a\" }") == 0);

	seed.control.major = bb_major_own();
	seed.control.system_identifier = SYSTEM_ID;
	initStringInfo(&buf);
	bb_backupmanifest_begin(&text, &buf);
	CHECK(strcmp(buf.data,
#if PG_VERSION_NUM >= 170000
				 "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
				 "\"System-Identifier\": 7000000000000000001,\n"
#else
				 "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n"
#endif
				 "\"Files\": [") == 0);
}

UNIT_TEST(tar_refuses_long_path)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	char		path[101];

	memset(path, 'x', 100);
	path[99] = '\0';
	fixture_put_file(store, 0, path, "x");
	tar_of(ctx, store, true, 1);

	store = empty_cluster(&info);
	path[99] = 'x';
	path[100] = '\0';
	fixture_put_file(store, 0, path, "x");
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

UNIT_TEST(largeobject_has_a_limit)
{
	uint64		limit = UINT64CONST(2147483647) * (BLCKSZ / 4);

	bb_sink_largeobject_check_size(0);
	bb_sink_largeobject_check_size(limit);
	CHECK_ERROR(bb_sink_largeobject_check_size(limit + 1),
				ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

/* ---- the check of pages ---- */

#define CHECKED_LSN 0x5000000

/* A member with pages from block "first" on, as files are cut into segments. */
static BbMember
pages_member(BlockNumber first, uint64 pages)
{
	BbMember	member;

	bb_member_init(&member, BB_MEMBER_RELATION, 0600, "base/5/16384.1");
	member.content = BB_CONTENT_RELATION;
	member.size = pages * BLCKSZ;
	member.source.relation.fork = MAIN_FORKNUM;
	member.source.relation.first = first;
	return member;
}

static void
make_page(PGAlignedBlock *page, BlockNumber block, XLogRecPtr lsn)
{
	PageInit(page->data, BLCKSZ, 0);
	PageSetLSN(page->data, lsn);
	((PageHeader) page->data)->pd_checksum = pg_checksum_page(page->data,
															  block);
}

/* Write pages in pieces of an odd size, and end the member. */
static void
write_pages(const BbReqCtx *ctx, BbSink *sink, const PGAlignedBlock *pages,
			int n)
{
	const char *bytes = pages->data;

	for (size_t at = 0; at < (size_t) n * BLCKSZ; at += 3001)
		bb_sink_write(ctx, sink, bytes + at,
					  Min(3001, (size_t) n * BLCKSZ - at));
	bb_sink_end_member(ctx, sink);
}

/* Pages are checked with the number that they have in their fork. */
UNIT_TEST(check_of_pages)
{
	const BlockNumber first = 131072;
	BbSink	   *sink = bb_sink_check_new(NULL, true, CHECKED_LSN);
	BbMember	member = pages_member(first, 3);
	BbMember	other;
	PGAlignedBlock pages[3] = {0};

	make_page(&pages[0], first, CHECKED_LSN);
	make_page(&pages[2], first + 2, 1);
	bb_sink_begin(ctx, sink);
	bb_sink_begin_member(ctx, sink, &member);
	write_pages(ctx, sink, pages, 3);
	CHECK(bb_sink_check_result(sink).pages == 3);
	CHECK(bb_sink_check_result(sink).bytes == 3 * BLCKSZ);
	CHECK(bb_sink_check_result(sink).files == 1);

	/* other files have no pages */
	bb_member_init(&other, BB_MEMBER_CONFIG, 0600, "postgresql.conf");
	bb_member_set_bytes(&other, "x", 1);
	bb_sink_begin_member(ctx, sink, &other);
	bb_sink_write(ctx, sink, "x", 1);
	bb_sink_end_member(ctx, sink);
	CHECK(bb_sink_check_result(sink).pages == 3);
	CHECK(bb_sink_check_result(sink).files == 2);

	/* a flipped bit; a page at another place; a page of the future */
	pages[2].data[BLCKSZ - 1] ^= 1;
	bb_sink_begin_member(ctx, sink, &member);
	CHECK_ERROR(write_pages(ctx, sink, pages, 3), ERRCODE_DATA_CORRUPTED);
	make_page(&pages[2], first + 3, 1);
	bb_sink_begin_member(ctx, sink, &member);
	CHECK_ERROR(write_pages(ctx, sink, pages, 3), ERRCODE_DATA_CORRUPTED);
	make_page(&pages[2], first + 2, CHECKED_LSN + 1);
	bb_sink_begin_member(ctx, sink, &member);
	CHECK_ERROR(write_pages(ctx, sink, pages, 3), ERRCODE_DATA_CORRUPTED);
}

/* Without data checksums, headers and LSNs are checked. */
UNIT_TEST(check_of_pages_without_checksums)
{
	BbSink	   *sink = bb_sink_check_new(NULL, false, CHECKED_LSN);
	BbMember	member = pages_member(0, 1);
	PGAlignedBlock page = {0};

	make_page(&page, 7, 1);
	bb_sink_begin_member(ctx, sink, &member);
	write_pages(ctx, sink, &page, 1);
	((PageHeader) page.data)->pd_lower = BLCKSZ + 1;
	bb_sink_begin_member(ctx, sink, &member);
	CHECK_ERROR(write_pages(ctx, sink, &page, 1), ERRCODE_DATA_CORRUPTED);
}
