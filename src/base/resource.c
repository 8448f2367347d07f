/*-------------------------------------------------------------------------
 *
 * resource.c
 *	  File descriptors and open directories that are closed with their memory
 *	  context.
 *
 * The server's OpenTransientFile ties a descriptor to a subtransaction, which a
 * portal may outlive; so these are plain descriptors, which fd.c counts as
 * external ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/resource.h"
#include "storage/fd.h"

void
bb_on_reset(MemoryContext context, MemoryContextCallbackFunction function,
			void *arg)
{
	MemoryContextCallback *callback = MemoryContextAlloc(context,
														 sizeof(*callback));

	callback->func = function;
	callback->arg = arg;
	MemoryContextRegisterResetCallback(context, callback);
}

struct BbFd
{
	int			fd; /* -1: closed */
	bool		uncounted;
	MemoryContextCallback callback;
};

static void
close_with_context(void *arg)
{
	bb_fd_close(arg);
}

/* Count one more external descriptor. */
static void
acquire(const char *path)
{
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many files are open to open \"%s\"", path),
				 errhint("Raise max_files_per_process.")));
}

/* Let the context own fd.  Returns NULL, with errno, if open(2) failed. */
static BbFd *
own(BbFd *resource, int fd)
{
	if (fd < 0)
	{
		int			save_errno = errno;

		ReleaseExternalFD();
		pfree(resource);
		errno = save_errno;
		return NULL;
	}

	resource->fd = fd;
	resource->uncounted = false;
	resource->callback.func = close_with_context;
	resource->callback.arg = resource;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &resource->callback);
	return resource;
}

BbFd *
bb_fd_open(const char *path, int flags, mode_t mode)
{
	BbFd	   *resource = palloc(sizeof(BbFd));

	acquire(path);
	return own(resource,
			   BasicOpenFilePerm(path, flags | PG_BINARY | O_CLOEXEC, mode));
}

BbFd *
bb_fd_openat(const BbFd *directory, const char *path, int flags, mode_t mode)
{
	BbFd	   *resource = palloc(sizeof(BbFd));

	acquire(path);
	return own(resource,
			   openat(directory->fd, path, flags | PG_BINARY | O_CLOEXEC,
					  mode));
}

BbFd *
bb_fd_open_beneath(const BbFd *directory, const char *path, int flags,
				   mode_t mode)
{
	BbFd	   *resource = palloc(sizeof(BbFd));

	acquire(path);
	return own(resource,
			   bb_openat_beneath(directory->fd, path, flags | PG_BINARY,
								 mode));
}

BbFd *
bb_fd_adopt(int fd)
{
	BbFd	   *resource = palloc(sizeof(BbFd));

	resource = own(resource, fd);
	resource->uncounted = true;
	return resource;
}

int
bb_fd_number(const BbFd *fd)
{
	return fd->fd;
}

ssize_t
bb_fd_read_at(const BbFd *fd, void *data, size_t length, uint64 offset)
{
	size_t		done = 0;

	while (done < length)
	{
		ssize_t		n = pg_pread(fd->fd, (char *) data + done, length - done,
								 (off_t) (offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += n;
	}
	return (ssize_t) done;
}

int
bb_fd_close(BbFd *fd)
{
	int			result = 0;

	/* the struct stays: the context's callback still points to it */
	if (fd->fd >= 0)
	{
		result = close(fd->fd);
		fd->fd = -1;
		if (!fd->uncounted)
			ReleaseExternalFD();
	}
	return result;
}

struct BbDir
{
	DIR		   *dir; /* NULL: closed */
	MemoryContextCallback callback;
};

static void
close_dir_with_context(void *arg)
{
	bb_dir_close(arg);
}

BbDir *
bb_dir_openat(const BbFd *directory, const char *path)
{
	BbDir	   *resource = palloc(sizeof(BbDir));
	int			fd;

	acquire(path);
	fd = bb_openat_beneath(directory->fd, path, O_RDONLY | O_DIRECTORY, 0);
	resource->dir = fd < 0 ? NULL : fdopendir(fd);
	if (resource->dir == NULL)
	{
		int			save_errno = errno;

		if (fd >= 0)
			(void) close(fd);
		ReleaseExternalFD();
		pfree(resource);
		errno = save_errno;
		return NULL;
	}
	resource->callback.func = close_dir_with_context;
	resource->callback.arg = resource;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &resource->callback);
	return resource;
}

const char *
bb_dir_next(BbDir *dir)
{
	struct dirent *entry;

	for (;;)
	{
		errno = 0;
		entry = readdir(dir->dir);
		if (entry == NULL)
			return NULL;
		if (strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
}

void
bb_dir_close(BbDir *dir)
{
	if (dir->dir != NULL)
	{
		(void) closedir(dir->dir);
		dir->dir = NULL;
		ReleaseExternalFD();
	}
}

void
bb_report_file(const char *message, const char *path)
{
	ereport(ERROR, (errcode_for_file_access(), errmsg(message, path)));
}
