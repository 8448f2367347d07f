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
 * Files and directories have the modes of the server's own data directory
 * (pg_file_create_mode, pg_dir_create_mode).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "common/file_perm.h"
#include "objstore/objstore_driver.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define SCHEME_PREFIX "file://"

/* Written data is pushed to the disk in pieces, not all at the last fsync. */
#define FLUSH_BYTES (8 * 1024 * 1024)

#define WRITE_BUFFER_BYTES (256 * 1024)

/* As much as one read asks for. */
#define READ_BYTES (1024 * 1024 * 1024)

typedef struct LocalStore
{
	BbObjectStore base;
	char	   *directory;
} LocalStore;

typedef struct LocalReader
{
	BbObjectReader base;
	MemoryContext context; /* owns the reader */
	File		file;
	MemoryContextCallback callback;
	char	   *path;
} LocalReader;

typedef struct LocalWriter
{
	BbObjectWriter base;
	MemoryContext context; /* owns the writer */
	BbFd	   *fd;
	char	   *path;
	char	   *temporary; /* NULL once renamed or removed */
	uint64		written;
	uint64		flushed;
	MemoryContextCallback callback;
	size_t		filled; /* bytes in the buffer */
	char		buffer[WRITE_BUFFER_BYTES];
} LocalWriter;

static char *
path_of(const BbObjectStore *store, const char *name)
{
	return psprintf("%s/%s", ((const LocalStore *) store)->directory, name);
}

/* "a/b" -> "a/.b.SUFFIX": the companion of a file, which is no object */
static char *
companion_of(const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/');

	return psprintf("%.*s/.%s.%s", (int) (slash - path), path, slash + 1,
					suffix);
}

static void
parent_of(const char *path, char *parent)
{
	strlcpy(parent, path, MAXPGPATH);
	get_parent_directory(parent);
}

/*
 * Make the directory that path is in, and those above, durably.
 */
static void
make_parents(const char *path)
{
	char		directory[MAXPGPATH];
	char		above[MAXPGPATH];
	struct stat st;

	parent_of(path, directory);
	if (stat(directory, &st) == 0)
		return;

	make_parents(directory);
	if (MakePGDirectory(directory) < 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create page store directory \"%s\": %m",
						directory),
				 errhint("The server's operating system user needs to be "
						 "able to write where the page store is.")));
	parent_of(directory, above);
	fsync_fname(above, true);
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
	LocalStore *store = palloc0(sizeof(LocalStore));

	store->directory = pstrdup(url + strlen(SCHEME_PREFIX));
	canonicalize_path(store->directory);
	return &store->base;
}

static const char *
local_directory(const BbObjectStore *store)
{
	return ((const LocalStore *) store)->directory;
}

/* ---- reading ---- */

static void
local_close(BbObjectReader *reader)
{
	LocalReader *local = (LocalReader *) reader;

	MemoryContextDelete(local->context);
}

static void
close_file(void *arg)
{
	FileClose(((LocalReader *) arg)->file);
}

/*
 * Objects are read through the server's virtual file descriptors: a scan may
 * have more layers open than the process may have files.
 */
static BbObjectReader *
local_open_object(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	MemoryContext context;
	MemoryContext old;
	LocalReader *reader;
	struct stat st;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup object",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	reader = palloc0(sizeof(LocalReader));
	reader->context = context;
	reader->path = path_of(store, name);
	reader->file = PathNameOpenFile(reader->path, O_RDONLY | PG_BINARY);
	if (reader->file < 0)
	{
		if (errno == ENOENT)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FILE),
					 errmsg("object \"%s\" is missing from page store \"%s\"",
							name, store->url)));
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", reader->path)));
	}
	reader->callback.func = close_file;
	reader->callback.arg = reader;
	MemoryContextRegisterResetCallback(context, &reader->callback);

	if (stat(reader->path, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", reader->path)));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" is not a regular file", reader->path)));
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

static bool
local_get(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
		  size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	char	   *path = path_of(store, name);
	struct stat st;
	BbObjectReader *reader;

	if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return false;

	reader = local_open_object(ctx, store, name);
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

/* ---- writing ---- */

static void
remove_unfinished(void *arg)
{
	LocalWriter *writer = arg;

	if (writer->temporary != NULL)
		(void) unlink(writer->temporary);
}

static BbObjectWriter *
local_create(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	MemoryContext context;
	MemoryContext old;
	LocalWriter *writer;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup writer",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	writer = palloc0(sizeof(LocalWriter));
	writer->context = context;
	writer->path = path_of(store, name);
	make_parents(writer->path);

	writer->callback.func = remove_unfinished;
	writer->callback.arg = writer;
	MemoryContextRegisterResetCallback(context, &writer->callback);
	writer->temporary = companion_of(writer->path, "tmp");
	writer->fd = bb_fd_open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC,
							pg_file_create_mode);
	if (writer->fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m",
						writer->temporary)));
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

	write_out(ctx, local, local->buffer, local->filled);
	if (pg_fsync(bb_fd_number(local->fd)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", local->temporary)));
	if (bb_fd_close(local->fd) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", local->temporary)));
	durable_rename(local->temporary, local->path, ERROR);
	local->temporary = NULL;
	MemoryContextDelete(local->context);
}

static void
local_abort(BbObjectWriter *writer)
{
	LocalWriter *local = (LocalWriter *) writer;

	MemoryContextDelete(local->context);
}

static bool
local_lock(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	char	   *path = companion_of(path_of(store, name), "lock");
	BbFd	   *fd;

	make_parents(path);
	fd = bb_fd_open(path, O_RDWR | O_CREAT, pg_file_create_mode);
	if (fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open lock file \"%s\": %m", path)));
	while (flock(bb_fd_number(fd), LOCK_EX | LOCK_NB) < 0)
	{
		if (errno == EWOULDBLOCK)
		{
			bb_fd_close(fd);
			return false;
		}
		if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not lock file \"%s\": %m", path)));
		bb_reqctx_check(ctx);
	}
	return true;
}

static bool
local_put_if(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
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

	while (!local_lock(ctx, store, name))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
	(void) local_get(ctx, store, name, MaxAllocSize - 1, &present,
					 &present_length, &present_tag);
	same = present_tag == expected;
	if (same)
	{
		writer = local_create(ctx, store, name);
		local_write(ctx, writer, data, length);
		local_finish(ctx, writer);
		*tag = bb_object_tag(data, length);
	}

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return same;
}

/* ---- directories ---- */

typedef struct Walk
{
	bool		unfinished; /* wanted: leftovers rather than objects */
	List	   *found;		/* BbObjectInfo, with names below the store */
} Walk;

static bool
is_unfinished(const char *file)
{
	size_t		length = strlen(file);

	return file[0] == '.' && length > 4 &&
		   strcmp(file + length - 4, ".tmp") == 0;
}

static void
walk_directory(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
			   Walk *walk)
{
	char	   *path = path_of(store, name);
	DIR		   *dir;
	struct dirent *entry;

	dir = AllocateDir(path);
	if (dir == NULL && (errno == ENOENT || errno == ENOTDIR))
		return;
	while ((entry = ReadDir(dir, path)) != NULL)
	{
		char	   *child;
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0)
			continue;
		bb_reqctx_check(ctx);

		child = psprintf("%s/%s", name, entry->d_name);
		if (stat(path_of(store, child), &st) < 0)
		{
			if (errno == ENOENT)
				continue; /* removed meanwhile */
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m",
							path_of(store, child))));
		}
		if (S_ISDIR(st.st_mode))
			walk_directory(ctx, store, child, walk);
		else if (walk->unfinished ? is_unfinished(entry->d_name)
								  : entry->d_name[0] != '.')
		{
			BbObjectInfo *info = palloc(sizeof(BbObjectInfo));

			info->name = child;
			info->size = st.st_size;
			walk->found = lappend(walk->found, info);
		}
	}
	FreeDir(dir);
}

static int
compare_infos(const ListCell *a, const ListCell *b)
{
	return strcmp(((BbObjectInfo *) lfirst(a))->name,
				  ((BbObjectInfo *) lfirst(b))->name);
}

static List *
local_list(const BbReqCtx *ctx, BbObjectStore *store, const char *prefix)
{
	Walk		walk = {.unfinished = false, .found = NIL};

	walk_directory(ctx, store, prefix, &walk);
	list_sort(walk.found, compare_infos);
	return walk.found;
}

static void
remove_file(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path)));
}

static void
local_remove(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	char	   *path = path_of(store, name);
	char		parent[MAXPGPATH];
	struct stat st;

	remove_file(path);
	parent_of(path, parent);
	if (stat(parent, &st) == 0)
		fsync_fname(parent, true);
}

static void
local_sweep(const BbReqCtx *ctx, BbObjectStore *store, const char *prefix)
{
	Walk		walk = {.unfinished = true, .found = NIL};
	ListCell   *cell;

	walk_directory(ctx, store, prefix, &walk);
	foreach (cell, walk.found)
		remove_file(path_of(store, ((BbObjectInfo *) lfirst(cell))->name));
}

const BbObjectStoreOps bb_objstore_local = {
	.scheme = "file",
	.check_url = local_check_url,
	.open = local_open,
	.local_directory = local_directory,
	.get = local_get,
	.put_if = local_put_if,
	.list = local_list,
	.remove = local_remove,
	.sweep = local_sweep,
	.lock = local_lock,
	.create = local_create,
	.write = local_write,
	.finish = local_finish,
	.abort = local_abort,
	.open_object = local_open_object,
	.read = local_read,
	.close = local_close,
};
