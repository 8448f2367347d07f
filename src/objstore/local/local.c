/*-------------------------------------------------------------------------
 *
 * local.c
 *	  The object store driver for a local directory: its operations, opening a
 *	  store.
 *
 * An object is a file of the same name below the directory.  It is written to
 * a file whose name begins with a dot, fsynced and renamed, and its directory
 * is fsynced.  So a file without the dot is whole, and a file with it that no
 * session is writing is a leftover:
 *
 *	  timelines/main/layers/.image-….tmp  ->  timelines/main/layers/image-…
 *
 * The writer has that file locked by flock(2) until it is renamed, so a sweep,
 * which removes leftovers, knows the two apart, even of writers that hold no
 * other lock, such as an edit of a manifest.
 *
 * A lock is an flock(2) on a ".lock" file, which the kernel releases when the
 * process dies.  put_if compares and renames under such a lock, so that of two
 * servers that share the directory only one succeeds.
 *
 * Other users may be able to write to the directory.  So files that are
 * created, removed or locked are looked up beneath it, and no symbolic link in
 * it is followed (base/beneath.h).
 *
 * Files and directories have the modes of the server's own data directory
 * (pg_file_create_mode, pg_dir_create_mode).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "objstore/local/local.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define SCHEME_PREFIX "file://"

/* ---- reading ---- */

/* The most that one read asks for. */
#define READ_BYTES (1024 * 1024 * 1024)

typedef struct LocalReader
{
	BbObjectReader base;
	MemoryContext context; /* owns the reader */
	File		file;
	char	   *path;
} LocalReader;

static void
local_close(BbObjectReader *reader)
{
	MemoryContextDelete(((LocalReader *) reader)->context);
}

static void
close_file(void *arg)
{
	LocalReader *reader = arg;

	if (reader->file >= 0)
		FileClose(reader->file);
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
static BbObjectReader *
local_open_object(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup object",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LocalReader *reader = palloc0(sizeof(LocalReader));
	struct stat st;
	BbFd	   *parent;
	const char *last;

	reader->context = context;
	reader->path = bb_local_path(objects, name);
	reader->file = -1;
	bb_on_reset(context, close_file, reader);
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
		bb_report_file("could not open file \"%s\": %m", reader->path);
	}
	if (fstat(FileGetRawDesc(reader->file), &st) < 0)
		bb_report_file("could not stat file \"%s\": %m", reader->path);
	if (!S_ISREG(st.st_mode))
		report_irregular(reader->path);
	reader->base.size = st.st_size;
	MemoryContextSwitchTo(old);
	return &reader->base;
}

static void
local_read(const BbReqCtx *ctx, BbObjectReader *reader, uint64 offset,
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
			bb_report_file("could not read file \"%s\": %m", local->path);
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

static bool
local_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
		  size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	BbObjectReader *reader = local_open_object(ctx, objects, name);

	if (reader == NULL)
		return false;
	if (reader->size > max_length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" is too large", name),
				 errdetail("Its size is " UINT64_FORMAT " bytes; at most %zu "
						   "are expected.",
						   reader->size, max_length)));
	*length = reader->size;
	*data = palloc(*length + 1);
	local_read(ctx, reader, 0, *data, *length);
	(*data)[*length] = '\0';
	*tag = bb_object_tag(*data, *length);
	local_close(reader);
	return true;
}

#define TAG_PIECE_BYTES (BB_TAG_STRIPE * 2048)

/* The tag of an object, which is read piece by piece. */
static BbObjectTag
local_tag(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	BbObjectReader *reader = local_open_object(ctx, objects, name);
	char	   *piece;
	uint64		at = 0;
	BbTagState	state;
	BbObjectTag tag;

	if (reader == NULL)
		return BB_OBJECT_ABSENT;
	piece = palloc(TAG_PIECE_BYTES);
	bb_object_tag_begin(&state, reader->size);
	for (; reader->size - at > TAG_PIECE_BYTES; at += TAG_PIECE_BYTES)
	{
		local_read(ctx, reader, at, piece, TAG_PIECE_BYTES);
		bb_object_tag_add(&state, piece, TAG_PIECE_BYTES);
	}
	local_read(ctx, reader, at, piece, reader->size - at);
	tag = bb_object_tag_end(&state, piece, reader->size - at);
	local_close(reader);
	pfree(piece);
	return tag;
}

/* ---- writing ---- */

/* How often to write data back, so that the fsync has less to do. */
#define FLUSH_BYTES (8 * 1024 * 1024)

#define WRITE_BUFFER_BYTES (256 * 1024)

typedef struct LocalWriter
{
	BbObjectWriter base;
	MemoryContext context; /* owns the writer */
	BbFd	   *fd;
	char	   *temporary; /* its path, for messages */
	char	   *name;
	const char *temporary_last; /* NULL once renamed or removed */
	BbObjectStore *objects;
	char	   *root; /* the store's directory */
	uint64		written;
	uint64		flushed;
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

/*
 * Create the temporary file of a writer, and lock it.  A sweep may remove the
 * file before it is locked; then it is created again.
 */
static void
create_temporary(const BbReqCtx *ctx, BbObjectStore *objects,
				 LocalWriter *writer)
{
	const char *temporary = strrchr(writer->temporary, '/') + 1;

	for (;;)
	{
		const char *last;
		BbFd	   *parent = make_parent(ctx, objects, writer->name, &last);
		bool		locked;

		writer->temporary_last = temporary;
		/* remove what is there: it may be a FIFO; opening that would wait */
		(void) unlinkat(bb_fd_number(parent), temporary, 0);
		writer->fd = bb_fd_openat(parent, temporary,
								  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
								  pg_file_create_mode);
		if (writer->fd == NULL)
			bb_report_file("could not create file \"%s\": %m",
						   writer->temporary);
		locked = flock(bb_fd_number(writer->fd), LOCK_EX | LOCK_NB) == 0;
		if (!locked && errno != EWOULDBLOCK && errno != EINTR)
			bb_report_file("could not lock file \"%s\": %m",
						   writer->temporary);
		locked = locked &&
			bb_local_is_current(writer->fd, bb_fd_number(parent), temporary);
		(void) bb_fd_close(parent);
		if (locked)
			return;
		(void) bb_fd_close(writer->fd);
		bb_reqctx_check(ctx);
	}
}

static BbObjectWriter *
local_create(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LocalWriter *writer = palloc0(sizeof(LocalWriter));

	writer->context = context;
	writer->objects = objects;
	writer->root = pstrdup(objects->directory);
	writer->name = pstrdup(name);
	writer->temporary = bb_local_companion(bb_local_path(objects, name),
										   "tmp");
	bb_on_reset(context, remove_unfinished, writer);
	create_temporary(ctx, objects, writer);
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

static void
local_write(const BbReqCtx *ctx, BbObjectWriter *writer, const void *data,
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

static void
local_finish(const BbReqCtx *ctx, BbObjectWriter *writer)
{
	LocalWriter *local = (LocalWriter *) writer;
	BbFd	   *parent;
	BbFd	   *lock;
	const char *last;
	int			locked;

	write_out(ctx, local, local->buffer, local->filled);
	if (pg_fsync(bb_fd_number(local->fd)) < 0)
		bb_report_file("could not fsync file \"%s\": %m", local->temporary);
	/* the lock is held on until the file is renamed */
	locked = dup(bb_fd_number(local->fd));
	if (locked < 0)
		bb_report_file("could not duplicate the descriptor of \"%s\": %m",
					   local->temporary);
	lock = bb_fd_adopt(locked);
	if (bb_fd_close(local->fd) < 0)
		bb_report_file("could not close file \"%s\": %m", local->temporary);
	parent = bb_local_open_parent(local->objects, local->name, &last);
	if (parent == NULL ||
		renameat(bb_fd_number(parent), local->temporary_last,
				 bb_fd_number(parent), last) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						local->temporary,
						bb_local_path(local->objects, local->name))));
	(void) bb_fd_close(parent);
	(void) bb_fd_close(lock);
	local->temporary_last = NULL;
	bb_local_sync_directory(local->objects,
							bb_local_directory_of(local->name));
	MemoryContextDelete(local->context);
}

static bool
local_put_if(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			 const void *data, size_t length, BbObjectTag expected,
			 BbObjectTag *tag)
{
	/* the lock is released with this context */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup put",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbObjectWriter *writer;
	bool		same;

	while (!bb_local_lock(ctx, objects, name))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
	same = local_tag(ctx, objects, name) == expected;
	if (same)
	{
		writer = local_create(ctx, objects, name);
		local_write(ctx, writer, data, length);
		local_finish(ctx, writer);
		*tag = bb_object_tag(data, length);
	}

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return same;
}

/* ---- the store ---- */

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
				 errdetail("The path must name a directory other than \"/\", "
						   "without \"..\".")));
}

static BbObjectStore *
local_open(const BbReqCtx *ctx, const char *url,
		   const BbObjectStoreOptions *options)
{
	BbObjectStore *objects = palloc0(sizeof(BbObjectStore));

	objects->directory = pstrdup(url + strlen(SCHEME_PREFIX));
	canonicalize_path(objects->directory);
	return objects;
}

const BbObjectStoreOps bb_objstore_local = {
	.scheme = "file",
	.residency = BB_RESIDENT_ALL,
	.check_url = local_check_url,
	.open = local_open,
	.get = local_get,
	.put_if = local_put_if,
	.list = bb_local_list,
	.list_parts = bb_local_list_parts,
	.remove = bb_local_remove,
	.sweep = bb_local_sweep,
	.lock = bb_local_lock,
	.create = local_create,
	.write = local_write,
	.finish = local_finish,
	.open_object = local_open_object,
	.read = local_read,
	.close = local_close,
};
