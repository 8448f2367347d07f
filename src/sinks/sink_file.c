/*-------------------------------------------------------------------------
 *
 * sink_file.c
 *	  Bytes to a file on the server.
 *
 * It is written as PATH.part, made durable, and gets its name then, by a hard
 * link where there can be one, since that never replaces another file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "files/outdir.h"
#include "files/outfile.h"
#include "sinks/sink.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

#define UNFINISHED ".part"

typedef struct FileSink
{
	BbSink		base;
	char	   *path;
	BbFd	   *parent; /* where it is */
	char	   *name;	/* in there */
	char	   *unfinished;
	bool		made; /* the unfinished one */
	BbFd	   *fd;
	BbOutFile  *out;
	MemoryContextCallback callback;
} FileSink;

static void
remove_unfinished(void *arg)
{
	FileSink   *file = arg;

	if (file->made)
		(void) unlinkat(bb_fd_number(file->parent), file->unfinished, 0);
}

static void
report_exists(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_FILE),
			 errmsg("file \"%s\" already exists", path)));
}

static void
check_absent(const FileSink *file)
{
	struct stat st;

	if (fstatat(bb_fd_number(file->parent), file->name, &st,
				AT_SYMLINK_NOFOLLOW) == 0)
		report_exists(file->path);
	if (errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", file->path)));
}

static void
file_write(const BbReqCtx *ctx, BbSink *sink, const void *data, size_t length)
{
	bb_outfile_write(ctx, ((FileSink *) sink)->out, data, length);
	BB_COUNT(ctx, bytes_out, length);
}

/* Give it its name, which nothing else may have got meanwhile. */
static void
publish(FileSink *file)
{
	int			parent = bb_fd_number(file->parent);

	if (linkat(parent, file->unfinished, parent, file->name, 0) == 0)
	{
		(void) unlinkat(parent, file->unfinished, 0);
		return;
	}
	if (errno == EEXIST)
		report_exists(file->path);
	/* there are file systems without hard links */
	check_absent(file);
	if (renameat(parent, file->unfinished, parent, file->name) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s" UNFINISHED
						"\" to \"%s\": %m",
						file->path, file->path)));
}

/* The name is durable. */
static void
sync_parent(const FileSink *file)
{
	int			result;

	pgstat_report_wait_start(WAIT_EVENT_BASEBACKUP_SYNC);
	result = pg_fsync(bb_fd_number(file->parent));
	pgstat_report_wait_end();
	/* directories of some file systems can't be, see fsync_fname_ext in fd.c */
	if (result < 0 && errno != EBADF && errno != EINVAL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync directory of \"%s\": %m",
						file->path)));
}

static void
file_end(const BbReqCtx *ctx, BbSink *sink)
{
	FileSink   *file = (FileSink *) sink;

	bb_outfile_end(ctx, file->out);
	bb_outfile_sync(file->out);
	bb_outfile_close(file->out);
	publish(file);
	file->made = false;
	sync_parent(file);
	(void) bb_fd_close(file->parent);
}

static const BbSinkOps file_ops = {
	.write = file_write,
	.end = file_end,
};

static void
report_create(const FileSink *file)
{
	bool		there = errno == EEXIST;

	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not create file \"%s" UNFINISHED "\": %m",
					file->path),
			 there ? errhint("If no other call is writing it, it's left over "
							 "from one that was killed: remove it.")
			 : 0));
}

BbSink *
bb_sink_file_new(const char *path, List *off_limits)
{
	FileSink   *file = palloc0(sizeof(FileSink));

	file->base.ops = &file_ops;
	file->path = bb_outdir_path(path);
	file->parent = bb_outdir_parent(file->path, off_limits);
	file->name = pstrdup(last_dir_separator(file->path) + 1);
	file->unfinished = psprintf("%s" UNFINISHED, file->name);
	file->out = bb_outfile_new();
	check_absent(file);

	file->callback.func = remove_unfinished;
	file->callback.arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &file->callback);
	file->fd = bb_fd_openat(file->parent, file->unfinished,
							O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
							pg_file_create_mode);
	if (file->fd == NULL)
		report_create(file);
	file->made = true;
	bb_outfile_begin(file->out, file->fd, file->path, 0);
	return &file->base;
}

uint64
bb_sink_file_written(const BbSink *sink)
{
	return bb_outfile_written(((const FileSink *) sink)->out);
}
