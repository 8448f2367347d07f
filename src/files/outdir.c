/*-------------------------------------------------------------------------
 *
 * outdir.c
 *	  A directory on the server that a backup is written into.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "files/outdir.h"
#include "port.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

char *
bb_outdir_path(const char *path)
{
	char	   *canonical = pstrdup(path);

	if (strlen(path) >= MAXPGPATH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("directory name too long")));
	canonicalize_path(canonical);
	if (!is_absolute_path(canonical))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path must be absolute: \"%s\"", path)));
	if (strcmp(canonical, "/") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot write a backup to \"%s\"", canonical)));
	return canonical;
}

/*
 * Is the directory at "path", which may be relative to the descriptor "at", the
 * same as "wanted", or below it?
 *
 * It goes up by "..", so symbolic links in the path don't matter.
 */
static bool
lies_in(int at, const char *path, const struct stat *wanted)
{
	char		above[MAXPGPATH];
	struct stat here;
	struct stat below = {0};

	strlcpy(above, path, sizeof(above));
	for (int depth = 0;; depth++)
	{
		if (fstatat(at, above, &here, 0) < 0)
			bb_report_file("could not stat directory \"%s\": %m", above);
		if (here.st_dev == wanted->st_dev && here.st_ino == wanted->st_ino)
			return true;
		if (depth > 0 && here.st_dev == below.st_dev &&
			here.st_ino == below.st_ino)
			return false; /* the root is its own parent */
		below = here;
		if (strlcat(above, "/..", sizeof(above)) >= sizeof(above))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("directory \"%s\" is too deep", path)));
	}
}

static void
report_off_limits(const char *path, const char *where,
				  const BbOffLimits *limit)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot write a backup to \"%s\"", path),
			 errdetail("It is %s %s, \"%s\".", where, limit->what,
					   limit->path)));
}

/* Refuse a directory that is in one that is off limits. */
static void
check_outside(const BbFd *fd, const char *path, List *off_limits)
{
	ListCell   *cell;

	foreach(cell, off_limits)
	{
		const BbOffLimits *limit = lfirst(cell);
		struct stat st;

		if (stat(limit->path, &st) == 0 && lies_in(bb_fd_number(fd), ".", &st))
			report_off_limits(path, "in", limit);
	}
}

/* Refuse a directory that contains one that is off limits. */
static void
check_around(const BbOutDir *dir, List *off_limits)
{
	struct stat st;
	struct stat limit_st;
	ListCell   *cell;

	if (fstat(bb_fd_number(dir->fd), &st) < 0)
		bb_report_file("could not stat directory \"%s\": %m", dir->path);
	foreach(cell, off_limits)
	{
		const BbOffLimits *limit = lfirst(cell);

		if (stat(limit->path, &limit_st) == 0 &&
			lies_in(AT_FDCWD, limit->path, &st))
			report_off_limits(dir->path, "around", limit);
	}
}

static BbFd *
open_parent(const char *path)
{
	char		parent[MAXPGPATH];
	BbFd	   *fd;

	strlcpy(parent, path, sizeof(parent));
	get_parent_directory(parent);
	fd = bb_fd_open(parent, O_RDONLY | O_DIRECTORY, 0);
	if (fd == NULL)
		bb_report_file("could not open directory \"%s\": %m", parent);
	return fd;
}

static void
remove_if_created(void *arg)
{
	BbOutDir   *dir = arg;

	if (dir->created)
		(void) unlinkat(bb_fd_number(dir->parent), dir->name, AT_REMOVEDIR);
}

/* Open and lock the directory, with more flags of open(2). */
static void
open_and_lock(BbOutDir *dir, int flags)
{
	dir->fd = bb_fd_openat(dir->parent, dir->name,
						   O_RDONLY | O_DIRECTORY | flags, 0);
	if (dir->fd == NULL)
		bb_report_file("could not open directory \"%s\": %m", dir->path);
	if (flock(bb_fd_number(dir->fd), LOCK_EX | LOCK_NB) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another backup is being written to directory \"%s\"",
						dir->path)));
}

static BbOutDir *
begin(const char *path)
{
	BbOutDir   *dir = palloc0(sizeof(BbOutDir));

	dir->path = bb_outdir_path(path);
	dir->name = pstrdup(last_dir_separator(dir->path) + 1);
	dir->parent = open_parent(dir->path);
	return dir;
}

static bool
holds(const BbOutDir *dir, const char *name)
{
	return faccessat(bb_fd_number(dir->fd), name, F_OK, AT_SYMLINK_NOFOLLOW) ==
		0;
}

static void
check_empty(const BbOutDir *dir)
{
	BbDir	   *listing = bb_dir_openat(dir->fd, ".");
	bool		empty = listing != NULL && bb_dir_next(listing) == NULL;

	if (listing == NULL || (empty && errno != 0))
		bb_report_file("could not read directory \"%s\": %m", dir->path);
	bb_dir_close(listing);
	if (empty)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("directory \"%s\" exists but is not empty", dir->path),
			 holds(dir, "postmaster.pid")
			 ? errdetail("A server is running in it.")
			 : holds(dir, "global") && !holds(dir, XLOG_CONTROL_FILE)
			 ? errdetail("It has no file \"" XLOG_CONTROL_FILE
						 "\", as after a restore that was killed.")
			 : 0,
			 errhint("Remove or empty the directory, or choose another.")));
}

BbOutDir *
bb_outdir_new(const char *path, List *off_limits)
{
	BbOutDir   *dir = begin(path);

	check_outside(dir->parent, dir->path, off_limits);
	/* it runs after dir->fd is closed, and before dir->parent is */
	bb_on_reset(CurrentMemoryContext, remove_if_created, dir);
	dir->created = mkdirat(bb_fd_number(dir->parent), dir->name, S_IRWXU) == 0;
	if (!dir->created && errno != EEXIST)
		bb_report_file("could not create directory \"%s\": %m", dir->path);
	open_and_lock(dir, dir->created ? O_NOFOLLOW : 0);
	if (!dir->created)
	{
		check_outside(dir->fd, dir->path, off_limits);
		check_empty(dir);
	}
	return dir;
}

BbOutDir *
bb_outdir_open(const char *path, List *off_limits)
{
	BbOutDir   *dir = begin(path);

	open_and_lock(dir, 0);
	check_outside(dir->fd, dir->path, off_limits);
	check_around(dir, off_limits);
	return dir;
}

void
bb_outdir_commit(BbOutDir *dir)
{
	dir->created = false;
	(void) bb_fd_close(dir->fd);
	(void) bb_fd_close(dir->parent);
}

void
bb_outdir_fsync(const BbFd *fd, const char *path)
{
	int			result = -1;

	if (fd != NULL)
	{
		pgstat_report_wait_start(WAIT_EVENT_BASEBACKUP_SYNC);
		result = pg_fsync(bb_fd_number(fd));
		pgstat_report_wait_end();
	}
	/* not every file system can do that, see fsync_fname_ext in fd.c */
	if (result < 0 && (fd == NULL || (errno != EBADF && errno != EINVAL)))
		bb_report_file("could not fsync directory \"%s\": %m", path);
}

void
bb_outdir_sync(const BbOutDir *dir)
{
	bb_outdir_fsync(dir->fd, dir->path);
	if (dir->created)
		bb_outdir_fsync(dir->parent, dir->path);
}

void
bb_outdir_check_absent(const BbFd *parent, const char *path)
{
	struct stat st;

	if (fstatat(bb_fd_number(parent), last_dir_separator(path) + 1, &st,
				AT_SYMLINK_NOFOLLOW) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_FILE),
				 errmsg("file \"%s\" already exists", path)));
	if (errno != ENOENT)
		bb_report_file("could not stat file \"%s\": %m", path);
}

void
bb_outdir_publish(BbOutDir *dir, const char *path)
{
	int			parent = bb_fd_number(dir->parent);

	bb_outdir_fsync(dir->fd, dir->path);
	/* after this, only an empty directory could be replaced */
	bb_outdir_check_absent(dir->parent, path);
	if (renameat(parent, dir->name, parent, last_dir_separator(path) + 1) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename directory \"%s\" to \"%s\": %m",
						dir->path, path)));
	dir->created = false;
	bb_outdir_fsync(dir->parent, path);
	bb_outdir_commit(dir);
}

BbFd *
bb_outdir_parent(const char *path, List *off_limits)
{
	BbFd	   *parent = open_parent(path);

	check_outside(parent, path, off_limits);
	return parent;
}
