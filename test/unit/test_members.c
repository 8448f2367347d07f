/*-------------------------------------------------------------------------
 *
 * test_members.c
 *	  Which members a base backup has, and how its pages are cut into units.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "backup/ranges.h"
#include "backup/units.h"
#include "catalog/pg_tablespace_d.h"
#include "cluster.h"
#include "members/memberpath.h"
#include "pgtar.h"
#include "sinks/stages.h"

/* "kind path size mode", a line each. */
static char *
list_text(const BbReqCtx *ctx, BbPageStore *store, bool full)
{
	BbBackupOptions options = options_of(full);
	BbFileList *list = bb_filelist_new(plan_of(ctx, store, LSN, &options));
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

#define VERSION_DIRECTORY TABLESPACE_VERSION_DIRECTORY
#if PG_VERSION_NUM >= 160000
#define RELMAP_SIZE "524"
#else
#define RELMAP_SIZE "512"
#endif

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
	check_text(pnstrdup(after_tree, twophase - after_tree),
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
			   "relmap base/5/pg_filenode.map " RELMAP_SIZE " 600\n"
			   "relation base/5/1259 24576 600\n"
			   "relation base/5/1259_fsm 8192 600\n"
			   "relation base/5/2000 0 600\n"
			   "relation base/5/3000 8192 600\n"
			   "relation base/5/3000_init 8192 600\n"
			   "relation base/5/3001 8192 600\n"
			   "relmap global/pg_filenode.map " RELMAP_SIZE " 600\n"
			   "relation global/1262 8192 600\n"
			   "directory pg_tblspc/16400/" VERSION_DIRECTORY "/5 0 700\n"
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

/* An archive for each tablespace comes first, then the rest. */
UNIT_TEST(filelist_archives)
{
	BbPageStore *store = small_cluster();
	BbBackupOptions options = options_of(true);
	BbBackupPlan *plan;
	BbFileList *list;
	BbMember	member;
	StringInfoData text;
	uint64		size = 3 * BB_TAR_END_SIZE;

	options.tablespaces = BB_TABLESPACES_ARCHIVES;
	plan = plan_of(ctx, store, LSN, &options);
	list = bb_filelist_new(plan);
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
			CHECK(memcmp(member.source.bytes,
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
	/* another walk over the same plan */
	bb_backup_measure(ctx, plan);
	CHECK(plan->size == size);

	/* a missing tablespace is an error here, too */
	put_database(store, 16500, 5, 0);
	CHECK_ERROR(bb_backup_measure(ctx, plan), ERRCODE_DATA_CORRUPTED);
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

/* The members of a fork of which only the size is stored. */
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

/* Is a member that was found by its path the one of the file list? */
static bool
same_member(const BbMember *a, const BbMember *b)
{
	if (a->kind != b->kind || a->content != b->content ||
		strcmp(a->path, b->path) != 0 || a->size != b->size ||
		a->mode != b->mode)
		return false;
	if (a->content == BB_CONTENT_SLRU)
		return a->source.slru.slru == b->source.slru.slru &&
			a->source.slru.segment == b->source.slru.segment;
	return a->source.relation.spc == b->source.relation.spc &&
		a->source.relation.db == b->source.relation.db &&
		a->source.relation.rel == b->source.relation.rel &&
		a->source.relation.fork == b->source.relation.fork &&
		a->source.relation.first == b->source.relation.first;
}

/*
 * Each path of the list names its member, if that is a relation or SLRU segment, and
 * none otherwise.  Returns how many do.
 */
static int
check_paths(const BbReqCtx *ctx, BbPageStore *store)
{
	BbBackupOptions options = options_of(true);
	const BbSnapshot *snapshot = unit_snapshot(store, LSN);
	BbFileList *list = bb_filelist_new(plan_of(ctx, store, LSN, &options));
	BbMember	member;
	int			n = 0;

	while (bb_filelist_next(ctx, list, &member))
	{
		bool		named = member.content == BB_CONTENT_RELATION ||
			member.content == BB_CONTENT_SLRU;
		BbMember	found;

		CHECK(bb_memberpath_find(ctx, snapshot, member.path, &found) == named);
		CHECK(!named || same_member(&found, &member));
		n += named;
	}
	bb_filelist_close(list);
	return n;
}

UNIT_TEST(memberpath_of_list)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);

	CHECK(check_paths(ctx, small_cluster()) > 5);
	put_database(store, DEFAULTTABLESPACE_OID, 5, 0);
	put_u32(store, bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 9, MAIN_FORKNUM),
			2 * RELSEG_SIZE + 1);
	put_u32(store, bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 10, MAIN_FORKNUM),
			2 * RELSEG_SIZE);
	put_u32(store, bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 11, MAIN_FORKNUM),
			0);
	CHECK(check_paths(ctx, store) >= 6);
}

/* A page that says which block it is. */
static void
put_numbered(BbPageStore *store, Oid rel, BlockNumber block)
{
	uint8		page[BLCKSZ] = {0};

	memcpy(page + 100, &block, sizeof(block));
	fixture_put(store,
				bb_key_rel_block(DEFAULTTABLESPACE_OID, 5, rel, MAIN_FORKNUM,
								 block),
				page, BLCKSZ);
}

/* Read blocks of relation 9; returns those that aren't what put_numbered has put. */
static int
wrong_blocks(const BbReqCtx *ctx, BbRangeReader *reader, const char *path,
			 int64 first, int64 count, BlockNumber expected)
{
	BbFileRange range = {path, first, count};
	uint8	   *pages = palloc(count * BLCKSZ);
	int			wrong = 0;

	bb_rangereader_read(ctx, reader, &range, 1, pages);
	for (int64 i = 0; i < count; i++)
	{
		BlockNumber block;

		memcpy(&block, pages + i * BLCKSZ + 100, sizeof(block));
		wrong += block != expected + i;
	}
	pfree(pages);
	return wrong;
}

UNIT_TEST(ranges_of_segments)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	BbRangeReader *reader;
	BlockNumber last = 2 * RELSEG_SIZE + 4;

	put_database(store, DEFAULTTABLESPACE_OID, 5, 0);
	put_u32(store, bb_key_rel_size(DEFAULTTABLESPACE_OID, 5, 9, MAIN_FORKNUM),
			last + 1);
	for (BlockNumber block = RELSEG_SIZE - 8; block < RELSEG_SIZE + 8; block++)
		put_numbered(store, 9, block);
	/* the store keeps a block after a truncation; it is none of the file */
	for (BlockNumber block = 2 * RELSEG_SIZE; block <= last + 1; block++)
		put_numbered(store, 9, block);
	reader = bb_rangereader_new(unit_snapshot(store, LSN));

	for (int count = 1; count <= 8; count++)
	{
		CHECK(wrong_blocks(ctx, reader, "base/5/9", RELSEG_SIZE - count, count,
						   RELSEG_SIZE - count) == 0);
		CHECK(wrong_blocks(ctx, reader, "base/5/9.1", 0, count, RELSEG_SIZE) ==
			  0);
		CHECK(wrong_blocks(ctx, reader, "base/5/9.1", 8 - count, count,
						   RELSEG_SIZE + 8 - count) == 0);
	}
	CHECK(wrong_blocks(ctx, reader, "base/5/9.2", 0, 5, 2 * RELSEG_SIZE) == 0);
	CHECK_ERROR(wrong_blocks(ctx, reader, "base/5/9.2", 0, 6, 0),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(wrong_blocks(ctx, reader, "base/5/9.2", 5, 1, 0),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(wrong_blocks(ctx, reader, "base/5/9", RELSEG_SIZE, 1, 0),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(wrong_blocks(ctx, reader, "base/5/9.3", 0, 1, 0),
				ERRCODE_UNDEFINED_FILE);
	/* one that was lost is an error, by a point read and by a scan */
	CHECK_ERROR(wrong_blocks(ctx, reader, "base/5/9", 0, 1, 0),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(wrong_blocks(ctx, reader, "base/5/9", 0, 8, 0),
				ERRCODE_DATA_CORRUPTED);
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

/* "relation fork first+count, ...", a line each. */
static char *
units_text(const BbReqCtx *ctx, BbPageStore *store, bool full)
{
	BbBackupOptions options = options_of(full);
	BbUnits	   *units = bb_units_new(plan_of(ctx, store, LSN, &options));
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
	/* a unit may have blocks of two segments, as two ranges */
	check_text(strstr(text, "1663/5/9 0 130800+"),
			   "1663/5/9 0 130800+256\n"
			   "1663/5/9 0 131056+16, 1663/5/9 0 131072+240\n"
			   "1663/5/9 0 131312+60\n");
}
