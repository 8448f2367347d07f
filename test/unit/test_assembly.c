/*-------------------------------------------------------------------------
 *
 * test_assembly.c
 *	  The file list, content, seed and tar of a base backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "backup/backup.h"
#include "backup/content.h"
#include "backup/units.h"
#include "base/codec.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "members/clonesettings.h"
#include "members/clonetli.h"
#include "members/confparse.h"
#include "pagestore/walposition.h"
#include "pgtar.h"
#include "storage/large_object.h"
#include "unit.h"

#define SEGMENT_SIZE (1024 * 1024)
#define LSN UINT64CONST(0x12345678)
#define PREV UINT64CONST(0x12345600)
#define SYSTEM_ID UINT64CONST(7000000000000000001)

/* ---- a cluster in a page store ---- */

static void
put_text(BbPageStore *store, BbKey key, const char *text)
{
	fixture_put(store, key, text, strlen(text));
}

static void
put_u32(BbPageStore *store, BbKey key, uint32 v)
{
	uint8		bytes[4];

	bb_put_le32(bytes, v);
	fixture_put(store, key, bytes, sizeof(bytes));
}

static void
put_page(BbPageStore *store, BbKey key, uint8 fill)
{
	uint8		page[BLCKSZ];

	memset(page, fill, sizeof(page));
	fixture_put(store, key, page, sizeof(page));
}

/* A fork whose page n is full of bytes "fill + n". */
static void
put_fork(BbPageStore *store, Oid spc, Oid db, Oid rel, ForkNumber fork,
		 BlockNumber blocks, uint8 fill)
{
	put_u32(store, bb_key_rel_size(spc, db, rel, fork), blocks);
	for (BlockNumber i = 0; i < blocks; i++)
		put_page(store, bb_key_rel_block(spc, db, rel, fork, i), fill + i);
}

static void
put_database(BbPageStore *store, Oid spc, Oid db, uint8 flags)
{
	fixture_put(store, bb_key_make(BB_KEY_DATABASE, spc, db, 0, 0, 0), &flags,
				1);
}

static BbPageStoreInfo
cluster_info(void)
{
	BbPageStoreInfo info = {0};

	info.timeline = "main";
	info.pg_version_num = PG_VERSION_NUM;
	info.system_identifier = SYSTEM_ID;
	info.wal_segment_size = SEGMENT_SIZE;
	info.tli = 1;
	info.uid = 105;
	info.gid = 113;
	info.directory_mode = 0700;
	info.start_lsn = LSN;
	info.end_lsn = LSN;
	info.prev_lsn = PREV;
	info.end_time = 1700000000;
	return info;
}

static void
put_relmap(BbPageStore *store, Oid spc, Oid db)
{
	uint8		map[BB_RELMAP_SIZE] = {0};
	uint32		magic = BB_RELMAP_MAGIC;
	pg_crc32c	crc;

	memcpy(map, &magic, sizeof(magic));
	memcpy(map + 8, &db, sizeof(db));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, map, BB_RELMAP_CRC_AT);
	FIN_CRC32C(crc);
	memcpy(map + BB_RELMAP_CRC_AT, &crc, sizeof(crc));
	fixture_put(store, bb_key_make(BB_KEY_RELMAP, spc, db, 0, 0, 0), map,
				sizeof(map));
}

/* Control file and checkpoint: what every cluster has. */
static BbPageStore *
empty_cluster(const BbPageStoreInfo *info)
{
	BbPageStore *store = fixture_pagestore_new(info);
	ControlFileData control = {0};
	CheckPoint	checkpoint = {0};

	checkpoint.ThisTimeLineID = 1;
	checkpoint.PrevTimeLineID = 1;
	checkpoint.fullPageWrites = true;
	checkpoint.nextXid = FullTransactionIdFromU64(1000);
	checkpoint.nextOid = 20000;
	checkpoint.time = 1700000000;

	control.system_identifier = info->system_identifier;
	control.pg_control_version = PG_CONTROL_VERSION;
	control.catalog_version_no = CATALOG_VERSION_NO;
	control.state = DB_IN_PRODUCTION;
	control.minRecoveryPoint = 1;
	control.minRecoveryPointTLI = 1;
	control.backupStartPoint = 1;
	control.backupEndRequired = true;
	control.max_prepared_xacts = 7;
	control.xlog_blcksz = XLOG_BLCKSZ;
	control.xlog_seg_size = info->wal_segment_size;
	control.maxAlign = MAXIMUM_ALIGNOF;
	control.floatFormat = FLOATFORMAT_VALUE;
	control.blcksz = BLCKSZ;
	control.relseg_size = RELSEG_SIZE;
	control.nameDataLen = NAMEDATALEN;
	control.indexMaxKeys = INDEX_MAX_KEYS;
	control.toast_max_chunk_size = TOAST_MAX_CHUNK_SIZE;
	control.loblksize = LOBLKSIZE;
	control.float8ByVal = FLOAT8PASSBYVAL;
	control.MaxConnections = 100;
	control.max_locks_per_xact = 64;
	INIT_CRC32C(control.crc);
	COMP_CRC32C(control.crc, &control, offsetof(ControlFileData, crc));
	FIN_CRC32C(control.crc);

	fixture_put(store, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0),
				&control, sizeof(control));
	fixture_put(store, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
				&checkpoint, sizeof(checkpoint));
	return store;
}

/* Some of everything. */
static BbPageStore *
small_cluster(void)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	uint8		origin[8];

	put_text(store, bb_key_make(BB_KEY_TABLESPACE, 16400, 0, 0, 0, 0),
			 "/srv/fast");
	put_text(store, bb_key_make(BB_KEY_TABLESPACE, 16401, 0, 0, 0, 0),
			 "/srv/empty");

	put_database(store, DEFAULTTABLESPACE_OID, 5,
				 BB_DATABASE_DEFAULT_TABLESPACE);
	put_database(store, GLOBALTABLESPACE_OID, 0, 0);
	put_database(store, 16400, 5, 0);
	put_relmap(store, DEFAULTTABLESPACE_OID, 5);
	put_relmap(store, GLOBALTABLESPACE_OID, 0);

	put_fork(store, DEFAULTTABLESPACE_OID, 5, 1259, MAIN_FORKNUM, 3, 10);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 1259, FSM_FORKNUM, 1, 20);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 2000, MAIN_FORKNUM, 0, 0);
	/* unlogged, with what it lost in the other forks */
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 3000, MAIN_FORKNUM, 2, 30);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 3000, INIT_FORKNUM, 1, 40);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 3001, MAIN_FORKNUM, 1, 45);
	put_fork(store, GLOBALTABLESPACE_OID, 0, 1262, MAIN_FORKNUM, 1, 50);
	put_fork(store, 16400, 5, 4000, MAIN_FORKNUM, 1, 60);

	put_u32(store, bb_key_slru_size(BB_SLRU_XACT, 0), 2);
	put_page(store, bb_key_slru_block(BB_SLRU_XACT, 0, 0), 70);
	put_page(store, bb_key_slru_block(BB_SLRU_XACT, 0, 1), 71);
	put_u32(store, bb_key_slru_size(BB_SLRU_MULTIXACT_OFFSETS, 0x1A), 1);
	put_page(store, bb_key_slru_block(BB_SLRU_MULTIXACT_OFFSETS, 0x1A, 0), 72);

	put_u32(store, bb_key_twophase_size(0xABC), 16);
	put_text(store, bb_key_twophase_block(0xABC, 0), "prepared state..");
	bb_put_le64(origin, UINT64CONST(0x1122334455));
	fixture_put(store, bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 3, 0, 0),
				origin, sizeof(origin));

	fixture_put_file(store, 0, "conf.d/more/a.conf", "a = 1\n");
	fixture_put_file(store, 1, "pg_hba.conf", "local all all trust\n");
	fixture_put_file(store, 2, "pg_wal/00000001.history", "");
	fixture_put_file(store, 3, "pg_wal/00000002.history",
					 "another cluster's\n");
	put_text(store, bb_key_make(BB_KEY_FILE_DIRECTORY, 0, 0, 1, 0, 0),
			 "sockets");
	return store;
}

static BbBackupOptions
options_of(bool full)
{
	BbBackupOptions options = bb_options_defaults();

	options.full = full;
	/* what a clone gets besides has tests of its own */
	options.settings = BB_SETTINGS_SOURCE;
	return options;
}

/* ---- the list ---- */

/* "kind path size mode", a line each. */
static char *
list_text(const BbReqCtx *ctx, BbPageStore *store, bool full)
{
	BbBackupOptions options = options_of(full);
	BbFileList *list = bb_filelist_new(ctx, store, LSN, &options);
	BbMember	member;
	StringInfoData text;

	initStringInfo(&text);
	while (bb_filelist_next(ctx, list, &member))
		appendStringInfo(&text, "%s %s " UINT64_FORMAT " %o\n",
						 bb_member_kind_name(member.kind), member.path,
						 member.size, (unsigned int) member.mode);
	bb_filelist_close(list);
	return text.data;
}

/* As CHECK, but tells the first line that differs. */
static void
check_text(const char *actual, const char *expected)
{
	while (*actual != '\0' && *expected != '\0')
	{
		size_t		a = strcspn(actual, "\n");
		size_t		e = strcspn(expected, "\n");

		if (a != e || memcmp(actual, expected, a) != 0)
			break;
		actual += a + 1;
		expected += e + 1;
	}
	if (strcmp(actual, expected) != 0)
		elog(ERROR, "\"%s\" instead of \"%s\"",
			 pnstrdup(actual, strcspn(actual, "\n")),
			 pnstrdup(expected, strcspn(expected, "\n")));
}

#define VERSION_DIRECTORY TABLESPACE_VERSION_DIRECTORY

UNIT_TEST(filelist_full)
{
	char	   *text = list_text(ctx, small_cluster(), true);
	char	   *after_tree = strstr(text, "directory pg_tblspc/16400 ");
	char	   *twophase = strstr(text, "twophase pg_");
	char	   *rest = strstr(text, "origin ");
	char	   *manifest = strstr(text, "manifest ");

	CHECK(strncmp(text, "directory global 0 700\ndirectory pg_wal 0 700\n",
				  46) == 0);
	CHECK(after_tree != NULL && twophase != NULL && rest != NULL &&
		  manifest != NULL);
	check_text(
		pnstrdup(after_tree, twophase - after_tree),
		"directory pg_tblspc/16400 0 700\n"
		"directory pg_tblspc/16400/" VERSION_DIRECTORY " 0 700\n"
		"directory pg_tblspc/16401 0 700\n"
		"directory pg_tblspc/16401/" VERSION_DIRECTORY " 0 700\n"
		"version PG_VERSION 3 600\n"
		"directory conf.d 0 700\n"
		"directory conf.d/more 0 700\n"
		"config conf.d/more/a.conf 6 640\n"
		"config pg_hba.conf 20 640\n"
		"generated pg_ident.conf 128 600\n"
		"history pg_wal/00000001.history 0 640\n"
		"history pg_wal/00000002.history 18 640\n"
		"generated postgresql.conf 158 600\n"
		"directory sockets 0 700\n"
		"slru pg_xact/0000 16384 600\n"
		"slru pg_multixact/offsets/001A 8192 600\n"
		"directory base/5 0 700\n"
		"version base/5/PG_VERSION 3 600\n"
		"relmap base/5/pg_filenode.map " CppAsString2(
			BB_RELMAP_SIZE) " 600\n"
							"relation base/5/1259 24576 600\n"
							"relation base/5/1259_fsm 8192 600\n"
							"relation base/5/2000 0 600\n"
							"relation base/5/3000 8192 600\n"
							"relation base/5/3000_init 8192 600\n"
							"relation base/5/3001 8192 600\n"
							"relmap global/pg_filenode.map " CppAsString2(
								BB_RELMAP_SIZE) " 600\n"
												"relation global/1262 8192 600\n"
												"directory pg_tblspc/16400/" VERSION_DIRECTORY
												"/5 0 700\n"
												"relation pg_tblspc/16400/" VERSION_DIRECTORY
												"/5/4000 8192 600\n");
	check_text(pnstrdup(rest, manifest - rest),
			   "origin pg_logical/replorigin_checkpoint 24 600\n"
			   "history pg_wal/00000003.history 41 600\n"
			   "history pg_wal/archive_status/00000003.history.ready 0 600\n"
			   "wal pg_wal/000000030000000000000123 1048576 600\n"
			   "control global/pg_control 8192 600\n");
	CHECK(strncmp(manifest, "manifest backup_manifest ", 25) == 0);
	CHECK(strcmp(strchr(manifest, '\0') - 5, " 600\n") == 0);
	CHECK(strchr(manifest, '\n')[1] == '\0');
}

/* Tablespaces first, each by itself; the rest without them. */
UNIT_TEST(filelist_archives)
{
	BbPageStore *store = small_cluster();
	BbBackupOptions options = options_of(true);
	BbFileList *list;
	BbMember	member;
	StringInfoData text;
	uint64		size = 3 * BB_TAR_END_SIZE;

	options.tablespaces = BB_TABLESPACES_ARCHIVES;
	list = bb_filelist_new(ctx, store, LSN, &options);
	initStringInfo(&text);
	while (bb_filelist_next(ctx, list, &member))
	{
		if (OidIsValid(member.tablespace) || member.kind == BB_MEMBER_MAP ||
			member.apart)
			appendStringInfo(&text, "%u %s %s\n", member.tablespace,
							 bb_member_kind_name(member.kind),
							 bb_member_archive_path(&member));
		else
			CHECK(strncmp(member.path, "pg_tblspc/", 10) != 0);
		size += member.apart ? member.size : bb_sink_tar_member_size(&member);
		if (member.kind == BB_MEMBER_MAP)
			CHECK(memcmp(member.source.bytes.data,
						 "16400 /srv/fast\n16401 /srv/empty\n",
						 member.size) == 0);
	}
	bb_filelist_close(list);
	check_text(text.data,
			   "16400 directory " VERSION_DIRECTORY "\n"
			   "16400 directory " VERSION_DIRECTORY "/5\n"
			   "16400 relation " VERSION_DIRECTORY "/5/4000\n"
			   "16401 directory " VERSION_DIRECTORY "\n"
			   "0 tablespace_map tablespace_map\n"
			   "0 manifest backup_manifest\n");
	CHECK(bb_backup_size(ctx, store, LSN, &options) == size);

	/* one that is lost is an error here, too */
	put_database(store, 16500, 5, 0);
	CHECK_ERROR(bb_backup_size(ctx, store, LSN, &options),
				ERRCODE_DATA_CORRUPTED);
}

UNIT_TEST(filelist_thin)
{
	char	   *text = list_text(ctx, small_cluster(), false);

	CHECK(strstr(text,
				 "relation base/5/3000 8192 600\n"
				 "relation base/5/3000_init 8192 600\n") != NULL);
	CHECK(strstr(text, "1259") == NULL && strstr(text, "1262") == NULL);
	CHECK(strstr(text, "relmap base/5/pg_filenode.map") != NULL);
	CHECK(strstr(text,
				 "signal neon.signal 20 600\n"
				 "signal zenith.signal 20 600\n") != NULL);
}

/* Of a fork of n blocks, only its size is there. */
static char *
segments_of(const BbReqCtx *ctx, BlockNumber blocks)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	char	   *text;

	put_database(store, DEFAULTTABLESPACE_OID, 5, 0);
	put_u32(store, bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 9, MAIN_FORKNUM),
			blocks);
	text = list_text(ctx, store, true);
	text = strstr(text, "relation ");
	return pnstrdup(text, strstr(text, "origin ") - text);
}

UNIT_TEST(filelist_segments)
{
	CHECK(strcmp(segments_of(ctx, RELSEG_SIZE),
				 "relation base/5/9 1073741824 600\n") == 0);
	CHECK(strcmp(segments_of(ctx, 2 * RELSEG_SIZE + 1),
				 "relation base/5/9 1073741824 600\n"
				 "relation base/5/9.1 1073741824 600\n"
				 "relation base/5/9.2 8192 600\n") == 0);
}

/* "relation fork first+count, ...", a line each. */
static char *
units_text(const BbReqCtx *ctx, BbPageStore *store, bool full)
{
	BbBackupOptions options = options_of(full);
	BbUnits	   *units = bb_units_new(ctx, store, LSN, &options);
	BbUnit		unit;
	StringInfoData text;

	initStringInfo(&text);
	while (bb_units_next(ctx, units, &unit))
	{
		for (int i = 0; i < unit.nranges; i++)
		{
			const BbBlockRange *range = &unit.ranges[i];

			appendStringInfo(&text, "%s%u/%u/%u %d %u+%u", i > 0 ? ", " : "",
							 range->spc, range->db, range->rel, range->fork,
							 range->first, range->count);
		}
		appendStringInfoChar(&text, '\n');
	}
	bb_units_close(units);
	return text.data;
}

UNIT_TEST(units_cut)
{
	BbPageStore *store = small_cluster();

	check_text(units_text(ctx, store, true),
			   "1663/5/1259 0 0+3, 1663/5/1259 1 0+1, 1663/5/3001 0 0+1, "
			   "1664/0/1262 0 0+1, 16400/5/4000 0 0+1\n");
	put_u32(store,
			bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 2100, MAIN_FORKNUM),
			1000);
	check_text(units_text(ctx, store, true),
			   "1663/5/1259 0 0+3, 1663/5/1259 1 0+1, 1663/5/2100 0 0+12\n"
			   "1663/5/2100 0 12+32\n"
			   "1663/5/2100 0 44+64\n"
			   "1663/5/2100 0 108+128\n"
			   "1663/5/2100 0 236+256\n"
			   "1663/5/2100 0 492+256\n"
			   "1663/5/2100 0 748+252, 1663/5/3001 0 0+1, "
			   "1664/0/1262 0 0+1, 16400/5/4000 0 0+1\n");
	/* nothing but init forks */
	check_text(units_text(ctx, store, false), "");
}

UNIT_TEST(units_of_segments)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	char	   *text;

	put_database(store, DEFAULTTABLESPACE_OID, 5, 0);
	put_u32(store, bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 9, MAIN_FORKNUM),
			RELSEG_SIZE + 300);
	text = units_text(ctx, store, true);
	/* a unit may go from one to the next, as two ranges */
	check_text(strstr(text, "1663/5/9 0 130800+"),
			   "1663/5/9 0 130800+256\n"
			   "1663/5/9 0 131056+16, 1663/5/9 0 131072+240\n"
			   "1663/5/9 0 131312+60\n");
}

UNIT_TEST(filelist_group_access)
{
	BbPageStoreInfo info = cluster_info();
	char	   *text;

	info.directory_mode = 0750;
	text = list_text(ctx, empty_cluster(&info), true);
	CHECK(strstr(text, "directory base 0 750\n") != NULL);
	CHECK(strstr(text,
				 "control global/pg_control 8192 640\n"
				 "manifest backup_manifest ") != NULL);
}

/* The offsets of record ends in a page of WAL; 0 ends the list. */
static void
put_record_ends(BbPageStore *store, XLogRecPtr page, const uint16 *offsets)
{
	StringInfoData value;

	initStringInfo(&value);
	for (int i = 0; i == 0 || offsets[i] != 0; i++)
	{
		bb_append_u8(&value, (uint8) offsets[i]);
		bb_append_u8(&value, offsets[i] >> 8);
	}
	page /= XLOG_BLCKSZ;
	fixture_put(store,
				bb_key_make(BB_KEY_RECORD_ENDS, 0, page >> 32, (uint32) page,
							0, 0),
				value.data, value.len);
}

/* A page of WAL before the one with LSN. */
#define PAGE (LSN - LSN % XLOG_BLCKSZ - 10 * XLOG_BLCKSZ)

static BbPageStore *
cluster_with_records(const BbPageStoreInfo *info)
{
	static const uint16 first[] = {1000, 2000, 8000, 0};
	/* a record that ends on the page's border, and one later */
	static const uint16 third[] = {0, 0};
	static const uint16 fourth[] = {5000, 0};
	BbPageStore *store = empty_cluster(info);

	put_record_ends(store, PAGE, first);
	put_record_ends(store, PAGE + 3 * XLOG_BLCKSZ, third);
	put_record_ends(store, PAGE + 4 * XLOG_BLCKSZ, fourth);
	return store;
}

static void
check_round(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			XLogRecPtr expected, XLogRecPtr expected_start)
{
	XLogRecPtr	start;

	CHECK(bb_pagestore_round_lsn(ctx, store, lsn, NULL) == expected);
	CHECK(bb_pagestore_round_lsn(ctx, store, lsn, &start) == expected);
	CHECK(start == expected_start);
}

UNIT_TEST(lsn_rounded_to_record_end)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;
	XLogRecPtr	border = PAGE + 3 * XLOG_BLCKSZ;

	info.start_lsn = PAGE - 96;
	store = cluster_with_records(&info);
	check_round(ctx, store, PAGE - 96, PAGE - 96, 0);
	check_round(ctx, store, PAGE + 999, PAGE - 96, 0);
	check_round(ctx, store, PAGE + 1000, PAGE + 1000, PAGE - 96);
	check_round(ctx, store, PAGE + 1999, PAGE + 1000, PAGE - 96);
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, PAGE + 1000);
	check_round(ctx, store, border - 1, PAGE + 8000, PAGE + 2000);
	check_round(ctx, store, border, border, PAGE + 8000);
	/* the next record begins behind the page's header */
	check_round(ctx, store, border + XLOG_BLCKSZ + 5000,
				border + XLOG_BLCKSZ + 5000, border + SizeOfXLogShortPHD);
	check_round(ctx, store, LSN - 1, border + XLOG_BLCKSZ + 5000,
				border + SizeOfXLogShortPHD);
	check_round(ctx, store, LSN, LSN, PREV);

	/* what ended before the start is not the timeline's */
	info.start_lsn = PAGE + 1000;
	store = cluster_with_records(&info);
	check_round(ctx, store, PAGE + 1000, PAGE + 1000, 0);
	check_round(ctx, store, PAGE + 1500, PAGE + 1000, 0);
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, PAGE + 1000);
	info.start_lsn = PAGE + 1504;
	store = cluster_with_records(&info);
	/* but says where the record begins that ends there */
	check_round(ctx, store, PAGE + 1999, PAGE + 1504, PAGE + 1000);
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, PAGE + 1504);
}

UNIT_TEST(tli_of_an_lsn)
{
	BbTliSwitch switches[] = {{1, 1000}, {3, 2000}};
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;

	info.tli = 4;
	info.nswitches = 2;
	info.switches = switches;
	store = fixture_pagestore_new(&info);
	CHECK(bb_pagestore_tli_at(store, 999) == 1);
	CHECK(bb_pagestore_tli_at(store, 1000) == 1);
	CHECK(bb_pagestore_tli_at(store, 1001) == 3);
	CHECK(bb_pagestore_tli_at(store, 2000) == 3);
	CHECK(bb_pagestore_tli_at(store, 2001) == 4);
}

/* What the signal files say; NULL: there are none. */
static char *
signal_of(const BbReqCtx *ctx, const BbPageStoreInfo *info, XLogRecPtr lsn,
		  XLogRecPtr given)
{
	BbBackupOptions options = {.prev_lsn = given};
	BbFileList *list = bb_filelist_new(ctx, cluster_with_records(info), lsn,
									   &options);
	BbMember	member;

	while (bb_filelist_next(ctx, list, &member))
		if (member.kind == BB_MEMBER_SIGNAL)
			return pnstrdup(member.source.bytes.data, member.size);
	return NULL;
}

UNIT_TEST(prev_lsn_rules)
{
	BbPageStoreInfo info = cluster_info();
	XLogRecPtr	given = PAGE + 1000;
	char	   *expected = psprintf("PREV LSN: %X/%X", LSN_FORMAT_ARGS(given));

	info.start_lsn = PAGE - 96;
	info.ancestor_lsn = PAGE - 96;
	CHECK(strcmp(signal_of(ctx, &info, LSN, 0), "PREV LSN: 0/12345600") == 0);
	CHECK(strcmp(signal_of(ctx, &info, LSN, PREV), "PREV LSN: 0/12345600") ==
		  0);
	CHECK(strcmp(signal_of(ctx, &info, PAGE - 96, 0), "PREV LSN: none") == 0);
	/* before the end it is nobody's to write on, unless the caller says so */
	CHECK(strcmp(signal_of(ctx, &info, PAGE + 2000, 0), "PREV LSN: invalid") ==
		  0);
	CHECK(strcmp(signal_of(ctx, &info, PAGE + 2100, given), expected) == 0);
	/* unknown: the caller's */
	CHECK(strcmp(signal_of(ctx, &info, PAGE - 96, 0x1000),
				 "PREV LSN: 0/1000") == 0);

	CHECK_ERROR(signal_of(ctx, &info, LSN, PREV - 8),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(signal_of(ctx, &info, PAGE + 2000, given + 8),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(signal_of(ctx, &info, PAGE - 96, PAGE - 96),
				ERRCODE_INVALID_PARAMETER_VALUE);

	/* a branch that has no records of its own */
	info.start_lsn = LSN;
	info.ancestor_lsn = LSN;
	info.prev_lsn = InvalidXLogRecPtr;
	CHECK(strcmp(signal_of(ctx, &info, LSN, 0), "PREV LSN: none") == 0);
}

/*
 * A backup within the history: at the last record's end, from the tli that was
 * current there, to one that the source doesn't have later either.
 */
UNIT_TEST(seed_before_the_end)
{
	BbTliSwitch switches[] = {{2, PAGE + 2000}};
	BbPageStoreInfo info = cluster_info();
	BbBackupOptions options = options_of(true);
	BbPageStore *store;
	BbFileList *list;
	const BbSeed *seed;
	XLogRecord	header;

	info.start_lsn = PAGE - 96;
	info.tli = 5;
	info.nswitches = 1;
	info.switches = switches;
	store = cluster_with_records(&info);
	list = bb_filelist_new(ctx, store, PAGE + 2500, &options);
	seed = bb_filelist_seed(list);
	CHECK(seed->record_start == PAGE + 2000 && seed->wal.tli == 6);
	CHECK(strcmp(seed->history,
				 psprintf("2\t%X/%X\tbase backup made by "
						  "bbackup\n",
						  LSN_FORMAT_ARGS(PAGE + 2000))) == 0);
	memcpy(&header, seed->pages + seed->record_start % XLOG_BLCKSZ,
		   SizeOfXLogRecord);
	CHECK(header.xl_prev == PAGE + 1000);
	CHECK(bb_filelist_mtime(list) == 1700000000);

	list = bb_filelist_new(ctx, store, PAGE + 8000, &options);
	CHECK(bb_filelist_seed(list)->wal.tli == 6);
}

UNIT_TEST(filelist_refuses_bad_catalog)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);

	fixture_put_file(store, 0, "../../etc/passwd", "x");
	CHECK_ERROR(list_text(ctx, store, true), ERRCODE_DATA_CORRUPTED);

	store = empty_cluster(&info);
	put_database(store, 16400, 5, 0); /* no such tablespace */
	CHECK_ERROR(list_text(ctx, store, true), ERRCODE_DATA_CORRUPTED);

	store = empty_cluster(&info);
	put_database(store, GLOBALTABLESPACE_OID, 5, 0);
	CHECK_ERROR(list_text(ctx, store, true), ERRCODE_DATA_CORRUPTED);

	store = empty_cluster(&info);
	put_u32(store, bb_key_slru_size(BB_SLRU_XACT, 0), 33);
	CHECK_ERROR(list_text(ctx, store, true), ERRCODE_DATA_CORRUPTED);

	store = fixture_pagestore_new(&info); /* no control file */
	CHECK_ERROR(list_text(ctx, store, true), ERRCODE_DATA_CORRUPTED);
}

/* ---- the seed ---- */

static int
read_seed_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
			   XLogRecPtr record, char *buffer)
{
	const BbSeed *seed = reader->private_data;
	XLogSegNo	segment = page / seed->wal.segment_size;

	if (segment < seed->first_segment || segment > seed->last_segment)
		return -1;
	bb_seed_wal_page(seed, segment, page % seed->wal.segment_size,
					 (uint8 *) buffer);
	reader->seg.ws_tli = seed->wal.tli;
	return XLOG_BLCKSZ;
}

/* Does the server's own reader find the record, and nothing behind it? */
static void
check_seed(const BbReqCtx *ctx, XLogRecPtr lsn)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;
	BbSeed	   *seed;
	XLogReaderState *reader;
	XLogRecord *record;
	CheckPoint	checkpoint;
	char	   *message = NULL;
	pg_crc32c	crc;

	store = empty_cluster(&info);
	seed = bb_seed_new(ctx, store, lsn, lsn - 8, 2, NULL);

	reader = XLogReaderAllocate(SEGMENT_SIZE, NULL,
								XL_ROUTINE(.page_read = read_seed_page), seed);
	reader->system_identifier = SYSTEM_ID;
	/* who reads the segment from its start finds it too */
	CHECK(XLogFindNextRecord(reader, seed->first_segment * SEGMENT_SIZE) ==
		  seed->record_start);
	XLogBeginRead(reader, seed->control.checkPoint);
	record = XLogReadRecord(reader, &message);
	if (record == NULL)
		elog(ERROR, "no record at %X/%X: %s", LSN_FORMAT_ARGS(lsn),
			 message ? message : "no page");
	CHECK(record->xl_rmid == RM_XLOG_ID);
	CHECK(record->xl_info == XLOG_CHECKPOINT_SHUTDOWN);
	CHECK(record->xl_prev == lsn - 8);
	CHECK(reader->ReadRecPtr == seed->record_start);
	CHECK(reader->EndRecPtr == seed->record_end);
	CHECK(XLogRecGetDataLen(reader) == sizeof(checkpoint));
	memcpy(&checkpoint, XLogRecGetData(reader), sizeof(checkpoint));
	CHECK(checkpoint.redo == seed->record_start);
	CHECK(checkpoint.ThisTimeLineID == 2);
	CHECK(memcmp(&checkpoint, &seed->control.checkPointCopy,
				 sizeof(checkpoint)) == 0);
	CHECK(XLogReadRecord(reader, &message) == NULL);
	XLogReaderFree(reader);

	CHECK(seed->control.state == DB_SHUTDOWNED);
	CHECK(seed->control.minRecoveryPoint == 0);
	CHECK(seed->control.backupStartPoint == 0);
	CHECK(!seed->control.backupEndRequired);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &seed->control, offsetof(ControlFileData, crc));
	FIN_CRC32C(crc);
	CHECK(crc == seed->control.crc);
	pfree(seed);
}

UNIT_TEST(seed_at_every_place)
{
	XLogRecPtr	base = 100 * SEGMENT_SIZE;

	/* in the first page of a segment, over page ends, over the segment's */
	for (XLogRecPtr at = SizeOfXLogLongPHD; at <= 2 * XLOG_BLCKSZ; at += 8)
		if (at % XLOG_BLCKSZ == 0 || at % XLOG_BLCKSZ >= SizeOfXLogShortPHD)
			check_seed(ctx, base + at);
	for (XLogRecPtr at = SEGMENT_SIZE - 400; at <= SEGMENT_SIZE; at += 8)
		check_seed(ctx, base + at);
	/* not aligned, as the end of a record may be given */
	check_seed(ctx, base + 5001);
}

UNIT_TEST(seed_tli)
{
	BbPageStoreInfo info = cluster_info();
	BbSeed	   *seed;

	info.tli = 4;
	seed = bb_seed_new(ctx, empty_cluster(&info), LSN, PREV, 5,
					   "1\t0/100\tno reason\n\n2\t0/200\tx");
	CHECK(seed->wal.tli == 5);
	CHECK(strcmp(seed->history,
				 "1\t0/100\tno reason\n\n2\t0/200\tx\n"
				 "4\t0/12345678\tbase backup made by bbackup\n") == 0);

	seed = bb_seed_new(ctx, empty_cluster(&info), LSN, PREV, 9, NULL);
	CHECK(seed->wal.tli == 9);
	CHECK(strcmp(seed->history,
				 "4\t0/12345678\tbase backup made by bbackup\n") == 0);
}

UNIT_TEST(tlis)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	List	   *known;

	/* those of the store, of a history file's name, and of its lines */
	fixture_put_file(store, 0, "pg_wal/0000000C.history",
					 "1\t0/100\tx\n\nno line\n7\t0/200\tx\n");
	known = bb_tlis_known(ctx, store, bb_configfiles_new(ctx, store, LSN));
	CHECK(list_length(known) == 3);
	CHECK(list_member_oid(known, 1) && list_member_oid(known, 7) &&
		  list_member_oid(known, 12));

	CHECK(bb_tlis_choose(known, 1, 0) == 13);
	CHECK(bb_tlis_choose(NIL, 1, 0) == 2);
	CHECK(bb_tlis_choose(known, 1, 2) == 2);
	CHECK(bb_tlis_choose(known, 1, 99) == 99);
	CHECK_ERROR(bb_tlis_choose(known, 1, 1), ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_tlis_choose(NIL, 1, 1), ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_tlis_choose(known, 1, 7), ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_tlis_choose(known, 1, 12), ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_tlis_choose(known, 7, 3), ERRCODE_INVALID_PARAMETER_VALUE);
	known = list_make1_oid(PG_UINT32_MAX);
	CHECK(bb_tlis_choose(known, 1, 2) == 2);
	CHECK_ERROR(bb_tlis_choose(known, 1, 0), ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

/* ---- content and tar ---- */

static bytea *
tar_of(const BbReqCtx *ctx, BbPageStore *store, bool full, size_t chunk)
{
	BbBackupOptions options = options_of(full);
	uint64		size = bb_backup_size(ctx, store, LSN, &options);
	BbSink	   *sink = bb_sink_chunks_new(chunk);
	BbBackup   *backup = bb_backup_new(ctx, store, LSN, &options, 0,
									   BB_FORM_TAR, sink);
	bytea	   *tar = palloc(VARHDRSZ + size);
	size_t		filled = 0;
	size_t		before = 0;
	bool		more = true;

	while (more)
	{
		more = bb_backup_step(ctx, backup);
		CHECK(bb_sink_chunks_filled(sink) - before <= 65536);
		before = bb_sink_chunks_filled(sink);
		if (before >= chunk || !more)
		{
			bytea	   *taken = bb_sink_chunks_take(sink);

			CHECK(VARSIZE(taken) - VARHDRSZ == before);
			CHECK(filled + before <= size);
			memcpy(VARDATA(tar) + filled, VARDATA(taken), before);
			filled += before;
			before = 0;
		}
	}
	CHECK(!bb_backup_step(ctx, backup));
	CHECK(filled == size);
	SET_VARSIZE(tar, VARHDRSZ + size);
	return tar;
}

/* The content of a file in a tar; NULL: not there. */
static char *
tar_find(bytea *tar, const char *path, uint64 *size)
{
	char	   *at = VARDATA(tar);
	char	   *end = at + VARSIZE(tar) - VARHDRSZ - BB_TAR_END_SIZE;

	while (at < end)
	{
		*size = read_tar_number(at + 124, 12);
		CHECK(tarChecksum(at) == read_tar_number(at + 148, 8));
		if (strcmp(at, path) == 0)
			return at + TAR_BLOCK_SIZE;
		at += TAR_BLOCK_SIZE + *size + tarPaddingBytesRequired(*size);
	}
	CHECK(at == end);
	return NULL;
}

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
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, "prepared state..", 16);
	FIN_CRC32C(crc);
	CHECK(memcmp(data, "prepared state..", 16) == 0);
	CHECK(memcmp(data + 16, &crc, 4) == 0);

	data = tar_find(tar, "pg_logical/replorigin_checkpoint", &size);
	CHECK(data != NULL && size == 4 + 16 + 4);
	memcpy(&magic, data, 4);
	CHECK(magic == 0x1257DADE);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, 20);
	FIN_CRC32C(crc);
	CHECK(memcmp(data + 20, &crc, 4) == 0);

	data = tar_find(tar, "postgresql.conf", &size);
	CHECK(strstr(pnstrdup(data, size), "\nmax_prepared_transactions = 7\n") !=
		  NULL);
	CHECK(tar_find(tar, "pg_tblspc/16401/", &size) != NULL);
	CHECK(tar_find(tar, "neon.signal", &size) == NULL);
	data = tar_find(tar_of(ctx, store, false, 1), "neon.signal", &size);
	CHECK(strcmp(pnstrdup(data, size), "PREV LSN: 0/12345600") == 0);
}

/*
 * Every file but WAL is in the manifest, with its CRC; and nothing else is.
 */
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
		INIT_CRC32C(crc);
		COMP_CRC32C(crc, at + TAR_BLOCK_SIZE, size);
		FIN_CRC32C(crc);
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
				 "\"WAL-Ranges\": [\n"
				 "{ \"Timeline\": 3, \"Start-LSN\": \"0/12345678\", "
				 "\"End-LSN\": \"0/123456F0\" }\n],\n") != NULL);
}

/* More files than their entries' memory. */
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
file_text(const BbManifestText *text, const char *path, const char *checksum)
{
	StringInfoData buf;

	initStringInfo(&buf);
	bb_manifesttext_file(text, &buf, true, path, 12, (const uint8 *) checksum);
	return buf.data;
}

#define FILE_TAIL \
	", \"Size\": 12, \"Last-Modified\": \"2023-11-14 22:13:20 GMT\""

UNIT_TEST(manifest_text)
{
	BbSeed		seed = {0};
	BbManifestText text = {.mtime = 1700000000, .seed = &seed};
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

	seed.control.system_identifier = SYSTEM_ID;
	initStringInfo(&buf);
	bb_manifesttext_begin(&text, &buf);
	CHECK(strcmp(buf.data,
#if PG_VERSION_NUM >= 170000
				 "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
				 "\"System-Identifier\": 7000000000000000001,\n"
#else
				 "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n"
#endif
				 "\"Files\": [") == 0);
}

UNIT_TEST(backup_is_never_wrong)
{
	BbPageStore *store;
	Oid			spc = DEFAULTTABLESPACE_OID;
	uint8		page[BLCKSZ] = {0};

	/* a block twice */
	store = small_cluster();
	put_page(store, bb_key_rel_block(spc, 5, 1259, MAIN_FORKNUM, 1), 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);

	/* blocks missing: in the midst, at the end, of an init fork, an SLRU */
	store = small_cluster();
	put_u32(store, bb_key_rel_size(spc, 5, 2500, MAIN_FORKNUM), 3);
	put_page(store, bb_key_rel_block(spc, 5, 2500, MAIN_FORKNUM, 0), 1);
	put_page(store, bb_key_rel_block(spc, 5, 2500, MAIN_FORKNUM, 2), 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "base/5/2500") != NULL);
	store = small_cluster();
	put_u32(store, bb_key_rel_size(16400, 5, 5000, MAIN_FORKNUM), 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);
	store = small_cluster();
	put_u32(store, bb_key_rel_size(spc, 5, 2500, INIT_FORKNUM), 1);
	CHECK_ERROR(tar_of(ctx, store, false, 1), ERRCODE_DATA_CORRUPTED);
	store = small_cluster();
	put_u32(store, bb_key_slru_size(BB_SLRU_COMMIT_TS, 0), 1);
	CHECK_ERROR(tar_of(ctx, store, true, 1), ERRCODE_DATA_CORRUPTED);

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
	BbSink	   *sink = bb_sink_chunks_new(1);

	options.compression.algorithm = PG_COMPRESSION_GZIP;
	CHECK_ERROR(bb_backup_new(ctx, small_cluster(), LSN, &options, 0,
							  BB_FORM_FILES, sink),
				ERRCODE_INVALID_PARAMETER_VALUE);
	options.compression.algorithm = PG_COMPRESSION_NONE;
	bb_backup_new(ctx, small_cluster(), LSN, &options, 0, BB_FORM_FILES, sink);
}

/*
 * Blocks that no file has: of forks that were truncated, of relations dropped,
 * of SLRU segments that are shorter or gone.
 */
UNIT_TEST(backup_skips_blocks_behind_the_end)
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

	/* more than the pass steps over */
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

UNIT_TEST(largeobject_has_a_limit)
{
	uint64		limit = UINT64CONST(2147483647) * (BLCKSZ / 4);

	bb_sink_largeobject_check_size(0);
	bb_sink_largeobject_check_size(limit);
	CHECK_ERROR(bb_sink_largeobject_check_size(limit + 1),
				ERRCODE_PROGRAM_LIMIT_EXCEEDED);
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

UNIT_TEST(content_begins_anew)
{
	BbBackupOptions options = options_of(true);
	BbPageStore *store = small_cluster();
	BbFileList *list = bb_filelist_new(ctx, store, LSN, &options);
	BbContentReader *reader = bb_content_new(ctx, store, LSN,
											 bb_filelist_seed(list));
	BbMember	member;
	const uint8 *data;
	uint32		length;

	/* the same member twice, the first time left in the midst */
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
