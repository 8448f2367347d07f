/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  The small files of a data directory that are kept as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "import/capture.h"
#include "pagestore/captured.h"
#include "storage/fd.h"

/* A name in a ustar header, with its zero (pgtar.h). */
#define TAR_NAME_SIZE 100

/* Identifies a directory, whatever path leads to it. */
typedef struct DirectoryId
{
	dev_t		device;
	ino_t		inode;
} DirectoryId;

typedef struct Capture
{
	const BbDataDir *dir;
	BbInventory *inventory;
	List	   *skipped; /* DirectoryId *: not captured, wherever they are */
} Capture;

static void
add_skipped(Capture *capture, const char *path)
{
	struct stat st;
	DirectoryId *id;

	if (stat(path, &st) < 0)
		return;
	id = palloc(sizeof(DirectoryId));
	id->device = st.st_dev;
	id->inode = st.st_ino;
	capture->skipped = lappend(capture->skipped, id);
}

/*
 * Tablespaces, WAL, and the page store that is being written may be in the data
 * directory under any name.
 */
static void
find_skipped(Capture *capture, const char *store_directory)
{
	const char *path = capture->dir->path;
	ListCell   *cell;

	foreach(cell, capture->inventory->tablespaces)
		add_skipped(capture,
					psprintf("%s/pg_tblspc/%u", path,
							 ((BbTablespace *) lfirst(cell))->spc));
	add_skipped(capture, psprintf("%s/" XLOGDIR, path));
	if (store_directory != NULL)
		add_skipped(capture, store_directory);
}

static bool
is_skipped(const Capture *capture, const struct stat *st)
{
	ListCell   *cell;

	foreach(cell, capture->skipped)
	{
		const DirectoryId *id = lfirst(cell);

		if (id->device == st->st_dev && id->inode == st->st_ino)
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
add_file(const Capture *capture, const char *path, const struct stat *st)
{
	BbInventory *inventory = capture->inventory;
	const char *complaint = st->st_size > BB_CAPTURED_MAX_SIZE
		? "It is too large to be configuration."
		: path_error(path);
	BbCapturedFile *file;

	if (complaint != NULL)
	{
		bb_datadir_warn(capture->dir->path, path, complaint);
		return false;
	}
	file = palloc0(sizeof(BbCapturedFile));
	file->mode = st->st_mode & BB_CAPTURED_MODE_MASK;
	file->size = st->st_size;
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
	char		target[MAXPGPATH];
	ssize_t		length = readlink(psprintf("%s/%s", capture->dir->path, path),
								  target, sizeof(target) - 1);

	if (length < 0)
		return; /* it is no link */
	target[length] = '\0';
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
	DIR		   *handle = AllocateDir(path);
	struct dirent *entry;

	while ((entry = ReadDir(handle, path)) != NULL)
	{
		const char *name = entry->d_name;
		char	   *full;
		char	   *relative;
		struct stat st;

		bb_reqctx_check(ctx);
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		full = psprintf("%s/%s", path, name);
		relative = psprintf("%s%s%s", below, top ? "" : "/", name);

		if (lstat(full, &st) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", full)));
		if (S_ISDIR(st.st_mode))
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
		else if (stat(full, &st) < 0)
			bb_datadir_warn(path, name, "It is a broken symbolic link.");
		else if (S_ISREG(st.st_mode))
		{
			report_link(capture, relative);
			if (add_file(capture, relative, &st))
				captured = true;
		}
		else
			bb_datadir_warn(path, name,
							S_ISDIR(st.st_mode)
								? "It is a link to a directory."
								: "It is not a regular file.");
		pfree(full);
		pfree(relative);
	}
	FreeDir(handle);
	pfree(path);
	return captured || top || add_directory(capture, below);
}

static void
capture_histories(const BbReqCtx *ctx, const Capture *capture)
{
	char	   *path = psprintf("%s/" XLOGDIR, capture->dir->path);
	DIR		   *handle = AllocateDir(path);
	struct dirent *entry;

	/* a base backup whose WAL is in an archive may have no pg_wal */
	if (handle == NULL && errno == ENOENT)
		return;
	while ((entry = ReadDir(handle, path)) != NULL)
	{
		char	   *full;
		struct stat st;

		bb_reqctx_check(ctx);
		if (!IsTLHistoryFileName(entry->d_name))
			continue;
		full = psprintf("%s/%s", path, entry->d_name);
		if (stat(full, &st) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", full)));
		if (S_ISREG(st.st_mode))
			(void) add_file(capture, psprintf(XLOGDIR "/%s", entry->d_name),
							&st);
		pfree(full);
	}
	FreeDir(handle);
	pfree(path);
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
