/*-------------------------------------------------------------------------
 *
 * local_tree.c
 *	  Objects in a local directory: locks, listing, removing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "common/file_perm.h"
#include "objstore/local.h"
#include "storage/fd.h"

/* How often the directory of a lock may go before it is in it. */
#define MAX_LOCK_TRIES 100

/* ---- locks ---- */

typedef struct Lock
{
	MemoryContextCallback callback;
	BbFd	   *fd; /* closed by its own callback, after this one */
	char	   *path;
	char	   *directory; /* that it is in; NULL: the store's own */
} Lock;

/* Is the file that is open still the one of that name? */
static bool
is_current(BbFd *fd, const char *path)
{
	struct stat open_st;
	struct stat st;

	return fstat(bb_fd_number(fd), &open_st) == 0 && stat(path, &st) == 0 &&
		open_st.st_dev == st.st_dev && open_st.st_ino == st.st_ino;
}

/*
 * The file goes while the lock is still held; who has opened it meanwhile
 * sees that (take_lock).  Its directory goes if nothing else is in it.
 */
static void
release_lock(void *arg)
{
	Lock	   *lock = arg;

	if (is_current(lock->fd, lock->path))
		(void) unlink(lock->path);
	if (lock->directory != NULL)
		(void) rmdir(lock->directory);
}

/*
 * flock(2) the file, unless another has.
 */
static bool
take_lock(const BbReqCtx *ctx, BbFd *fd, const char *path)
{
	while (flock(bb_fd_number(fd), LOCK_EX | LOCK_NB) < 0)
	{
		if (errno == EWOULDBLOCK)
			return false;
		if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not lock file \"%s\": %m", path)));
		bb_reqctx_check(ctx);
	}
	return true;
}

bool
bb_local_lock(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	Lock	   *lock = palloc0(sizeof(Lock));
	char		parent[MAXPGPATH];

	lock->path = bb_local_companion(bb_local_path(store, name), "lock");
	for (int tries = 1;; tries++)
	{
		bb_reqctx_check(ctx);
		bb_local_make_parents(lock->path);
		lock->fd = bb_fd_open(lock->path, O_RDWR | O_CREAT | O_NONBLOCK,
							  pg_file_create_mode);
		if (lock->fd == NULL && errno == ENOENT && tries < MAX_LOCK_TRIES)
			continue; /* the directory went with another's lock */
		if (lock->fd == NULL)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not open lock file \"%s\": %m",
							lock->path)));
		if (!take_lock(ctx, lock->fd, lock->path))
		{
			bb_fd_close(lock->fd);
			return false;
		}
		if (is_current(lock->fd, lock->path))
			break;
		bb_fd_close(lock->fd);
	}

	if (strchr(name, '/') != NULL)
	{
		bb_local_parent(lock->path, parent);
		lock->directory = pstrdup(parent);
	}
	lock->callback.func = release_lock;
	lock->callback.arg = lock;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &lock->callback);
	return true;
}

/* ---- directories ---- */

typedef struct Walk
{
	bool		unfinished;	 /* wanted: leftovers rather than objects */
	List	   *found;		 /* BbObjectInfo, with names below the store */
	List	   *directories; /* names of those walked, deepest first */
} Walk;

static bool
is_unfinished(const char *file)
{
	size_t		length = strlen(file);

	return file[0] == '.' && length > 4 &&
		strcmp(file + length - 4, ".tmp") == 0;
}

static void
walk_directory(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
			   Walk *walk)
{
	char	   *path = bb_local_path(store, name);
	DIR		   *dir;
	struct dirent *entry;

	dir = AllocateDir(path);
	if (dir == NULL && (errno == ENOENT || errno == ENOTDIR))
		return;
	while ((entry = ReadDir(dir, path)) != NULL)
	{
		char	   *child;
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0)
			continue;
		bb_reqctx_check(ctx);

		child = psprintf("%s/%s", name, entry->d_name);
		if (stat(bb_local_path(store, child), &st) < 0)
		{
			if (errno == ENOENT)
				continue; /* removed meanwhile */
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m",
							bb_local_path(store, child))));
		}
		if (S_ISDIR(st.st_mode))
		{
			walk_directory(ctx, store, child, walk);
			walk->directories = lappend(walk->directories, child);
		}
		else if (walk->unfinished ? is_unfinished(entry->d_name)
								  : entry->d_name[0] != '.')
		{
			BbObjectInfo *info = palloc(sizeof(BbObjectInfo));

			info->name = child;
			info->size = st.st_size;
			walk->found = lappend(walk->found, info);
		}
	}
	FreeDir(dir);
}

static int
compare_infos(const ListCell *a, const ListCell *b)
{
	return strcmp(((BbObjectInfo *) lfirst(a))->name,
				  ((BbObjectInfo *) lfirst(b))->name);
}

List *
bb_local_list(const BbReqCtx *ctx, BbObjectStore *store, const char *prefix)
{
	Walk		walk = {.unfinished = false, .found = NIL, .directories = NIL};

	walk_directory(ctx, store, prefix, &walk);
	list_sort(walk.found, compare_infos);
	return walk.found;
}

static int
compare_parts(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

List *
bb_local_list_parts(const BbReqCtx *ctx, BbObjectStore *store,
					const char *prefix)
{
	char	   *path = bb_local_path(store, prefix);
	List	   *parts = NIL;
	DIR		   *dir;
	struct dirent *entry;

	dir = AllocateDir(path);
	if (dir == NULL && (errno == ENOENT || errno == ENOTDIR))
		return NIL;
	while ((entry = ReadDir(dir, path)) != NULL)
	{
		struct stat st;

		bb_reqctx_check(ctx);
		if (entry->d_name[0] == '.')
			continue;
		/* what can't be looked at may be one: its reader will say */
		if (stat(psprintf("%s/%s", path, entry->d_name), &st) == 0
				? S_ISDIR(st.st_mode)
				: errno != ENOENT)
			parts = lappend(parts, pstrdup(entry->d_name));
	}
	FreeDir(dir);
	list_sort(parts, compare_parts);
	return parts;
}

static void
remove_file(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path)));
}

/* Make durable that files are gone from a directory. */
static void
sync_removals(const char *directory)
{
	struct stat st;

	if (stat(directory, &st) == 0)
		fsync_fname(directory, true);
}

void
bb_local_remove(const BbReqCtx *ctx, BbObjectStore *store, List *names)
{
	char		parent[MAXPGPATH] = "";
	ListCell   *cell;

	foreach(cell, names)
	{
		char	   *path = bb_local_path(store, lfirst(cell));
		char		last[MAXPGPATH];

		bb_reqctx_check(ctx);
		strcpy(last, parent);
		bb_local_parent(path, parent);
		if (last[0] != '\0' && strcmp(last, parent) != 0)
			sync_removals(last);
		remove_file(path);
	}
	if (parent[0] != '\0')
		sync_removals(parent);
}

void
bb_local_sweep(const BbReqCtx *ctx, BbObjectStore *store, const char *prefix)
{
	Walk		walk = {.unfinished = true, .found = NIL, .directories = NIL};
	ListCell   *cell;

	walk_directory(ctx, store, prefix, &walk);
	foreach(cell, walk.found)
		remove_file(
			bb_local_path(store, ((BbObjectInfo *) lfirst(cell))->name));

	/* children come ahead of the directories that they are in */
	foreach(cell, walk.directories)
		(void) rmdir(bb_local_path(store, lfirst(cell)));
}
