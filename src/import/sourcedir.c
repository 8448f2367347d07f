/*-------------------------------------------------------------------------
 *
 * sourcedir.c
 *	  The files of a data directory, which another user may own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "import/sourcetree.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

typedef struct DirectoryList
{
	BbSourceList base;
	const char *path;
	DIR		   *handle;
} DirectoryList;

typedef struct DirectoryFile
{
	BbSourceFile base;
	BbFd	   *fd;
} DirectoryFile;

/* Return the whole path, palloc'd. */
static char *
full_path(const BbSourceTree *tree, const char *path)
{
	return psprintf("%s%s%s", tree->name, path[0] != '\0' ? "/" : "", path);
}

static BbSourceList *
list_directory(const BbReqCtx *ctx, const BbSourceTree *tree, const char *path)
{
	DirectoryList *list = palloc0(sizeof(DirectoryList));

	list->base.ops = tree->ops;
	list->path = full_path(tree, path);
	list->handle = AllocateDir(list->path);
	return list->handle == NULL ? NULL : &list->base;
}

static const char *
next_name(BbSourceList *base)
{
	DirectoryList *list = (DirectoryList *) base;
	struct dirent *entry;

	do
		entry = ReadDir(list->handle, list->path);
	while (
		entry != NULL &&
		(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry ? entry->d_name : NULL;
}

static void
close_directory(BbSourceList *base)
{
	DirectoryList *list = (DirectoryList *) base;

	FreeDir(list->handle);
	pfree(unconstify(char *, list->path));
	pfree(list);
}

static bool
stat_file(const BbSourceTree *tree, const char *path, bool follow,
		  BbSourceStat *result)
{
	char	   *full = full_path(tree, path);
	struct stat st;
	int			failed = follow ? stat(full, &st) : lstat(full, &st);
	int			error = errno;

	pfree(full);
	errno = error;
	if (failed)
		return false;
	result->kind = S_ISREG(st.st_mode) ? BB_SOURCE_FILE
		: S_ISDIR(st.st_mode)		   ? BB_SOURCE_DIRECTORY
		: S_ISLNK(st.st_mode)		   ? BB_SOURCE_LINK
									   : BB_SOURCE_OTHER;
	result->size = st.st_size;
	result->mode = st.st_mode & ~S_IFMT;
	result->uid = st.st_uid;
	result->gid = st.st_gid;
	result->device = st.st_dev;
	result->inode = st.st_ino;
	return true;
}

static char *
link_target(const BbSourceTree *tree, const char *path)
{
	char	   *full = full_path(tree, path);
	char		target[MAXPGPATH];
	ssize_t		length = readlink(full, target, sizeof(target));

	if (length < 0 && errno == EINVAL)
		return NULL;
	if (length < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read symbolic link \"%s\": %m", full)));
	if (length >= sizeof(target))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("symbolic link \"%s\" target is too long", full)));
	pfree(full);
	return pnstrdup(target, length);
}

static BbSourceFile *
open_file(const BbReqCtx *ctx, const BbSourceTree *tree, const char *path)
{
	DirectoryFile *file = palloc0(sizeof(DirectoryFile));
	struct stat st;

	file->base.path = full_path(tree, path);

	/* check before opening, since opening a FIFO waits for a writer */
	if (stat(file->base.path, &st) < 0)
	{
		if (errno != ENOENT)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m",
							file->base.path)));
		return NULL;
	}
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a regular file", file->base.path)));

	file->fd = bb_fd_open(file->base.path, O_RDONLY, 0);
	if (file->fd == NULL || fstat(bb_fd_number(file->fd), &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", file->base.path)));
	file->base.size = st.st_size;
	return &file->base;
}

static size_t
read_file(BbSourceFile *base, void *data, size_t length, uint64 offset)
{
	DirectoryFile *file = (DirectoryFile *) base;
	ssize_t		n;

	do
	{
		pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_READ);
		n = pg_pread(bb_fd_number(file->fd), data, length, (off_t) offset);
		pgstat_report_wait_end();
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", base->path)));
	return n;
}

static const BbSourceTreeOps directory_ops = {
	.list = list_directory,
	.next = next_name,
	.close_list = close_directory,
	.stat = stat_file,
	.link_target = link_target,
	.open = open_file,
	.read = read_file,
};

const BbSourceTree *
bb_sourcedir_new(const char *path)
{
	BbSourceTree *tree = palloc0(sizeof(BbSourceTree));

	tree->ops = &directory_ops;
	tree->name = pstrdup(path);
	return tree;
}
