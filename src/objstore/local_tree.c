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

/* ---- locks ---- */

bool
bb_local_lock(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	char	   *path = bb_local_companion(bb_local_path(store, name), "lock");
	BbFd	   *fd;

	bb_local_make_parents(path);
	fd = bb_fd_open(path, O_RDWR | O_CREAT | O_NONBLOCK, pg_file_create_mode);
	if (fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open lock file \"%s\": %m", path)));
	while (flock(bb_fd_number(fd), LOCK_EX | LOCK_NB) < 0)
	{
		if (errno == EWOULDBLOCK)
		{
			bb_fd_close(fd);
			return false;
		}
		if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not lock file \"%s\": %m", path)));
		bb_reqctx_check(ctx);
	}
	return true;
}

/* ---- directories ---- */

typedef struct Walk
{
	bool		unfinished; /* wanted: leftovers rather than objects */
	List	   *found;		/* BbObjectInfo, with names below the store */
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
			walk_directory(ctx, store, child, walk);
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
	Walk		walk = {.unfinished = false, .found = NIL};

	walk_directory(ctx, store, prefix, &walk);
	list_sort(walk.found, compare_infos);
	return walk.found;
}

static void
remove_file(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path)));
}

void
bb_local_remove(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	char	   *path = bb_local_path(store, name);
	char		parent[MAXPGPATH];
	struct stat st;

	remove_file(path);
	bb_local_parent(path, parent);
	if (stat(parent, &st) == 0)
		fsync_fname(parent, true);
}

void
bb_local_sweep(const BbReqCtx *ctx, BbObjectStore *store, const char *prefix)
{
	Walk		walk = {.unfinished = true, .found = NIL};
	ListCell   *cell;

	walk_directory(ctx, store, prefix, &walk);
	foreach(cell, walk.found)
		remove_file(
			bb_local_path(store, ((BbObjectInfo *) lfirst(cell))->name));
}
