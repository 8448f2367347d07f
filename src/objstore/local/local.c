/*-------------------------------------------------------------------------
 *
 * local.c
 *	  The object store driver for a local directory.
 *
 * An object is a file of the same name below the directory.  It is written
 * under a name with a dot ahead, synced, renamed, and its directory synced;
 * so a file without the dot is whole, and one with it that nobody is writing
 * is a leftover:
 *
 *	  timelines/main/layers/.image-….tmp  ->  timelines/main/layers/image-…
 *
 * A lock is an flock(2) on ".lock" files, which die with the process that
 * holds them.	put_if compares and renames under such a lock, so that two
 * servers that share the directory can't both succeed.
 *
 * Somebody else may be able to write to the directory.  So all that is made,
 * removed or locked is looked up beneath it, and no symbolic link in it is
 * followed (beneath.h).
 *
 * Files and directories have the modes of the server's own data directory
 * (pg_file_create_mode, pg_dir_create_mode).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "common/file_perm.h"
#include "objstore/local/local.h"
#include "storage/fd.h"

#define SCHEME_PREFIX "file://"

char *
bb_local_path(const BbObjectStore *objects, const char *name)
{
	return psprintf("%s/%s", ((const BbLocalStore *) objects)->directory,
					name);
}

char *
bb_local_companion(const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/');

	return psprintf("%.*s/.%s.%s", (int) (slash - path), path, slash + 1,
					suffix);
}

void
bb_local_parent(const char *path, char *parent)
{
	strlcpy(parent, path, MAXPGPATH);
	get_parent_directory(parent);
}

/* A user who may do so names the store's own directory; it may be a link. */
static void
make_store_directory(const char *directory)
{
	char		above[MAXPGPATH];
	struct stat st;

	if (stat(directory, &st) == 0)
		return;
	bb_local_parent(directory, above);
	make_store_directory(above);
	if (MakePGDirectory(directory) < 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create page store directory \"%s\": %m",
						directory),
				 errhint("The server's operating system user needs to be "
						 "able to write where the page store is.")));
	fsync_fname(above, true);
}

void
bb_local_complain_link(const char *path)
{
	int			save_errno = errno;
	struct stat st;

	if (save_errno == ELOOP ||
		(save_errno == ENOTDIR && lstat(path, &st) == 0 &&
		 S_ISLNK(st.st_mode)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" leads through a symbolic link", path),
				 errdetail("No symbolic link is followed in a page store."),
				 errhint("Remove the link, or replace it by what it points "
						 "to.")));
	errno = save_errno;
}

int
bb_local_enter(const char *directory, const char *name, const char **last)
{
	int			root = BasicOpenFile(directory,
									 O_PATH | O_DIRECTORY | O_CLOEXEC);
	int			fd;
	int			save_errno;

	if (root < 0)
		return -1;
	fd = bb_open_parent_beneath(root, name, last);
	save_errno = errno;
	(void) close(root);
	errno = save_errno;
	return fd;
}

BbFd *
bb_local_open_parent(const BbObjectStore *objects, const char *name,
					 const char **last)
{
	int			fd = bb_local_enter(((const BbLocalStore *) objects)
										->directory,
									name, last);
	BbFd	   *parent = fd >= 0 ? bb_fd_adopt(fd) : NULL;

	if (parent == NULL && errno != ENOENT)
	{
		char	   *path = bb_local_path(objects, name);
		char		directory[MAXPGPATH];

		bb_local_parent(path, directory);
		bb_local_complain_link(directory);
		if (errno == ENOTDIR)
			errno = ENOENT; /* a file is in the place of a directory */
		else
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not open directory \"%s\": %m",
							directory)));
	}
	return parent;
}

void
bb_local_sync_directory(const BbObjectStore *objects, const char *name)
{
	char	   *path = psprintf("%s/.", name[0] == '\0' ? "." : name);
	const char *last;
	int			parent = bb_local_enter(((const BbLocalStore *) objects)
											->directory,
										path, &last);
	int			fd = -1;
	int			save_errno = 0;

	if (parent >= 0)
	{
		fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void) close(parent);
	}
	if (fd < 0)
		return; /* it is gone */
	if (pg_fsync(fd) < 0)
		save_errno = errno;
	(void) close(fd);
	/* not every file system can, as fsync_fname_ext in fd.c says */
	errno = save_errno;
	if (errno != 0 && errno != EBADF && errno != EINVAL)
		ereport(data_sync_elevel(ERROR),
				(errcode_for_file_access(),
				 errmsg("could not fsync directory \"%s\": %m",
						bb_local_path(objects, name))));
	pfree(path);
}

static bool
is_no_directory(const BbObjectStore *objects, const char *name)
{
	struct stat st;

	return lstat(bb_local_path(objects, name), &st) == 0 &&
		!S_ISDIR(st.st_mode);
}

BbFd *
bb_local_make_parent(const BbObjectStore *objects, const char *name,
					 const char **last)
{
	BbFd	   *parent;

	make_store_directory(((const BbLocalStore *) objects)->directory);
	while ((parent = bb_local_open_parent(objects, name, last)) == NULL)
	{
		const char *slash = strrchr(name, '/');
		char	   *directory;
		const char *directory_last;
		BbFd	   *above;
		char		above_name[MAXPGPATH] = "";
		bool		made;

		if (slash == NULL)
			return bb_local_open_parent(objects, name, last);
		directory = pnstrdup(name, slash - name);
		above = bb_local_make_parent(objects, directory, &directory_last);
		if (above == NULL)
			return NULL;
		made = mkdirat(bb_fd_number(above), directory_last,
					   pg_dir_create_mode) == 0;
		if (!made && errno == ENOENT)
		{
			/* what was made above went with another's lock */
			(void) bb_fd_close(above);
			errno = ENOENT;
			return NULL;
		}
		if (!made && errno != EEXIST)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create page store directory \"%s\": %m",
							bb_local_path(objects, directory)),
					 errhint("The server's operating system user needs to be "
							 "able to write where the page store is.")));
		(void) bb_fd_close(above);
		if (made && strchr(directory, '/') != NULL)
			bb_local_parent(directory, above_name);
		if (made)
			bb_local_sync_directory(objects, above_name);
		else if (is_no_directory(objects, directory))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("\"%s\" is not a directory",
							bb_local_path(objects, directory))));
		pfree(directory);
	}
	return parent;
}

static void
local_check_url(const char *url)
{
	const char *path = url + strlen(SCHEME_PREFIX);
	char		canonical[MAXPGPATH];

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid page store URL \"%s\"", url),
				 errdetail("The path in a file URL must be absolute."),
				 errhint("Write it with three slashes: "
						 "\"file:///directory\".")));
	/* room for the names of layers */
	if (strlen(path) >= MAXPGPATH - 256)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("page store path is too long: \"%s\"", path)));

	strlcpy(canonical, path, sizeof(canonical));
	canonicalize_path(canonical);
	if (strcmp(canonical, "/") == 0 || strstr(path, "/../") != NULL ||
		(strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid page store URL \"%s\"", url),
				 errdetail("The path must be that of a directory of its own, "
						   "without \"..\".")));
}

static BbObjectStore *
local_open(const BbReqCtx *ctx, const char *url,
		   const BbObjectStoreOptions *options)
{
	BbLocalStore *objects = palloc0(sizeof(BbLocalStore));

	objects->directory = pstrdup(url + strlen(SCHEME_PREFIX));
	canonicalize_path(objects->directory);
	return &objects->base;
}

static const char *
local_directory(const BbObjectStore *objects)
{
	return ((const BbLocalStore *) objects)->directory;
}

const BbObjectStoreOps bb_objstore_local = {
	.scheme = "file",
	.residency = &bb_residency_all,
	.check_url = local_check_url,
	.open = local_open,
	.local_directory = local_directory,
	.get = bb_local_get,
	.put_if = bb_local_put_if,
	.list = bb_local_list,
	.list_parts = bb_local_list_parts,
	.remove = bb_local_remove,
	.sweep = bb_local_sweep,
	.lock = bb_local_lock,
	.create = bb_local_create,
	.write = bb_local_write,
	.finish = bb_local_finish,
	.open_object = bb_local_open_object,
	.read = bb_local_read,
	.close = bb_local_close,
};
