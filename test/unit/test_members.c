/*-------------------------------------------------------------------------
 *
 * test_members.c
 *	  Which members a base backup has, and how its pages are cut into units.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "backup/units.h"
#include "catalog/pg_tablespace_d.h"
#include "cluster.h"
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
#define RELMAP_SIZE CppAsString2(BB_RELMAP_SIZE)

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
