/*-------------------------------------------------------------------------
 *
 * local_path.c
 *	  The local driver: paths of objects, and the directories they are in.
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

char *
bb_local_path(const BbObjectStore *objects, const char *name)
{
	return psprintf("%s/%s", objects->directory, name);
}

char *
bb_local_directory_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return pnstrdup(name, slash != NULL ? slash - name : 0);
}

char *
bb_local_companion(const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/');

	return psprintf("%.*s/.%s.%s", (int) (slash - path), path, slash + 1,
					suffix);
}

static void
report_not_created(const char *directory)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not create page store directory \"%s\": %m",
					directory),
			 errhint("The server's operating system user needs to be able to "
					 "write where the page store is.")));
}

/*
 * Create the store's directory and those above it.  Symbolic links in this path
 * are followed, because only a user with the right to do so can set it.
 */
static void
make_store_directory(const char *directory)
{
	char		above[MAXPGPATH];
	struct stat st;

	if (stat(directory, &st) == 0)
		return;
	strlcpy(above, directory, sizeof(above));
	get_parent_directory(above);
	make_store_directory(above);
	if (MakePGDirectory(directory) < 0 && errno != EEXIST)
		report_not_created(directory);
	fsync_fname(above, true);
}

void
bb_local_report_link(const char *path)
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

bool
bb_local_is_current(const BbFd *fd, int parent, const char *last)
{
	struct stat open_st;
	struct stat st;

	return fstat(bb_fd_number(fd), &open_st) == 0 &&
		fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		open_st.st_dev == st.st_dev && open_st.st_ino == st.st_ino;
}

BbFd *
bb_local_open_parent(const BbObjectStore *objects, const char *name,
					 const char **last)
{
	int			fd = bb_local_enter(objects->directory, name, last);
	BbFd	   *parent = fd >= 0 ? bb_fd_adopt(fd) : NULL;

	if (parent == NULL && errno != ENOENT)
	{
		char	   *directory = bb_local_directory_of(
			bb_local_path(objects, name));

		bb_local_report_link(directory);
		if (errno == ENOTDIR)
			errno = ENOENT; /* there is a file in the place of a directory */
		else
			bb_report_file("could not open directory \"%s\": %m", directory);
	}
	return parent;
}

void
bb_local_sync_directory(const BbObjectStore *objects, const char *name)
{
	char	   *path = psprintf("%s/.", name[0] == '\0' ? "." : name);
	const char *last;
	int			parent = bb_local_enter(objects->directory, path, &last);
	int			fd = -1;
	int			save_errno = 0;

	if (parent >= 0)
	{
		fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void) close(parent);
	}
	if (fd < 0)
		return; /* it was removed */
	if (pg_fsync(fd) < 0)
		save_errno = errno;
	(void) close(fd);
	/* some file systems can't do this; see fsync_fname_ext in fd.c */
	errno = save_errno;
	if (errno != 0 && errno != EBADF && errno != EINVAL)
		ereport(data_sync_elevel(ERROR),
				(errcode_for_file_access(),
				 errmsg("could not fsync directory \"%s\": %m",
						bb_local_path(objects, name))));
	pfree(path);
}

BbFd *
bb_local_make_parent(const BbObjectStore *objects, const char *name,
					 const char **last)
{
	BbFd	   *parent;

	make_store_directory(objects->directory);
	while ((parent = bb_local_open_parent(objects, name, last)) == NULL)
	{
		char	   *directory = bb_local_directory_of(name);
		const char *directory_last;
		struct stat st;
		BbFd	   *above;
		bool		made;

		if (*directory == '\0')
			return bb_local_open_parent(objects, name, last);
		above = bb_local_make_parent(objects, directory, &directory_last);
		if (above == NULL)
			return NULL;
		made = mkdirat(bb_fd_number(above), directory_last,
					   pg_dir_create_mode) == 0;
		if (!made && errno == ENOENT)
		{
			/* another session removed the directory with its lock */
			(void) bb_fd_close(above);
			errno = ENOENT;
			return NULL;
		}
		if (!made && errno != EEXIST)
			report_not_created(bb_local_path(objects, directory));
		(void) bb_fd_close(above);
		if (made)
			bb_local_sync_directory(objects, bb_local_directory_of(directory));
		else if (lstat(bb_local_path(objects, directory), &st) == 0 &&
				 !S_ISDIR(st.st_mode))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("\"%s\" is not a directory",
							bb_local_path(objects, directory))));
		pfree(directory);
	}
	return parent;
}
