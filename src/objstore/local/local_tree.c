/*-------------------------------------------------------------------------
 *
 * local_tree.c
 *	  The local driver: locks; listing, removing and sweeping objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "objstore/local/local.h"

/* How often the directory of a lock may vanish before the lock is in it. */
#define MAX_LOCK_TRIES 100

/* ---- locks ---- */

typedef struct Lock
{
	BbFd	   *fd;		   /* its own callback closes it, after this one */
	char	   *path;	   /* for messages */
	char	   *root;	   /* the store's directory */
	char	   *name;	   /* of the lock file, below root */
	char	   *directory; /* that it is in, below root; "": root */
} Lock;

/*
 * Remove the lock file while the lock is held; a session that has opened it
 * notices that (bb_local_lock).  Also remove its directory if that is empty.
 */
static void
release_lock(void *arg)
{
	Lock	   *lock = arg;
	const char *last;
	int			parent = bb_local_enter(lock->root, lock->name, &last);

	if (parent >= 0)
	{
		if (bb_local_is_current(lock->fd, parent, last))
			(void) unlinkat(parent, last, 0);
		(void) close(parent);
	}
	if (*lock->directory == '\0')
		return;
	parent = bb_local_enter(lock->root, lock->directory, &last);
	if (parent >= 0)
	{
		(void) unlinkat(parent, last, AT_REMOVEDIR);
		(void) close(parent);
	}
}

/* flock(2) the file.  Returns false if another session has done so. */
static bool
take_lock(const BbReqCtx *ctx, BbFd *fd, const char *path)
{
	while (flock(bb_fd_number(fd), LOCK_EX | LOCK_NB) < 0)
	{
		if (errno == EWOULDBLOCK)
			return false;
		if (errno != EINTR)
			bb_report_file("could not lock file \"%s\": %m", path);
		bb_reqctx_check(ctx);
	}
	return true;
}

bool
bb_local_lock(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	Lock	   *lock = palloc0(sizeof(Lock));
	const char *last;
	BbFd	   *parent;
	bool		current;

	lock->root = pstrdup(objects->directory);
	lock->path = bb_local_companion(bb_local_path(objects, name), "lock");
	lock->name = pstrdup(lock->path + strlen(lock->root) + 1);
	lock->directory = bb_local_directory_of(name);
	for (int tries = 1;; tries++)
	{
		bb_reqctx_check(ctx);
		parent = bb_local_make_parent(objects, lock->name, &last);
		lock->fd = NULL;
		if (parent != NULL)
			lock->fd = bb_fd_openat(parent, last,
									O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW,
									pg_file_create_mode);
		if (lock->fd == NULL && errno == ENOENT && tries < MAX_LOCK_TRIES)
		{
			/* another session removed the directory with its lock */
			if (parent != NULL)
				(void) bb_fd_close(parent);
			continue;
		}
		if (lock->fd == NULL)
		{
			bb_local_report_link(lock->path);
			bb_report_file("could not open lock file \"%s\": %m", lock->path);
		}
		if (!take_lock(ctx, lock->fd, lock->path))
		{
			bb_fd_close(lock->fd);
			bb_fd_close(parent);
			return false;
		}
		current = bb_local_is_current(lock->fd, bb_fd_number(parent), last);
		bb_fd_close(parent);
		if (current)
			break;
		bb_fd_close(lock->fd);
	}

	bb_on_reset(CurrentMemoryContext, release_lock, lock);
	return true;
}

/* ---- directories ---- */

typedef struct Walk
{
	bool		unfinished;	 /* look for leftovers instead of objects */
	List	   *found;		 /* BbObjectInfo, with names below the store */
	List	   *directories; /* names of all directories, deepest first */
} Walk;

static bool
is_unfinished(const char *file)
{
	size_t		length = strlen(file);

	return file[0] == '.' && length > 4 &&
		strcmp(file + length - 4, ".tmp") == 0;
}

/*
 * List a directory below the store's.  Returns NIL if there is none.  The whole
 * directory is read, so that a deep tree doesn't take a descriptor per level.
 */
static List *
list_names(const BbObjectStore *objects, const char *name)
{
	const char *last;
	BbFd	   *parent = bb_local_open_parent(objects, name, &last);
	BbDir	   *dir;
	const char *entry;
	List	   *names = NIL;

	if (parent == NULL)
		return NIL;
	dir = bb_dir_openat(parent, last);
	if (dir != NULL)
	{
		while ((entry = bb_dir_next(dir)) != NULL)
			names = lappend(names, pstrdup(entry));
	}
	else
	{
		bb_local_report_link(bb_local_path(objects, name));
		if (errno == ENOENT || errno == ENOTDIR)
			errno = 0;
	}
	if (errno != 0)
		bb_report_file("could not read directory \"%s\": %m",
					   bb_local_path(objects, name));
	if (dir != NULL)
		bb_dir_close(dir);
	(void) bb_fd_close(parent);
	return names;
}

/* Call lstat(2).  Returns false if there is no such file. */
static bool
stat_entry(const BbObjectStore *objects, const char *name, struct stat *st)
{
	const char *last;
	BbFd	   *parent = bb_local_open_parent(objects, name, &last);
	bool		there = false;

	if (parent == NULL)
		return false; /* its directory was removed */
	there = fstatat(bb_fd_number(parent), last, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && errno != ENOENT)
		bb_report_file("could not stat file \"%s\": %m",
					   bb_local_path(objects, name));
	(void) bb_fd_close(parent);
	return there;
}

static void
walk_directory(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			   Walk *walk)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, list_names(objects, name))
	{
		const char *entry = lfirst(cell);
		char	   *child = psprintf("%s/%s", name, entry);
		struct stat st;

		bb_reqctx_check(ctx);
		if (!stat_entry(objects, child, &st))
			continue;
		if (S_ISDIR(st.st_mode))
		{
			walk_directory(ctx, objects, child, walk);
			walk->directories = lappend(walk->directories, child);
		}
		else if (walk->unfinished ? is_unfinished(entry)
								  : entry[0] != '.' && !S_ISLNK(st.st_mode))
		{
			BbObjectInfo *info = palloc(sizeof(BbObjectInfo));

			info->name = child;
			info->size = st.st_size;
			walk->found = lappend(walk->found, info);
		}
	}
}

List *
bb_local_list(const BbReqCtx *ctx, BbObjectStore *objects, const char *prefix)
{
	Walk		walk = {.unfinished = false};

	walk_directory(ctx, objects, prefix, &walk);
	return walk.found;
}

static int
compare_parts(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

List *
bb_local_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
					const char *prefix)
{
	List	   *parts = NIL;
	ListCell   *cell;

	foreach(cell, list_names(objects, prefix))
	{
		char	   *entry = lfirst(cell);
		struct stat st;

		bb_reqctx_check(ctx);
		/* a symbolic link is listed, so that reading below it reports it */
		if (entry[0] != '.' &&
			stat_entry(objects, psprintf("%s/%s", prefix, entry), &st) &&
			(S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
			parts = lappend(parts, entry);
	}
	list_sort(parts, compare_parts);
	return parts;
}

static void
remove_entry(const BbObjectStore *objects, const char *name, bool directory)
{
	const char *last;
	BbFd	   *parent = bb_local_open_parent(objects, name, &last);

	if (parent == NULL)
		return;
	if (unlinkat(bb_fd_number(parent), last, directory ? AT_REMOVEDIR : 0) <
			0 &&
		!directory && errno != ENOENT)
		bb_report_file("could not remove file \"%s\": %m",
					   bb_local_path(objects, name));
	(void) bb_fd_close(parent);
}

List *
bb_local_remove(const BbReqCtx *ctx, BbObjectStore *objects, List *names)
{
	char	   *before = NULL;
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		char	   *directory = bb_local_directory_of(name);

		bb_reqctx_check(ctx);
		if (before != NULL && strcmp(before, directory) != 0)
			bb_local_sync_directory(objects, before);
		remove_entry(objects, name, false);
		before = directory;
	}
	if (before != NULL)
		bb_local_sync_directory(objects, before);
	return NIL;
}

/*
 * Remove an unfinished file, unless a process is writing it, which holds a lock
 * on it then (local.c).  What can't be opened isn't such a file.
 */
static void
remove_unfinished(const BbObjectStore *objects, const char *name)
{
	const char *last;
	BbFd	   *parent = bb_local_open_parent(objects, name, &last);
	BbFd	   *fd;

	if (parent == NULL)
		return;
	fd = bb_fd_openat(parent, last, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);
	if (fd == NULL && (errno == EMFILE || errno == ENFILE))
		bb_report_file("could not open file \"%s\": %m",
					   bb_local_path(objects, name));
	if (fd == NULL)
		remove_entry(objects, name, false);
	else
	{
		if (flock(bb_fd_number(fd), LOCK_EX | LOCK_NB) == 0 &&
			bb_local_is_current(fd, bb_fd_number(parent), last))
			(void) unlinkat(bb_fd_number(parent), last, 0);
		(void) bb_fd_close(fd);
	}
	(void) bb_fd_close(parent);
}

void
bb_local_sweep(const BbReqCtx *ctx, BbObjectStore *objects, const char *prefix)
{
	Walk		walk = {.unfinished = true};
	ListCell   *cell;

	walk_directory(ctx, objects, prefix, &walk);
	foreach(cell, walk.found)
		remove_unfinished(objects, ((BbObjectInfo *) lfirst(cell))->name);

	/* the list has directories after those in them */
	foreach(cell, walk.directories)
		remove_entry(objects, lfirst(cell), true);
}
