/*-------------------------------------------------------------------------
 *
 * test_untrusted.c
 *	  Impossible values in a store, with all checksums right.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/clusterfile.h"
#include "base/codec.h"
#include "base/storedpath.h"
#include "catalog/pg_tablespace_d.h"
#include "common/controldata_utils.h"
#include "layer/manifest_codec.h"
#include "members/member.h"
#include "miscadmin.h"
#include "pagestore/captured.h"
#include "pagestore/catalog.h"
#include "unit.h"

/* ---- paths ---- */

static char *
repeat(char c, size_t n)
{
	char	   *text = palloc(n + 1);

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static void
make_member(const char *path)
{
	BbMember	member;

	bb_member_init(&member, BB_MEMBER_CONFIG, 0600, "%s", path);
}

UNIT_TEST(storedpath_leads_nowhere_else)
{
	const char *good[] =
		{"a",		 "base/5/1259", "..a",
		 "a..",		 "...",			"a/.b",
		 "conf.d/ ", "a\\b",		repeat('x', BB_STOREDPATH_PART_MAX)};
	const char *bad[] = {"",
						 "/",
						 "/etc/passwd",
						 ".",
						 "..",
						 "../a",
						 "a/..",
						 "a/../b",
						 "a/./b",
						 "./a",
						 "a/.",
						 "a//b",
						 "a/",
						 "global/../../x",
						 repeat('x', BB_STOREDPATH_PART_MAX + 1)};
	StringInfoData deep;

	for (int i = 0; i < lengthof(good); i++)
	{
		CHECK(bb_storedpath_complaint(good[i]) == NULL);
		make_member(good[i]);
	}
	for (int i = 0; i < lengthof(bad); i++)
	{
		CHECK(bb_storedpath_complaint(bad[i]) != NULL);
		CHECK_ERROR(make_member(bad[i]), ERRCODE_DATA_CORRUPTED);
	}

	initStringInfo(&deep);
	while (deep.len < MAXPGPATH)
		appendStringInfoString(&deep, "d/");
	appendStringInfoChar(&deep, 'd');
	CHECK(bb_storedpath_complaint(deep.data) != NULL);
}

UNIT_TEST(captured_paths)
{
	const char *good[] = {"postgresql.conf", "conf.d/a.conf", "mine/base",
						  "pg_wal/00000002.history", "mine/PG_VERSION"};
	const char *bad[] = {"base/1/1259",
						 "global/pg_control",
						 "PG_VERSION",
						 "pg_wal/000000010000000000000001",
						 "pg_wal/x/00000002.history",
						 "pg_tblspc/16400",
						 "standby.signal",
						 "recovery.signal",
						 "backup_label",
						 "tablespace_map",
						 "postmaster.pid",
						 "base",
						 "pg_wal",
						 "pg_wal/00000002.history/x",
						 "../x"};

	for (int i = 0; i < lengthof(good); i++)
		CHECK(bb_captured_complaint(good[i]) == NULL);
	for (int i = 0; i < lengthof(bad); i++)
		CHECK(bb_captured_complaint(bad[i]) != NULL);
}

/* An object; with the first one the store has its directory. */
static void
write_object(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	BbObjectWriter *writer = bb_object_create(ctx, store, name);

	bb_object_write(ctx, writer, "x", 1);
	bb_object_finish(ctx, writer);
}

/* ---- opening beneath a directory ---- */

typedef int (*OpenBeneath) (int, const char *, int, mode_t);

static void
check_open(OpenBeneath open_beneath, int root, const char *path, bool expected)
{
	int			fd = open_beneath(root, path, O_RDONLY, 0);

	if (fd >= 0)
		(void) close(fd);
	if ((fd >= 0) != expected)
		elog(ERROR, "\"%s\": %s", path, expected ? "refused" : "opened");
}

static void
check_beneath(OpenBeneath open_beneath, int root)
{
	static const char *const good[] = {"d/f", "d/e/g", "d",
									   "d/e", ".",	   "./d/f"};
	static const char *const bad[] = {"..",			 "../x",	"d/../d/f",
									  "/",			 "/etc",	"link",
									  "link/f",		 "d/out",	"d/out/f",
									  "d/file_link", "d/none",	"d/f/x",
									  "d/loop",		 "d/up/d/f"};

	for (int i = 0; i < lengthof(good); i++)
		check_open(open_beneath, root, good[i], true);
	for (int i = 0; i < lengthof(bad); i++)
		check_open(open_beneath, root, bad[i], false);

	/* nothing is made through a link */
	CHECK(open_beneath(root, "link/made", O_WRONLY | O_CREAT, 0600) < 0);
	CHECK(open_beneath(root, "d/dangling", O_WRONLY | O_CREAT, 0600) < 0);
	CHECK(faccessat(root, "d/made", F_OK, 0) < 0);
}

UNIT_TEST(beneath_follows_no_link)
{
	BbObjectStore *store = unit_store(ctx);
	char	   *path = unit_object_path(store, "beneath");
	int			root;
	int			fd;

	write_object(ctx, store, "object");
	CHECK(mkdir(path, 0700) == 0);
	root = open(path, O_RDONLY | O_DIRECTORY);
	CHECK(root >= 0);
	CHECK(mkdirat(root, "d", 0700) == 0 && mkdirat(root, "d/e", 0700) == 0);
	fd = openat(root, "d/f", O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && close(fd) == 0);
	fd = openat(root, "d/e/g", O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK(symlinkat("d", root, "link") == 0);
	CHECK(symlinkat("/etc", root, "d/out") == 0);
	CHECK(symlinkat("f", root, "d/file_link") == 0);
	CHECK(symlinkat("loop", root, "d/loop") == 0);
	CHECK(symlinkat("..", root, "d/up") == 0);
	CHECK(symlinkat("made", root, "d/dangling") == 0);

	check_beneath(bb_openat_beneath, root);
	check_beneath(bb_openat_by_parts, root);
	CHECK(close(root) == 0);
}

/* ---- a manifest's facts ---- */

static BbManifest *
good_manifest(void)
{
	BbManifest *manifest = palloc0(sizeof(BbManifest));

	manifest->timeline = pstrdup("main");
	manifest->generation = 3;
	manifest->pg_version_num = PG_VERSION_NUM;
	manifest->system_identifier = 42;
	manifest->wal_segment_size = 16 * 1024 * 1024;
	manifest->data_checksum_version = 1;
	manifest->tli = 3;
	manifest->nswitches = 2;
	manifest->switches = palloc0(2 * sizeof(BbTliSwitch));
	manifest->switches[0] = (BbTliSwitch){1, 500};
	manifest->switches[1] = (BbTliSwitch){2, 600};
	manifest->directory_mode = 0700;
	manifest->start_lsn = 400;
	manifest->end_lsn = 1000;
	manifest->prev_lsn = 900;
	manifest->end_time = 1700000000;
	manifest->ancestor = pstrdup("old");
	manifest->ancestor_lsn = 400;
	manifest->nlayers = 1;
	manifest->layers = palloc0(sizeof(BbLayerDesc));
	manifest->layers[0].keys = bb_key_range_all();
	manifest->layers[0].lsn_start = 400;
	manifest->layers[0].lsn_end = 401;
	manifest->layers[0].image = true;
	manifest->layers[0].size = 10000;
	manifest->layers[0].entries = 10;
	return manifest;
}

static bool
decodes(const BbManifest *manifest)
{
	StringInfoData buf;
	const char *complaint = NULL;
	bool		good;

	initStringInfo(&buf);
	bb_manifest_encode(manifest, &buf);
	good = bb_manifest_decode(buf.data, buf.len, &complaint) != NULL;
	CHECK(good == (complaint == NULL));
	return good;
}

/* One fact changed, its checksum right. */
#define CHECK_FACT(good, change)                                             \
	do                                                                       \
	{                                                                        \
		BbManifest *m = good_manifest();                                     \
                                                                             \
		change;                                                              \
		if (decodes(m) != (good))                                            \
			elog(ERROR, "%s: %s", #change,         \
				 (good) ? "refused" : "believed"); \
	} while (0)

UNIT_TEST(manifest_facts_are_checked)
{
	CHECK_FACT(true, (void) m);
	CHECK_FACT(true, m->directory_mode = 0750);
	CHECK_FACT(true, m->wal_segment_size = 1024 * 1024);
	CHECK_FACT(true, m->start_lsn = BB_LSN_UNKNOWN);
	/* the base backup of a standby, before its WAL is through */
	CHECK_FACT(true, m->start_lsn = 1001);
	CHECK_FACT(true, m->prev_lsn = 0);
	CHECK_FACT(true, m->switches[1].until = 500);
	CHECK_FACT(true, m->ancestor = NULL; m->ancestor_lsn = 0);

	CHECK_FACT(false, m->timeline = pstrdup("../x"));
	CHECK_FACT(false, m->timeline = pstrdup(""));
	CHECK_FACT(false, m->generation = 0);
	CHECK_FACT(false, m->pg_version_num = 0);
	CHECK_FACT(false, m->pg_version_num = PG_UINT32_MAX);
	CHECK_FACT(false, m->wal_segment_size = 0);
	CHECK_FACT(false, m->wal_segment_size = 3 * 1024 * 1024);
	CHECK_FACT(false, m->wal_segment_size = PG_UINT32_MAX);
	CHECK_FACT(false, m->data_checksum_version = 2);
	CHECK_FACT(false, m->tli = 0);
	CHECK_FACT(false, m->tli = 2);
	CHECK_FACT(false, m->switches[0].tli = 0);
	CHECK_FACT(false, m->switches[0].tli = 2);
	CHECK_FACT(false, m->switches[0].until = 601);
	CHECK_FACT(false, m->switches[1].until = 1001);
	CHECK_FACT(false, m->directory_mode = 0777);
	CHECK_FACT(false, m->directory_mode = 04700);
	CHECK_FACT(false, m->directory_mode = 0);
	CHECK_FACT(false, m->start_lsn = 0);
	CHECK_FACT(false, m->end_lsn = BB_LSN_UNKNOWN);
	CHECK_FACT(false, m->prev_lsn = 1000);
	CHECK_FACT(false, m->end_time = -1);
	CHECK_FACT(false, m->end_time = PG_INT64_MAX);
	CHECK_FACT(false, m->ancestor = pstrdup("../old"));
	CHECK_FACT(false, m->ancestor = pstrdup("main"));
	CHECK_FACT(false, m->ancestor = NULL);
	CHECK_FACT(false, m->ancestor_lsn = 0);
	CHECK_FACT(false, m->ancestor_lsn = 401);
	CHECK_FACT(false, m->layers[0].keys.end = m->layers[0].keys.start);
	CHECK_FACT(false, m->layers[0].lsn_end = 400);
	CHECK_FACT(false, m->layers[0].lsn_end = 402);
	CHECK_FACT(false, m->layers[0].image = false; m->layers[0].lsn_end = 1002);
	CHECK_FACT(false, m->layers[0].size = 0);
	CHECK_FACT(false, m->layers[0].size = PG_UINT64_MAX);
	CHECK_FACT(false, m->layers[0].entries = 0);
	CHECK_FACT(false, m->layers[0].entries = PG_UINT64_MAX);
}

/* ---- what exists ---- */

static BbPageStore *
catalog_store(void)
{
	BbPageStoreInfo info = {.timeline = "main"};

	return fixture_pagestore_new(&info);
}

static void
check_file(const BbReqCtx *ctx, BbKey key, mode_t mode, uint64 size,
		   const char *path, bool good)
{
	BbPageStore *store = catalog_store();
	BbCapturedFile file = {0, mode, size, unconstify(char *, path)};
	BbCatalogScan *scan;
	StringInfoData value;

	initStringInfo(&value);
	bb_catalog_encode_file(&file, &value);
	fixture_put(store, key, value.data, value.len);
	scan = bb_catalog_scan_new(ctx, unit_snapshot(store, 1),
							   BB_KEY_FILE_ENTRY);
	if (good)
		CHECK(bb_catalog_next_file(ctx, scan, &file));
	else
	{
		CHECK_ERROR(bb_catalog_next_file(ctx, scan, &file),
					ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, "\"main\"") != NULL);
	}
}

static BbKey
file_key(void)
{
	return bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, 7, 0, 0);
}

UNIT_TEST(captured_files_are_checked)
{
	check_file(ctx, file_key(), 0600, 10, "a.conf", true);
	check_file(ctx, file_key(), 0755, BB_CAPTURED_MAX_SIZE, "a.conf", true);
	check_file(ctx, file_key(), 04755, 10, "a.conf", false);
	check_file(ctx, file_key(), 02755, 10, "a.conf", false);
	check_file(ctx, file_key(), 01755, 10, "a.conf", false);
	check_file(ctx, file_key(), 0620, 10, "a.conf", false);
	check_file(ctx, file_key(), 0602, 10, "a.conf", false);
	check_file(ctx, file_key(), 0100600, 10, "a.conf", false);
	check_file(ctx, file_key(), 0600, BB_CAPTURED_MAX_SIZE + 1, "a.conf",
			   false);
	check_file(ctx, file_key(), 0600, 10, "../a.conf", false);
	check_file(ctx, file_key(), 0600, 10, "global/pg_control", false);
	check_file(ctx, file_key(), 0600, 10, "", false);
	/* the same file again, by another key */
	check_file(ctx, bb_key_make(BB_KEY_FILE_ENTRY, 1, 0, 7, 0, 0), 0600, 10,
			   "a.conf", false);
	check_file(ctx, bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, 7, 0, 1), 0600, 10,
			   "a.conf", false);
}

typedef bool (*NextEntry) (const BbReqCtx *ctx, BbCatalogScan *scan);

static bool
next_tablespace(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbTablespace tablespace;

	return bb_catalog_next_tablespace(ctx, scan, &tablespace);
}

static bool
next_database(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbDatabase	database;

	return bb_catalog_next_database(ctx, scan, &database);
}

static bool
next_relation(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbRelation	relation;

	return bb_catalog_next_relation(ctx, scan, &relation);
}

static bool
next_segment(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbSlruSegment segment;

	return bb_catalog_next_slru_segment(ctx, scan, &segment);
}

static bool
next_twophase(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbTwophase	twophase;

	return bb_catalog_next_twophase(ctx, scan, &twophase);
}

static bool
next_origin(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbOrigin	origin;

	return bb_catalog_next_origin(ctx, scan, &origin);
}

static void
check_entry(const BbReqCtx *ctx, NextEntry next, BbKey key, const void *value,
			size_t length, bool good)
{
	BbPageStore *store = catalog_store();
	BbCatalogScan *scan;

	fixture_put(store, key, value, length);
	scan = bb_catalog_scan_new(ctx, unit_snapshot(store, 1),
							   (BbKeyKind) key.bytes[0]);
	if (good)
		CHECK(next(ctx, scan));
	else
		CHECK_ERROR((void) next(ctx, scan), ERRCODE_DATA_CORRUPTED);
}

static void
check_number(const BbReqCtx *ctx, NextEntry next, BbKey key, uint32 number,
			 bool good)
{
	uint8		bytes[4];

	bb_put_le32(bytes, number);
	check_entry(ctx, next, key, bytes, sizeof(bytes), good);
}

UNIT_TEST(catalog_entries_are_checked)
{
	uint8		eight[8] = {0};
	BbKeyKind	size = BB_KEY_REL_SIZE;

	check_entry(ctx, next_tablespace,
				bb_key_make(BB_KEY_TABLESPACE, 16400, 0, 0, 0, 0), "/x", 2,
				true);
	check_entry(ctx, next_tablespace,
				bb_key_make(BB_KEY_TABLESPACE, DEFAULTTABLESPACE_OID, 0, 0, 0,
							0),
				"/x", 2, false);
	check_entry(ctx, next_tablespace,
				bb_key_make(BB_KEY_TABLESPACE, 0, 0, 0, 0, 0), "/x", 2, false);
	check_entry(ctx, next_tablespace,
				bb_key_make(BB_KEY_TABLESPACE, 16400, 0, 0, 0, 0), "/x\0y", 4,
				false);
	check_entry(ctx, next_database,
				bb_key_make(BB_KEY_DATABASE, 1663, 0, 0, 0, 0), eight, 1,
				false);
	check_entry(ctx, next_database,
				bb_key_make(BB_KEY_DATABASE, 1664, 5, 0, 0, 0), eight, 1,
				false);

	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 0, 0), 1,
				 true);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 0, 0),
				 MaxBlockNumber, true);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 0, 0),
				 InvalidBlockNumber, false);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 0, 0, 0), 1,
				 false);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 4, 0), 1,
				 false);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 0, 1), 1,
				 false);

	check_number(ctx, next_segment, bb_key_slru_size(BB_SLRU_XACT, 5), 32,
				 true);
	check_number(ctx, next_segment, bb_key_slru_size(BB_SLRU_XACT, 5), 33,
				 false);
	check_number(ctx, next_segment, bb_key_slru_size((BbSlru) 4, 5), 1, false);
	check_number(ctx, next_segment,
				 bb_key_slru_size(BB_SLRU_XACT, UINT64CONST(1) << 40), 1,
				 false);

	check_number(ctx, next_twophase, bb_key_twophase_size(700), 100, true);
	check_number(ctx, next_twophase, bb_key_twophase_size(1), 100, false);
	check_number(ctx, next_twophase, bb_key_twophase_size(700), PG_UINT32_MAX,
				 false);

	check_entry(ctx, next_origin,
				bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 3, 0, 0), eight,
				8, true);
	check_entry(ctx, next_origin,
				bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 0, 0, 0), eight,
				8, false);
	check_entry(ctx, next_origin,
				bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 65536, 0, 0),
				eight, 8, false);
}

/* ---- links and strangers in a store's directory ---- */

static char *
layer_name(char first)
{
	return psprintf("image-%c%035d-%016d-%016d", first, 0, 100, 7);
}

static void
make_file(BbObjectStore *store, const char *name)
{
	int			fd = open(unit_object_path(store, name), O_WRONLY | O_CREAT,
						  0600);

	CHECK(fd >= 0 && close(fd) == 0);
}

static bool
is_there(BbObjectStore *store, const char *name)
{
	struct stat st;

	return lstat(unit_object_path(store, name), &st) == 0;
}

UNIT_TEST(sweep_follows_no_link)
{
	BbObjectStore *store = unit_store(ctx);
	char	   *layer = psprintf("timelines/main/layers/%s", layer_name('1'));
	char	   *outside = psprintf("victim/%s", layer_name('2'));

	write_object(ctx, store, "object");
	CHECK(mkdir(unit_object_path(store, "victim"), 0700) == 0);
	CHECK(mkdir(unit_object_path(store, "victim/empty"), 0700) == 0);
	CHECK(mkdir(unit_object_path(store, "timelines"), 0700) == 0);
	CHECK(mkdir(unit_object_path(store, "timelines/main"), 0700) == 0);
	CHECK(mkdir(unit_object_path(store, "timelines/main/layers"), 0700) == 0);
	make_file(store, layer);
	make_file(store, outside);
	make_file(store, "victim/.x.tmp");
	make_file(store, "timelines/main/layers/README");
	CHECK(symlink("../../../victim",
				  unit_object_path(store, "timelines/main/layers/link")) == 0);
	CHECK(symlink("../../victim",
				  unit_object_path(store, "timelines/main/link")) == 0);

	bb_manifest_sweep(ctx, store, "main", NULL);
	CHECK(!is_there(store, layer));
	CHECK(is_there(store, outside));
	CHECK(is_there(store, "victim/.x.tmp"));
	CHECK(is_there(store, "victim/empty"));
	CHECK(is_there(store, "timelines/main/layers/README"));
	CHECK(is_there(store, "timelines/main/layers/link"));
}

/* Everything through a directory that is a link, and a file that is one. */
UNIT_TEST(local_store_follows_no_link)
{
	BbObjectStore *store = unit_store(ctx);
	char	   *data;
	size_t		length;
	BbObjectTag tag;

	write_object(ctx, store, "victim/file");
	CHECK(symlink("victim", unit_object_path(store, "t")) == 0);
	CHECK_ERROR(write_object(ctx, store, "t/new"), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) bb_objstore_lock(ctx, store, "t/lock"),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_objstore_remove(ctx, store, "t/file"),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) bb_objstore_list(ctx, store, "t"),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_objstore_sweep(ctx, store, "t"), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) bb_object_open(ctx, store, "t/file"),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) bb_objstore_get(ctx, store, "t/file", 100, &data,
									   &length, &tag),
				ERRCODE_DATA_CORRUPTED);
	CHECK(is_there(store, "victim/file"));
	CHECK(!is_there(store, "victim/new"));

	CHECK(symlink("file", unit_object_path(store, "victim/link")) == 0);
	CHECK(symlink("../made", unit_object_path(store, "victim/.l.lock")) == 0);
	CHECK(symlink("../made", unit_object_path(store, "victim/.n.tmp")) == 0);
	CHECK_ERROR((void) bb_object_open(ctx, store, "victim/link"),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) bb_objstore_lock(ctx, store, "victim/l"),
				ERRCODE_DATA_CORRUPTED);
	write_object(ctx, store, "victim/n");
	CHECK(is_there(store, "victim/n") && !is_there(store, "made"));
}

/* ---- files of the cluster ---- */

/* The server's own control file, changed by a function, its checksum right. */
static bool
control_is_good(void (*change) (ControlFileData *))
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	change(control);
	INIT_CRC32C(control->crc);
	COMP_CRC32C(control->crc, control, offsetof(ControlFileData, crc));
	FIN_CRC32C(control->crc);
	return bb_control_complaint(control, sizeof(*control)) == NULL;
}

#define CONTROL_CHANGE(name, change)              \
	static void change_##name(ControlFileData *c) \
	{                                             \
		change;                                   \
	}

CONTROL_CHANGE(nothing, (void) c)
CONTROL_CHANGE(version, c->pg_control_version++)
CONTROL_CHANGE(catalog, c->catalog_version_no++)
CONTROL_CHANGE(block, c->blcksz = 0)
CONTROL_CHANGE(relseg, c->relseg_size = 0)
CONTROL_CHANGE(wal_block, c->xlog_blcksz = 0)
CONTROL_CHANGE(segment, c->xlog_seg_size = 0)
CONTROL_CHANGE(align, c->maxAlign = 3)
CONTROL_CHANGE(names, c->nameDataLen = 0)
CONTROL_CHANGE(prepared, c->max_prepared_xacts = -1)
CONTROL_CHANGE(connections, c->MaxConnections = PG_INT32_MAX)
CONTROL_CHANGE(level, c->wal_level = 99)
CONTROL_CHANGE(state, c->state = (DBState) 99)
CONTROL_CHANGE(flag, memset(&c->track_commit_timestamp, 7, 1))

UNIT_TEST(control_file_is_checked)
{
	void (*changes[])(ControlFileData *) =
		{change_version,   change_catalog,	   change_block, change_relseg,
		 change_wal_block, change_segment,	   change_align, change_names,
		 change_prepared,  change_connections, change_level, change_state,
		 change_flag};
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	CheckPoint	checkpoint = control->checkPointCopy;

	CHECK(control_is_good(change_nothing));
	for (int i = 0; i < lengthof(changes); i++)
		if (control_is_good(changes[i]))
			elog(ERROR, "change %d was believed", i);
	control->crc++;
	CHECK(bb_control_complaint(control, sizeof(*control)) != NULL);
	CHECK(bb_control_complaint(control, sizeof(*control) - 1) != NULL);

	CHECK(bb_checkpoint_complaint(&checkpoint, sizeof(checkpoint)) == NULL);
	CHECK(bb_checkpoint_complaint(&checkpoint, sizeof(checkpoint) - 1) !=
		  NULL);
	checkpoint.time = -1;
	CHECK(bb_checkpoint_complaint(&checkpoint, sizeof(checkpoint)) != NULL);
	checkpoint = control->checkPointCopy;
	checkpoint.nextXid = FullTransactionIdFromU64(1);
	CHECK(bb_checkpoint_complaint(&checkpoint, sizeof(checkpoint)) != NULL);
}
