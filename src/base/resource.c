/*-------------------------------------------------------------------------
 *
 * resource.c
 *	  File descriptors that are closed with their memory context.
 *
 * The server's own OpenTransientFile ties a descriptor to a subtransaction,
 * which a portal may outlive; so these are plain descriptors, announced to
 * fd.c as external ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/resource.h"
#include "storage/fd.h"

struct BbFd
{
	int			fd; /* -1: closed */
	MemoryContextCallback callback;
};

static void
close_with_context(void *arg)
{
	bb_fd_close(arg);
}

BbFd *
bb_fd_open(const char *path, int flags, mode_t mode)
{
	BbFd	   *resource = palloc(sizeof(BbFd));

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many files are open to open \"%s\"", path),
				 errhint("Raise max_files_per_process.")));

	resource->fd = BasicOpenFilePerm(path, flags | PG_BINARY | O_CLOEXEC,
									 mode);
	if (resource->fd < 0)
	{
		int			save_errno = errno;

		ReleaseExternalFD();
		pfree(resource);
		errno = save_errno;
		return NULL;
	}

	resource->callback.func = close_with_context;
	resource->callback.arg = resource;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &resource->callback);
	return resource;
}

int
bb_fd_number(const BbFd *fd)
{
	return fd->fd;
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
		ReleaseExternalFD();
	}
	return result;
}
