/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  A cluster's files: in a data directory, and in mapped tablespaces.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "files/tree.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define TABLESPACES "pg_tblspc/"

/* The directories of tablespaces may not be in the data directory. */
static List *
with_root_off_limits(const BbTree *tree, List *off_limits)
{
	BbOffLimits *root = palloc(sizeof(BbOffLimits));

	root->path = tree->root->path;
	root->what = "the data directory to be restored";
	return lappend(list_copy(off_limits), root);
}

/*
 * Does the data directory have a symbolic link to the tablespace's directory,
 * which exists?  A missing tablespace is created.
 */
static bool
is_linked(const BbTree *tree, const BbMappedTablespace *tablespace)
{
	char		target[MAXPGPATH];
	BbPlace		link = {tree->root->fd,
						psprintf(TABLESPACES "%u", tablespace->spc)};
	ssize_t		length = bb_place_read_link(link, target, sizeof(target));

	return length == strlen(tablespace->directory) &&
		memcmp(target, tablespace->directory, length) == 0 &&
		access(tablespace->directory, F_OK) == 0;
}

BbTree *
bb_tree_open(const char *directory, List *mapped, List *off_limits,
			 bool existing)
{
	BbTree	   *tree = palloc0(sizeof(BbTree));
	ListCell   *cell;

	tree->root = (existing ? bb_outdir_open : bb_outdir_new)(directory,
															 off_limits);
	off_limits = with_root_off_limits(tree, off_limits);
	foreach(cell, mapped)
	{
		const BbMappedTablespace *source = lfirst(cell);
		BbTreeTablespace *tablespace = palloc(sizeof(BbTreeTablespace));
		bool		linked = existing && is_linked(tree, source);

		tablespace->spc = source->spc;
		tablespace->dir = (linked
							   ? bb_outdir_open
							   : bb_outdir_new)(source->directory, off_limits);
		tree->tablespaces = lappend(tree->tablespaces, tablespace);
	}
	return tree;
}

/*
 * The mapped tablespace of a path, or NULL; *rest is what follows the path
 * "pg_tblspc/OID" of its symbolic link.
 */
static const BbTreeTablespace *
find_tablespace(const BbTree *tree, const char *path, const char **rest)
{
	char	   *end;
	Oid			spc;
	ListCell   *cell;

	if (tree->tablespaces == NIL ||
		strncmp(path, TABLESPACES, strlen(TABLESPACES)) != 0)
		return NULL;
	spc = strtoul(path + strlen(TABLESPACES), &end, 10);
	if (*end != '/' && *end != '\0')
		return NULL;
	foreach(cell, tree->tablespaces)
	{
		const BbTreeTablespace *tablespace = lfirst(cell);

		if (tablespace->spc == spc)
		{
			*rest = end;
			return tablespace;
		}
	}
	return NULL;
}

static BbPlace
place_of(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	/* the data directory has the symbolic link itself */
	if (tablespace == NULL || *rest == '\0')
		return (BbPlace){tree->root->fd, path};
	return (BbPlace){tablespace->dir->fd, rest + 1};
}

/* The same, but the directory of a tablespace instead of its link. */
static BbPlace
directory_of(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	if (tablespace != NULL && *rest == '\0')
		return (BbPlace){tablespace->dir->fd, "."};
	return *path == '\0' ? (BbPlace){tree->root->fd, "."}
						 : place_of(tree, path);
}

const char *
bb_tree_mapped_directory(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	return tablespace != NULL && *rest == '\0' ? tablespace->dir->path : NULL;
}

char *
bb_tree_full_path(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	if (tablespace != NULL && *rest != '\0')
		return psprintf("%s%s", tablespace->dir->path, rest);
	return psprintf("%s%s%s", tree->root->path, *path == '\0' ? "" : "/",
					path);
}

/* Raise the error in errno; the message has a %s for the full path. */
pg_noreturn static void
report_error(const char *message, const BbTree *tree, const char *path)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg(message, bb_tree_full_path(tree, path))));
}

bool
bb_tree_stat(const BbTree *tree, const char *path, struct stat *st)
{
	if (bb_place_stat(place_of(tree, path), st) == 0)
		return true;
	if (errno != ENOENT)
		report_error("could not stat file \"%s\": %m", tree, path);
	return false;
}

void
bb_tree_make_directory(const BbTree *tree, const char *path)
{
	if (bb_place_make_directory(place_of(tree, path)) < 0)
		report_error("could not create directory \"%s\": %m", tree, path);
}

void
bb_tree_make_link(const BbTree *tree, const char *path, const char *target)
{
	if (bb_place_make_link(place_of(tree, path), target) < 0)
		report_error("could not create symbolic link \"%s\": %m", tree, path);
}

BbFd *
bb_tree_create_file(const BbTree *tree, const char *path)
{
	BbPlace		place = place_of(tree, path);
	BbFd	   *fd = bb_fd_open_beneath(place.directory, place.path,
										O_WRONLY | O_CREAT | O_EXCL,
										S_IRUSR | S_IWUSR);

	if (fd == NULL)
		report_error("could not create file \"%s\": %m", tree, path);
	return fd;
}

BbFd *
bb_tree_open_file(const BbTree *tree, const char *path, int flags)
{
	BbPlace		place = place_of(tree, path);

	return bb_fd_open_beneath(place.directory, place.path, flags, 0);
}

void
bb_tree_set_mode(const BbTree *tree, const char *path, mode_t mode)
{
	if (bb_place_set_mode(directory_of(tree, path), mode) < 0)
		report_error("could not set permissions of \"%s\": %m", tree, path);
}

void
bb_tree_set_file_mode(const BbTree *tree, const char *path, const BbFd *fd,
					  mode_t mode)
{
	if (fchmod(bb_fd_number(fd), mode) < 0)
		report_error("could not set permissions of \"%s\": %m", tree, path);
}

char *
bb_tree_read_link(const BbTree *tree, const char *path)
{
	char		target[MAXPGPATH];
	ssize_t		length = bb_place_read_link(place_of(tree, path), target,
											sizeof(target));

	if (length < 0)
		report_error("could not read symbolic link \"%s\": %m", tree, path);
	return pnstrdup(target, length);
}

/* The names in a directory; "text" is its path in messages. */
static List *
list_names(BbPlace place, const char *text)
{
	BbDir	   *dir = bb_dir_openat(place.directory, place.path);
	const char *name;
	List	   *names = NIL;

	if (dir != NULL)
	{
		while ((name = bb_dir_next(dir)) != NULL)
			names = lappend(names, pstrdup(name));
	}
	if (errno != 0)
		bb_report_file("could not read directory \"%s\": %m", text);
	bb_dir_close(dir);
	return names;
}

List *
bb_tree_list(const BbTree *tree, const char *path)
{
	return list_names(directory_of(tree, path), bb_tree_full_path(tree, path));
}

/*
 * Remove a file, or a directory with its content.  The paths below aren't
 * looked up as those of the tree: a directory in the place of a tablespace's
 * symbolic link isn't the tablespace.
 */
static uint64
remove_all(const BbReqCtx *ctx, BbPlace place, const char *text)
{
	struct stat st;
	uint64		removed = 0;
	ListCell   *cell;

	bb_reqctx_check(ctx);
	check_stack_depth();
	if (bb_place_stat(place, &st) < 0)
		bb_report_file("could not stat file \"%s\": %m", text);
	if (S_ISDIR(st.st_mode))
	{
		foreach(cell, list_names(place, text))
		{
			const char *name = lfirst(cell);

			removed += remove_all(ctx,
								  (BbPlace){place.directory,
											psprintf("%s/%s", place.path,
													 name)},
								  psprintf("%s/%s", text, name));
		}
	}
	if (bb_place_unlink(place, S_ISDIR(st.st_mode)) < 0)
		bb_report_file("could not remove \"%s\": %m", text);
	return S_ISDIR(st.st_mode) ? removed : removed + 1;
}

uint64
bb_tree_remove(const BbReqCtx *ctx, const BbTree *tree, const char *path)
{
	return remove_all(ctx, place_of(tree, path),
					  bb_tree_full_path(tree, path));
}

void
bb_tree_try_remove(const BbTree *tree, const char *path, bool directory)
{
	(void) bb_place_unlink(place_of(tree, path), directory);
}

void
bb_tree_rename(const BbTree *tree, const char *from, const char *to)
{
	if (bb_place_rename(place_of(tree, from), place_of(tree, to)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						bb_tree_full_path(tree, from),
						bb_tree_full_path(tree, to))));
}

static void
sync_file(const BbTree *tree, const char *path)
{
	BbPlace		place = place_of(tree, path);
	BbFd	   *fd = bb_fd_open_beneath(place.directory, place.path, O_RDONLY,
										0);
	int			result = -1;

	if (fd != NULL)
	{
		pgstat_report_wait_start(WAIT_EVENT_BASEBACKUP_SYNC);
		result = pg_fsync(bb_fd_number(fd));
		pgstat_report_wait_end();
	}
	if (result < 0)
	{
		int			save_errno = errno;

		(void) bb_place_unlink(place, false);
		errno = save_errno;
		report_error("could not fsync file \"%s\": %m", tree, path);
	}
	(void) bb_fd_close(fd);
}

void
bb_tree_sync_directory(const BbTree *tree, const char *path)
{
	BbPlace		place = directory_of(tree, path);
	char	   *full_path = bb_tree_full_path(tree, path);
	BbFd	   *fd = bb_fd_open_beneath(place.directory, place.path,
										O_RDONLY | O_DIRECTORY, 0);

	bb_outdir_fsync(fd, full_path);
	(void) bb_fd_close(fd);
}

void
bb_tree_sync(const BbReqCtx *ctx, const BbTree *tree, const BbPathList *files,
			 const BbPathList *directories)
{
	MemoryContext context;
	MemoryContext old;
	ListCell   *cell;

	if (!enableFsync)
		return;

	/* for what a closed descriptor leaves */
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup fsync",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	for (size_t i = 0; i < files->count; i++)
	{
		bb_reqctx_check(ctx);
		sync_file(tree, files->paths[i]);
		MemoryContextReset(context);
	}
	for (size_t i = 0; i < directories->count; i++)
	{
		bb_reqctx_check(ctx);
		bb_tree_sync_directory(tree, directories->paths[i]);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	foreach(cell, tree->tablespaces)
		bb_outdir_sync(((const BbTreeTablespace *) lfirst(cell))->dir);
	bb_outdir_sync(tree->root);
}

void
bb_tree_publish(const BbTree *tree)
{
	bb_tree_rename(tree, BB_CONTROL_NEW, XLOG_CONTROL_FILE);
	bb_tree_sync_directory(tree, "global");
}

void
bb_tree_commit(BbTree *tree)
{
	ListCell   *cell;

	foreach(cell, tree->tablespaces)
		bb_outdir_commit(((const BbTreeTablespace *) lfirst(cell))->dir);
	bb_outdir_commit(tree->root);
}
