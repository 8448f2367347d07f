/*-------------------------------------------------------------------------
 *
 * sink_file.c
 *	  Write bytes to a file on the server.
 *
 * The file is written as PATH.part and made durable; then it gets its name, by a
 * hard link if possible, since that never replaces another file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "files/outdir.h"
#include "files/outfile.h"
#include "port.h"
#include "sinks/destinations.h"

#define UNFINISHED ".part"

typedef struct FileSink
{
	BbSink		base;
	char	   *path;
	BbFd	   *parent;		/* its directory */
	char	   *name;		/* the last part of the path */
	char	   *unfinished; /* the same with ".part" */
	bool		created;	/* the unfinished file */
	BbFd	   *fd;
	BbOutFile  *out;
} FileSink;

static void
remove_unfinished(void *arg)
{
	FileSink   *file = arg;

	if (file->created)
		(void) unlinkat(bb_fd_number(file->parent), file->unfinished, 0);
}

static void
file_write(const BbReqCtx *ctx, BbSink *sink, const void *data, size_t length)
{
	bb_outfile_write(ctx, ((FileSink *) sink)->out, data, length);
	BB_COUNT(ctx, bytes_out, length);
}

/* Give the file its name, which somebody else may have used meanwhile. */
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
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("file \"%s\" already exists", file->path)));
	/* the file system may have no hard links */
	bb_outdir_check_absent(file->parent, file->path);
	if (renameat(parent, file->unfinished, parent, file->name) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s" UNFINISHED
						"\" to \"%s\": %m",
						file->path, file->path)));
}

static void
file_end(const BbReqCtx *ctx, BbSink *sink)
{
	FileSink   *file = (FileSink *) sink;

	bb_outfile_end(ctx, file->out);
	bb_outfile_sync(file->out);
	bb_outfile_close(file->out);
	publish(file);
	file->created = false;
	get_parent_directory(file->path);
	bb_outdir_fsync(file->parent, file->path);
	(void) bb_fd_close(file->parent);
}

static const BbSinkOps file_ops = {
	.write = file_write,
	.end = file_end,
};

static void
report_create(const FileSink *file)
{
	bool		exists = errno == EEXIST;

	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not create file \"%s" UNFINISHED "\": %m",
					file->path),
			 exists ? errhint("If no other call is writing it, remove it; a "
							  "call that was killed has left it.")
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
	bb_outdir_check_absent(file->parent, file->path);

	bb_on_reset(CurrentMemoryContext, remove_unfinished, file);
	file->fd = bb_fd_openat(file->parent, file->unfinished,
							O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
							pg_file_create_mode);
	if (file->fd == NULL)
		report_create(file);
	file->created = true;
	bb_outfile_begin(file->out, file->fd, file->path, 0);
	return &file->base;
}

uint64
bb_sink_file_written(const BbSink *sink)
{
	return bb_outfile_written(((const FileSink *) sink)->out);
}
