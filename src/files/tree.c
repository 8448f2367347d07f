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
#include "base/beneath.h"
#include "files/tree.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define TABLESPACES "pg_tblspc/"

/* A tablespace isn't in the data directory that refers to it. */
static List *
without_root(const BbTree *tree, List *off_limits)
{
	BbOffLimits *root = palloc(sizeof(BbOffLimits));

	root->path = tree->root->path;
	root->what = "the data directory to be restored";
	return lappend(list_copy(off_limits), root);
}

static void
add_tablespace(BbTree *tree, Oid spc, BbOutDir *dir)
{
	BbTreeTablespace *tablespace = palloc(sizeof(BbTreeTablespace));

	tablespace->spc = spc;
	tablespace->dir = dir;
	tree->tablespaces = lappend(tree->tablespaces, tablespace);
}

BbTree *
bb_tree_new(const char *directory, List *mapped, List *off_limits)
{
	BbTree	   *tree = palloc0(sizeof(BbTree));
	ListCell   *cell;

	tree->root = bb_outdir_new(directory, off_limits);
	off_limits = without_root(tree, off_limits);
	foreach(cell, mapped)
	{
		const BbMappedTablespace *tablespace = lfirst(cell);

		add_tablespace(tree, tablespace->spc,
					   bb_outdir_new(tablespace->directory, off_limits));
	}
	return tree;
}

/* Where a path is looked up from, and what is left of it. */
typedef struct Place
{
	const BbFd *directory;
	const char *path;
} Place;

/*
 * The directory that a place is in, open, and the last part of the path.  No
 * path is given to the kernel but such last parts: a symbolic link on the way
 * is an error.  It is left before anything else is done.
 */
typedef struct Spot
{
	int			directory; /* -1: there is none, with errno set */
	const char *name;
} Spot;

static Spot
enter(Place place)
{
	Spot		spot;

	spot.directory = bb_open_parent_beneath(bb_fd_number(place.directory),
											place.path, &spot.name);
	return spot;
}

/* Returns what was done there, with its errno. */
static int
leave(Spot spot, int result)
{
	int			save_errno = errno;

	if (spot.directory >= 0)
		(void) close(spot.directory);
	errno = save_errno;
	return result;
}

static int
stat_place(Place place, struct stat *st)
{
	Spot		spot = enter(place);

	return leave(spot,
				 spot.directory < 0 ? -1
									: fstatat(spot.directory, spot.name, st,
											  AT_SYMLINK_NOFOLLOW));
}

static int
unlink_place(Place place, bool directory)
{
	Spot		spot = enter(place);

	return leave(spot,
				 spot.directory < 0 ? -1
									: unlinkat(spot.directory, spot.name,
											   directory ? AT_REMOVEDIR : 0));
}

static ssize_t
read_link(Place place, char *target, size_t size)
{
	Spot		spot = enter(place);
	ssize_t		length = -1;

	if (spot.directory >= 0)
		length = readlinkat(spot.directory, spot.name, target, size);
	(void) leave(spot, 0);
	return length;
}

/*
 * Does the data directory's symbolic link lead there, and to something?  A
 * tablespace that was lost is made anew.
 */
static bool
is_linked(const BbTree *tree, const BbMappedTablespace *tablespace)
{
	char		target[MAXPGPATH];
	Place		link = {tree->root->fd,
						psprintf(TABLESPACES "%u", tablespace->spc)};
	ssize_t		length = read_link(link, target, sizeof(target));

	return length == strlen(tablespace->directory) &&
		memcmp(target, tablespace->directory, length) == 0 &&
		access(tablespace->directory, F_OK) == 0;
}

BbTree *
bb_tree_existing(const char *directory, List *mapped, List *off_limits)
{
	BbTree	   *tree = palloc0(sizeof(BbTree));
	ListCell   *cell;

	tree->root = bb_outdir_open(directory, off_limits);
	off_limits = without_root(tree, off_limits);
	foreach(cell, mapped)
	{
		const BbMappedTablespace *tablespace = lfirst(cell);
		BbOutDir   *dir = is_linked(tree, tablespace)
			? bb_outdir_open(tablespace->directory, off_limits)
			: bb_outdir_new(tablespace->directory, off_limits);

		add_tablespace(tree, tablespace->spc, dir);
	}
	return tree;
}

/* The mapped tablespace that "pg_tblspc/OID…" is of, or NULL; *rest: "…". */
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

static Place
place_of(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	/* the link itself is in the data directory */
	if (tablespace == NULL || *rest == '\0')
		return (Place){tree->root->fd, path};
	return (Place){tablespace->dir->fd, rest + 1};
}

/* The same for what is listed, or made durable: what a link leads to. */
static Place
directory_of(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	if (tablespace != NULL && *rest == '\0')
		return (Place){tablespace->dir->fd, "."};
	return *path == '\0' ? (Place){tree->root->fd, "."} : place_of(tree, path);
}

const char *
bb_tree_mapped(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	return tablespace != NULL && *rest == '\0' ? tablespace->dir->path : NULL;
}

char *
bb_tree_text(const BbTree *tree, const char *path)
{
	const char *rest;
	const BbTreeTablespace *tablespace = find_tablespace(tree, path, &rest);

	if (tablespace != NULL && *rest != '\0')
		return psprintf("%s%s", tablespace->dir->path, rest);
	return psprintf("%s%s%s", tree->root->path, *path == '\0' ? "" : "/",
					path);
}

bool
bb_tree_stat(const BbTree *tree, const char *path, struct stat *st)
{
	Place		place = place_of(tree, path);

	if (stat_place(place, st) == 0)
		return true;
	if (errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m",
						bb_tree_text(tree, path))));
	return false;
}

void
bb_tree_make_directory(const BbTree *tree, const char *path)
{
	Spot		spot = enter(place_of(tree, path));

	if (leave(spot,
			  spot.directory < 0
				  ? -1
				  : mkdirat(spot.directory, spot.name, S_IRWXU)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m",
						bb_tree_text(tree, path))));
}

void
bb_tree_make_link(const BbTree *tree, const char *path, const char *target)
{
	Spot		spot = enter(place_of(tree, path));

	if (leave(spot,
			  spot.directory < 0
				  ? -1
				  : symlinkat(target, spot.directory, spot.name)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create symbolic link \"%s\": %m",
						bb_tree_text(tree, path))));
}

BbFd *
bb_tree_create(const BbTree *tree, const char *path)
{
	Place		place = place_of(tree, path);
	BbFd	   *fd = bb_fd_open_beneath(place.directory, place.path,
										O_WRONLY | O_CREAT | O_EXCL,
										S_IRUSR | S_IWUSR);

	if (fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m",
						bb_tree_text(tree, path))));
	return fd;
}

BbFd *
bb_tree_open(const BbTree *tree, const char *path, int flags)
{
	Place		place = place_of(tree, path);

	return bb_fd_open_beneath(place.directory, place.path, flags, 0);
}

/*
 * The C library does that without following a link by way of /proc; where
 * that is not mounted, the directory has to be readable.
 */
static int
set_mode(Place place, mode_t mode)
{
	Spot		spot = enter(place);
	int			result = -1;
	int			fd;

	if (spot.directory >= 0)
		result = fchmodat(spot.directory, spot.name, mode,
						  AT_SYMLINK_NOFOLLOW);
	if (spot.directory >= 0 && result < 0 && errno == EOPNOTSUPP)
	{
		fd = openat(spot.directory, spot.name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
		{
			result = fchmod(fd, mode);
			(void) leave((Spot){fd, NULL}, 0);
		}
	}
	return leave(spot, result);
}

void
bb_tree_set_mode(const BbTree *tree, const char *path, mode_t mode)
{
	if (set_mode(directory_of(tree, path), mode) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not set permissions of \"%s\": %m",
						bb_tree_text(tree, path))));
}

void
bb_tree_set_file_mode(const BbTree *tree, const char *path, const BbFd *fd,
					  mode_t mode)
{
	if (fchmod(bb_fd_number(fd), mode) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not set permissions of \"%s\": %m",
						bb_tree_text(tree, path))));
}

char *
bb_tree_read_link(const BbTree *tree, const char *path)
{
	char		target[MAXPGPATH];
	ssize_t		length = read_link(place_of(tree, path), target,
								   sizeof(target));

	if (length < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read symbolic link \"%s\": %m",
						bb_tree_text(tree, path))));
	return pnstrdup(target, length);
}

/* The names in a directory; "text" is what it's called in messages. */
static List *
list_names(Place place, const char *text)
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
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read directory \"%s\": %m", text)));
	bb_dir_close(dir);
	return names;
}

List *
bb_tree_list(const BbTree *tree, const char *path)
{
	return list_names(directory_of(tree, path), bb_tree_text(tree, path));
}

/*
 * Remove what is there.  Below a directory nothing is mapped: what is in the
 * place of a symbolic link isn't what that is to lead to.
 */
static uint64
remove_all(const BbReqCtx *ctx, Place place, const char *text)
{
	struct stat st;
	uint64		removed = 0;
	ListCell   *cell;

	bb_reqctx_check(ctx);
	check_stack_depth();
	if (stat_place(place, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", text)));
	if (S_ISDIR(st.st_mode))
	{
		foreach(cell, list_names(place, text))
		{
			const char *name = lfirst(cell);

			removed += remove_all(ctx,
								  (Place){place.directory,
										  psprintf("%s/%s", place.path, name)},
								  psprintf("%s/%s", text, name));
		}
	}
	if (unlink_place(place, S_ISDIR(st.st_mode)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove \"%s\": %m", text)));
	return S_ISDIR(st.st_mode) ? removed : removed + 1;
}

uint64
bb_tree_remove(const BbReqCtx *ctx, const BbTree *tree, const char *path)
{
	return remove_all(ctx, place_of(tree, path), bb_tree_text(tree, path));
}

void
bb_tree_discard(const BbTree *tree, const char *path, bool directory)
{
	(void) unlink_place(place_of(tree, path), directory);
}

void
bb_tree_rename(const BbTree *tree, const char *from, const char *to)
{
	Spot		source = enter(place_of(tree, from));
	Spot		target = {-1, NULL};
	int			result = -1;

	if (source.directory >= 0)
		target = enter(place_of(tree, to));
	if (target.directory >= 0)
		result = renameat(source.directory, source.name, target.directory,
						  target.name);
	if (leave(source, leave(target, result)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						bb_tree_text(tree, from), bb_tree_text(tree, to))));
}

static void
sync_file(const BbTree *tree, const char *path)
{
	Place		place = place_of(tree, path);
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

		(void) unlink_place(place, false);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m",
						bb_tree_text(tree, path))));
	}
	(void) bb_fd_close(fd);
}

void
bb_tree_sync_directory(const BbTree *tree, const char *path)
{
	Place		place = directory_of(tree, path);
	BbFd	   *fd = bb_fd_open_beneath(place.directory, place.path,
										O_RDONLY | O_DIRECTORY, 0);

	/* not every file system can, as fsync_fname_ext in fd.c says */
	if (fd == NULL ||
		(pg_fsync(bb_fd_number(fd)) < 0 && errno != EBADF && errno != EINVAL))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync directory \"%s\": %m",
						bb_tree_text(tree, path))));
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

	/* what a descriptor leaves when it is closed */
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
bb_tree_keep(BbTree *tree)
{
	ListCell   *cell;

	foreach(cell, tree->tablespaces)
		bb_outdir_keep(((const BbTreeTablespace *) lfirst(cell))->dir);
	bb_outdir_keep(tree->root);
}
