/*-------------------------------------------------------------------------
 *
 * local_read.c
 *	  The local driver: reading objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "objstore/local/local.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* The most that one read asks for. */
#define READ_BYTES (1024 * 1024 * 1024)

typedef struct LocalReader
{
	BbObjectReader base;
	MemoryContext context; /* owns the reader */
	File		file;
	MemoryContextCallback callback;
	char	   *path;
} LocalReader;

void
bb_local_close(BbObjectReader *reader)
{
	LocalReader *local = (LocalReader *) reader;

	MemoryContextDelete(local->context);
}

static void
close_file(void *arg)
{
	FileClose(((LocalReader *) arg)->file);
}

static void
report_irregular(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("\"%s\" is not a regular file", path)));
}

/*
 * Open an object.  Returns NULL if there is none.
 *
 * Objects are read through the server's virtual file descriptors, because a
 * scan may have more layers open than the process may have files.  O_NONBLOCK,
 * because opening a FIFO would wait forever.
 *
 * A symbolic link isn't followed if it is there when the file is opened.  If
 * the server opens the file again, a link that was made since may lead to other
 * bytes, which checksums detect.
 */
static LocalReader *
open_reader(BbObjectStore *objects, const char *name)
{
	MemoryContext context;
	MemoryContext old;
	LocalReader *reader;
	struct stat st;
	BbFd	   *parent;
	const char *last;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup object",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	reader = palloc0(sizeof(LocalReader));
	reader->context = context;
	reader->path = bb_local_path(objects, name);
	reader->file = -1;
	parent = bb_local_open_parent(objects, name, &last);
	if (parent != NULL)
	{
		(void) bb_fd_close(parent);
		reader->file = PathNameOpenFile(reader->path,
										O_RDONLY | O_NONBLOCK | O_NOFOLLOW |
											PG_BINARY);
	}
	if (reader->file < 0)
	{
		bb_local_report_link(reader->path);
		if (errno == ENOENT || errno == ENOTDIR)
		{
			MemoryContextSwitchTo(old);
			MemoryContextDelete(context);
			return NULL;
		}
		if (errno == ENXIO) /* a socket */
			report_irregular(reader->path);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", reader->path)));
	}
	reader->callback.func = close_file;
	reader->callback.arg = reader;
	MemoryContextRegisterResetCallback(context, &reader->callback);

	if (fstat(FileGetRawDesc(reader->file), &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", reader->path)));
	if (!S_ISREG(st.st_mode))
		report_irregular(reader->path);
	reader->base.size = st.st_size;
	MemoryContextSwitchTo(old);
	return reader;
}

BbObjectReader *
bb_local_open_object(const BbReqCtx *ctx, BbObjectStore *objects,
					 const char *name)
{
	LocalReader *reader = open_reader(objects, name);

	return reader != NULL ? &reader->base : NULL;
}

void
bb_local_read(const BbReqCtx *ctx, BbObjectReader *reader, uint64 offset,
			  void *data, size_t length)
{
	LocalReader *local = (LocalReader *) reader;
	char	   *at = data;

	while (length > 0)
	{
		int			n;

		n = FileRead(local->file, at, (int) Min(length, READ_BYTES),
					 (off_t) offset, WAIT_EVENT_DATA_FILE_READ);
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", local->path)));
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s\" was truncated while it was read",
							local->path)));
		at += n;
		offset += n;
		length -= n;
	}
}

bool
bb_local_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			 size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	LocalReader *local = open_reader(objects, name);
	BbObjectReader *reader;

	if (local == NULL)
		return false;

	reader = &local->base;
	if (reader->size > max_length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" is too large", name),
				 errdetail("Its size is " UINT64_FORMAT " bytes; at most %zu "
						   "are expected.",
						   reader->size, max_length)));
	*length = reader->size;
	*data = palloc(*length + 1);
	bb_local_read(ctx, reader, 0, *data, *length);
	(*data)[*length] = '\0';
	*tag = bb_object_tag(*data, *length);
	bb_local_close(reader);
	return true;
}
