/*-------------------------------------------------------------------------
 *
 * outfile.c
 *	  Write one file after another, in large pieces.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "base/collect.h"
#include "common/file_perm.h"
#include "files/outfile.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define BUFFER_BYTES (256 * 1024)

/* After so many bytes, ask the kernel to write them, to shorten the fsync. */
#define FLUSH_BYTES (8 * 1024 * 1024)

/* Blocks of this size are compared, and written if they differ. */
#define COMPARED_BYTES BLCKSZ

struct BbOutFile
{
	uint64		total; /* bytes written, of all files */
	char		path[MAXPGPATH];
	BbFd	   *fd;
	uint64		old_size;
	uint64		at;		 /* where in the file the buffer belongs */
	uint64		flushed; /* the kernel was asked to write up to here */
	bool		changed;
	size_t		filled; /* bytes in the buffer */
	char	   *buffer;
	char	   *old; /* the file's old content there; NULL until needed */
};

BbOutFile *
bb_outfile_new(void)
{
	BbOutFile  *file = palloc0(sizeof(BbOutFile));

	file->buffer = palloc(BUFFER_BYTES);
	return file;
}

void
bb_outfile_begin(BbOutFile *file, BbFd *fd, const char *path, uint64 old_size)
{
	strlcpy(file->path, path, sizeof(file->path));
	file->fd = fd;
	file->old_size = old_size;
	file->at = 0;
	file->flushed = 0;
	file->changed = false;
	file->filled = 0;
	if (old_size > 0 && file->old == NULL)
		file->old = MemoryContextAlloc(GetMemoryChunkContext(file),
									   BUFFER_BYTES);
}

static void
report_write(const BbOutFile *file)
{
	bool		full;
	bool		limited;

	/* a short write without an error means a full disk */
	if (errno == 0)
		errno = ENOSPC;
	full = errno == ENOSPC || errno == EDQUOT;
	limited = errno == EFBIG;
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", file->path),
			 full ? errhint("Check free disk space.") : 0,
			 limited ? errhint("The server was started with a limit on the size of files (ulimit -f).")
			 : 0));
}

/* Write a part of the buffer where it belongs. */
static void
write_part(const BbReqCtx *ctx, BbOutFile *file, size_t begin, size_t end)
{
	size_t		done = begin;

	while (done < end)
	{
		ssize_t		n;

		errno = 0;
		pgstat_report_wait_start(WAIT_EVENT_BASEBACKUP_WRITE);
		n = pg_pwrite(bb_fd_number(file->fd), file->buffer + done, end - done,
					  (off_t) (file->at + done));
		pgstat_report_wait_end();
		if (n < 0 && errno == EINTR)
			bb_reqctx_check(ctx);
		else if (n <= 0)
			report_write(file);
		else
			done += n;
	}
	file->changed = true;
	file->total += end - begin;
}

/* Read the old content at the buffer's position; returns its length. */
static size_t
read_old(const BbReqCtx *ctx, BbOutFile *file)
{
	size_t		wanted = 0;
	size_t		done = 0;

	if (file->at < file->old_size)
		wanted = Min(file->filled, file->old_size - file->at);
	while (done < wanted)
	{
		ssize_t		n;

		pgstat_report_wait_start(WAIT_EVENT_BASEBACKUP_READ);
		n = pg_pread(bb_fd_number(file->fd), file->old + done, wanted - done,
					 (off_t) (file->at + done));
		pgstat_report_wait_end();
		if (n < 0 && errno == EINTR)
			bb_reqctx_check(ctx);
		else if (n < 0)
			bb_report_file("could not read file \"%s\": %m", file->path);
		else if (n == 0)
			break; /* the file has become shorter */
		else
			done += n;
	}
	return done;
}

/* Write the runs of the buffer's blocks that differ from the old content. */
static void
write_differences(const BbReqCtx *ctx, BbOutFile *file)
{
	size_t		old_length = read_old(ctx, file);
	size_t		run = 0; /* where the current run begins */
	size_t		at = 0;

	while (at < file->filled)
	{
		size_t		length = Min(COMPARED_BYTES, file->filled - at);

		if (at + length <= old_length &&
			memcmp(file->buffer + at, file->old + at, length) == 0)
		{
			if (run < at)
				write_part(ctx, file, run, at);
			run = at + length;
		}
		at += length;
	}
	if (run < at)
		write_part(ctx, file, run, at);
}

static void
flush(BbOutFile *file)
{
	if (file->changed && file->at > file->flushed)
		pg_flush_data(bb_fd_number(file->fd), (off_t) file->flushed,
					  (off_t) (file->at - file->flushed));
	file->flushed = file->at;
}

static void
empty_buffer(const BbReqCtx *ctx, BbOutFile *file)
{
	if (file->at < file->old_size)
		write_differences(ctx, file);
	else if (file->filled > 0)
		write_part(ctx, file, 0, file->filled);
	file->at += file->filled;
	file->filled = 0;
	if (file->at - file->flushed >= FLUSH_BYTES)
		flush(file);
}

void
bb_outfile_write(const BbReqCtx *ctx, BbOutFile *file, const void *data,
				 size_t length)
{
	while (length > 0)
		if (bb_collect(file->buffer, BUFFER_BYTES, &file->filled, &data,
					   &length))
			empty_buffer(ctx, file);
}

void
bb_outfile_end(const BbReqCtx *ctx, BbOutFile *file)
{
	empty_buffer(ctx, file);
	flush(file);
	if (file->at < file->old_size)
		if (ftruncate(bb_fd_number(file->fd), (off_t) file->at) < 0)
			bb_report_file("could not truncate file \"%s\": %m", file->path);
}

void
bb_outfile_sync(BbOutFile *file)
{
	int			result;

	pgstat_report_wait_start(WAIT_EVENT_BASEBACKUP_SYNC);
	result = pg_fsync(bb_fd_number(file->fd));
	pgstat_report_wait_end();
	if (result < 0)
		bb_report_file("could not fsync file \"%s\": %m", file->path);
}

void
bb_outfile_close(BbOutFile *file)
{
	/* some file systems report only now that the disk is full */
	if (bb_fd_close(file->fd) < 0)
		bb_report_file("could not close file \"%s\": %m", file->path);
}

uint64
bb_outfile_written(const BbOutFile *file)
{
	return file->total;
}
