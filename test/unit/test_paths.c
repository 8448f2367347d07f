/*-------------------------------------------------------------------------
 *
 * test_paths.c
 *	  Paths in a page store, and links in its directory, lead nowhere else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "members/member.h"
#include "pagestore/captured.h"
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
		CHECK(bb_storedpath_error(good[i]) == NULL);
		make_member(good[i]);
	}
	for (int i = 0; i < lengthof(bad); i++)
	{
		CHECK(bb_storedpath_error(bad[i]) != NULL);
		CHECK_ERROR(make_member(bad[i]), ERRCODE_DATA_CORRUPTED);
	}

	initStringInfo(&deep);
	while (deep.len < MAXPGPATH)
		appendStringInfoString(&deep, "d/");
	appendStringInfoChar(&deep, 'd');
	CHECK(bb_storedpath_error(deep.data) != NULL);
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
		CHECK(bb_captured_error(good[i]) == NULL);
	for (int i = 0; i < lengthof(bad); i++)
		CHECK(bb_captured_error(bad[i]) != NULL);
}

/* Write an object; the first one makes the store's directory. */
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

/* ---- links and other files in a store's directory ---- */

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

	(void) bb_manifest_sweep(ctx, store, "main");
	CHECK(!is_there(store, layer));
	CHECK(is_there(store, outside));
	CHECK(is_there(store, "victim/.x.tmp"));
	CHECK(is_there(store, "victim/empty"));
	CHECK(is_there(store, "timelines/main/layers/README"));
	CHECK(is_there(store, "timelines/main/layers/link"));
}

/* All operations on a directory that is a link, and on a file that is one. */
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
