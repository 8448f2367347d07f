/*-------------------------------------------------------------------------
 *
 * local_write.c
 *	  The local driver: writing objects, and replacing small ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/resource.h"
#include "common/file_perm.h"
#include "objstore/local/local.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* How often to write data back, so that the fsync has less to do. */
#define FLUSH_BYTES (8 * 1024 * 1024)

#define WRITE_BUFFER_BYTES (256 * 1024)

typedef struct LocalWriter
{
	BbObjectWriter base;
	MemoryContext context; /* owns the writer */
	BbFd	   *fd;
	char	   *path; /* for messages, like "temporary" */
	char	   *temporary;
	char	   *directory; /* of the object, below the store's; "": the store's */
	char	   *name;
	const char *temporary_last; /* NULL once renamed or removed */
	BbObjectStore *objects;
	char	   *root; /* the store's directory */
	uint64		written;
	uint64		flushed;
	MemoryContextCallback callback;
	size_t		filled; /* bytes in the buffer */
	char		buffer[WRITE_BUFFER_BYTES];
} LocalWriter;

static void
remove_unfinished(void *arg)
{
	LocalWriter *writer = arg;
	const char *last;
	int			parent;

	if (writer->temporary_last == NULL)
		return;
	parent = bb_local_enter(writer->root, writer->name, &last);
	if (parent >= 0)
	{
		(void) unlinkat(parent, writer->temporary_last, 0);
		(void) close(parent);
	}
}

/* Another session may remove an empty directory when it releases its lock. */
static BbFd *
make_parent(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			const char **last)
{
	BbFd	   *parent;

	while ((parent = bb_local_make_parent(objects, name, last)) == NULL)
		bb_reqctx_check(ctx);
	return parent;
}

BbObjectWriter *
bb_local_create(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	MemoryContext context;
	MemoryContext old;
	LocalWriter *writer;
	BbFd	   *parent;
	const char *last;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup writer",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	writer = palloc0(sizeof(LocalWriter));
	writer->context = context;
	writer->objects = objects;
	writer->root = pstrdup(((BbLocalStore *) objects)->directory);
	writer->name = pstrdup(name);
	writer->path = bb_local_path(objects, name);
	writer->temporary = bb_local_companion(writer->path, "tmp");
	writer->directory = pnstrdup(name,
								 strrchr(name, '/') != NULL
									 ? strrchr(name, '/') - name
									 : 0);
	parent = make_parent(ctx, objects, writer->name, &last);

	writer->callback.func = remove_unfinished;
	writer->callback.arg = writer;
	MemoryContextRegisterResetCallback(context, &writer->callback);
	writer->temporary_last = strrchr(writer->temporary, '/') + 1;
	/* remove what is there: it may be a FIFO, and opening that would wait */
	(void) unlinkat(bb_fd_number(parent), writer->temporary_last, 0);
	writer->fd = bb_fd_openat(parent, writer->temporary_last,
							  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
							  pg_file_create_mode);
	if (writer->fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m",
						writer->temporary)));
	(void) bb_fd_close(parent);
	MemoryContextSwitchTo(old);
	return &writer->base;
}

static void
write_out(const BbReqCtx *ctx, LocalWriter *writer, const char *data,
		  size_t length)
{
	int			fd = bb_fd_number(writer->fd);

	while (length > 0)
	{
		ssize_t		n;

		errno = 0;
		pgstat_report_wait_start(WAIT_EVENT_DATA_FILE_WRITE);
		n = pg_pwrite(fd, data, length, (off_t) writer->written);
		pgstat_report_wait_end();

		if (n < 0 && errno == EINTR)
		{
			bb_reqctx_check(ctx);
			continue;
		}
		if (n <= 0)
		{
			bool		full = (errno == 0 || errno == ENOSPC);

			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m",
							writer->temporary),
					 full ? errhint("Make room on the disk of the page store.")
						  : 0));
		}
		data += n;
		length -= n;
		writer->written += n;
	}

	if (writer->written - writer->flushed >= FLUSH_BYTES)
	{
		pg_flush_data(fd, (off_t) writer->flushed,
					  (off_t) (writer->written - writer->flushed));
		writer->flushed = writer->written;
	}
}

void
bb_local_write(const BbReqCtx *ctx, BbObjectWriter *writer, const void *data,
			   size_t length)
{
	LocalWriter *local = (LocalWriter *) writer;

	if (length > WRITE_BUFFER_BYTES - local->filled)
	{
		write_out(ctx, local, local->buffer, local->filled);
		local->filled = 0;
	}
	if (length >= WRITE_BUFFER_BYTES)
		write_out(ctx, local, data, length);
	else
	{
		memcpy(local->buffer + local->filled, data, length);
		local->filled += length;
	}
}

void
bb_local_finish(const BbReqCtx *ctx, BbObjectWriter *writer)
{
	LocalWriter *local = (LocalWriter *) writer;
	BbFd	   *parent;
	const char *last;

	write_out(ctx, local, local->buffer, local->filled);
	if (pg_fsync(bb_fd_number(local->fd)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", local->temporary)));
	if (bb_fd_close(local->fd) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", local->temporary)));
	parent = bb_local_open_parent(local->objects, local->name, &last);
	if (parent == NULL ||
		renameat(bb_fd_number(parent), local->temporary_last,
				 bb_fd_number(parent), last) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						local->temporary, local->path)));
	(void) bb_fd_close(parent);
	local->temporary_last = NULL;
	bb_local_sync_directory(local->objects, local->directory);
	MemoryContextDelete(local->context);
}

bool
bb_local_put_if(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
				const void *data, size_t length, BbObjectTag expected,
				BbObjectTag *tag)
{
	MemoryContext context;
	MemoryContext old;
	BbObjectWriter *writer;
	char	   *present;
	size_t		present_length;
	BbObjectTag present_tag = BB_OBJECT_ABSENT;
	bool		same;

	/* the lock is released with this context */
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup put",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);

	while (!bb_local_lock(ctx, objects, name))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
	(void) bb_local_get(ctx, objects, name, MaxAllocSize - 1, &present,
						&present_length, &present_tag);
	same = present_tag == expected;
	if (same)
	{
		writer = bb_local_create(ctx, objects, name);
		bb_local_write(ctx, writer, data, length);
		bb_local_finish(ctx, writer);
		*tag = bb_object_tag(data, length);
	}

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return same;
}
