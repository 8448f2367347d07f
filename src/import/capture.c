/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  The small files of a data directory that are kept as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog_internal.h"
#include "import/capture.h"
#include "pagestore/captured.h"

/* A name in a ustar header, with its zero (pgtar.h). */
#define TAR_NAME_SIZE 100

/* Identifies a directory, whatever path leads to it. */
typedef struct DirectoryId
{
	uint64		device;
	uint64		inode;
} DirectoryId;

typedef struct Capture
{
	const BbDataDir *dir;
	BbInventory *inventory;
	List	   *skipped; /* DirectoryId *: not captured, wherever they are */
} Capture;

static void
add_id(Capture *capture, uint64 device, uint64 inode)
{
	DirectoryId *id = palloc(sizeof(DirectoryId));

	id->device = device;
	id->inode = inode;
	capture->skipped = lappend(capture->skipped, id);
}

static void
add_skipped(Capture *capture, const char *path)
{
	BbSourceStat st;

	if (bb_sourcetree_stat(capture->dir->tree, path, true, &st))
		add_id(capture, st.device, st.inode);
}

/*
 * Tablespaces, WAL, and the page store that is being written may be in the data
 * directory under any name.
 */
static void
find_skipped(Capture *capture, const char *store_directory)
{
	ListCell   *cell;
	struct stat st;

	foreach(cell, capture->inventory->tablespaces)
		add_skipped(capture,
					psprintf("pg_tblspc/%u",
							 ((BbTablespace *) lfirst(cell))->spc));
	add_skipped(capture, XLOGDIR);
	if (store_directory != NULL && stat(store_directory, &st) == 0)
		add_id(capture, st.st_dev, st.st_ino);
}

static bool
is_skipped(const Capture *capture, const BbSourceStat *st)
{
	ListCell   *cell;

	foreach(cell, capture->skipped)
	{
		const DirectoryId *id = lfirst(cell);

		if (id->device == st->device && id->inode == st->inode)
			return true;
	}
	return false;
}

/* Say why a backup can't have a file with this path; NULL: it can. */
static const char *
path_error(const char *path)
{
	return strlen(path) >= TAR_NAME_SIZE ? "Its path is too long for tar."
										 : NULL;
}

/* Returns false if the file is omitted. */
static bool
add_file(const Capture *capture, const char *path, const BbSourceStat *st)
{
	BbInventory *inventory = capture->inventory;
	const char *complaint = st->size > BB_CAPTURED_MAX_SIZE
		? "It is too large to be configuration."
		: path_error(path);
	BbCapturedFile *file;

	if (complaint != NULL)
	{
		bb_datadir_warn(capture->dir->path, path, complaint);
		return false;
	}
	file = palloc0(sizeof(BbCapturedFile));
	file->mode = st->mode & BB_CAPTURED_MODE_MASK;
	file->size = st->size;
	file->path = pstrdup(path);
	inventory->files = lappend(inventory->files, file);
	inventory->bytes += file->size;
	return true;
}

/* Add a directory without captured files, so that a backup has it. */
static bool
add_directory(const Capture *capture, const char *path)
{
	BbInventory *inventory = capture->inventory;
	const char *complaint = path_error(path);
	BbCapturedDirectory *directory;

	if (complaint != NULL)
	{
		bb_datadir_warn(capture->dir->path, path, complaint);
		return false;
	}
	directory = palloc0(sizeof(BbCapturedDirectory));
	directory->path = pstrdup(path);
	inventory->directories = lappend(inventory->directories, directory);
	return true;
}

/* Report a link: readers of a backup can read its target. */
static void
report_link(const Capture *capture, const char *path)
{
	char	   *target = bb_sourcetree_link_target(capture->dir->tree, path);

	if (target == NULL)
		return;
	ereport(NOTICE,
			(errmsg("file \"%s\" is a symbolic link to \"%s\", whose content is stored",
					path, target)));
}

/*
 * Capture the files in a directory ("": the data directory itself), and in the
 * directories below it that aren't the server's.  If it has no such file,
 * capture the directory itself, since configuration may refer to it
 * (include_dir).
 *
 * Returns false if nothing was captured.
 */
static bool
capture_directory(const BbReqCtx *ctx, const Capture *capture,
				  const char *below)
{
	bool		top = below[0] == '\0';
	bool		captured = false;
	char	   *path = psprintf("%s%s%s", capture->dir->path, top ? "" : "/",
								below);
	const BbSourceTree *tree = capture->dir->tree;
	BbSourceList *names = bb_sourcetree_list(ctx, tree, below, false);
	const char *name;

	while ((name = bb_sourcelist_next(ctx, names)) != NULL)
	{
		char	   *relative = psprintf("%s%s%s", below, top ? "" : "/", name);
		BbSourceStat st;

		if (!bb_sourcetree_stat(tree, relative, false, &st))
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s/%s\": %m", path,
							name)));
		if (st.kind == BB_SOURCE_DIRECTORY)
		{
			if ((!top || !bb_captured_is_known_directory(name)) &&
				!is_skipped(capture, &st) &&
				capture_directory(ctx, capture, relative))
				captured = true;
		}
		else if (top &&
				 (bb_captured_is_known_directory(name) ||
				  bb_captured_is_excluded(name)))
			continue; /* for example, a link to pg_wal */
		else if (!bb_sourcetree_stat(tree, relative, true, &st))
			bb_datadir_warn(path, name, "It is a broken symbolic link.");
		else if (st.kind == BB_SOURCE_FILE)
		{
			report_link(capture, relative);
			if (add_file(capture, relative, &st))
				captured = true;
		}
		else
			bb_datadir_warn(path, name,
							st.kind == BB_SOURCE_DIRECTORY
								? "It is a link to a directory."
								: "It is not a regular file.");
		pfree(relative);
	}
	bb_sourcelist_close(names);
	pfree(path);
	return captured || top || add_directory(capture, below);
}

static void
capture_histories(const BbReqCtx *ctx, const Capture *capture)
{
	const BbSourceTree *tree = capture->dir->tree;
	BbSourceList *names = bb_sourcetree_list(ctx, tree, XLOGDIR, true);
	const char *name;

	/* a base backup whose WAL is in an archive may have no pg_wal */
	if (names == NULL)
		return;
	while ((name = bb_sourcelist_next(ctx, names)) != NULL)
	{
		char	   *path;
		BbSourceStat st;

		if (!IsTLHistoryFileName(name))
			continue;
		path = psprintf(XLOGDIR "/%s", name);
		if (!bb_sourcetree_stat(tree, path, true, &st))
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s/%s\": %m",
							capture->dir->path, path)));
		if (st.kind == BB_SOURCE_FILE)
			(void) add_file(capture, path, &st);
		pfree(path);
	}
	bb_sourcelist_close(names);
}

static int
compare_directories(const ListCell *a, const ListCell *b)
{
	return strcmp(((const BbCapturedDirectory *) lfirst(a))->path,
				  ((const BbCapturedDirectory *) lfirst(b))->path);
}

static int
compare_files(const ListCell *a, const ListCell *b)
{
	return strcmp(((const BbCapturedFile *) lfirst(a))->path,
				  ((const BbCapturedFile *) lfirst(b))->path);
}

void
bb_capture_find(const BbReqCtx *ctx, const BbDataDir *dir,
				const char *store_directory, BbInventory *inventory)
{
	Capture		capture = {dir, inventory, NIL};
	uint32		ordinal = 0;
	ListCell   *cell;

	find_skipped(&capture, store_directory);
	(void) capture_directory(ctx, &capture, "");
	capture_histories(ctx, &capture);
	list_sort(inventory->files, compare_files);
	foreach(cell, inventory->files)
		((BbCapturedFile *) lfirst(cell))->ordinal = ++ordinal;
	list_sort(inventory->directories, compare_directories);
	ordinal = 0;
	foreach(cell, inventory->directories)
		((BbCapturedDirectory *) lfirst(cell))->ordinal = ++ordinal;
}
