/*-------------------------------------------------------------------------
 *
 * walspool.c
 *	  A spool of WAL: writing, syncing, and removing.
 *
 * Files grow as they are written.  When bb_walspool_open has opened a spool, all
 * that its files have is durable, and so is everything since then that isn't
 * in "dirty".  So after a sync that failed, which the kernel may report only
 * once, what was dirty is removed: it will be received again, and no later sync
 * can claim it.
 *
 * A segment that is received again is overwritten in place.  WAL of a tli is
 * the same each time, so that a reader of that file or a crash in the midst of
 * it finds the same bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
#include "wal/walspool.h"
#include "wal/walspool_internal.h"

/* A segment that has bytes that may not be durable. */
typedef struct DirtySegment
{
	TimeLineID	tli;
	XLogSegNo	number;
	uint64		durable; /* this many at its beginning are */
} DirtySegment;

struct BbWalSpool
{
	MemoryContext file_context;
	MemoryContext scratch; /* of one call */
	BbSpoolDirectory directory;
	uint64		system_identifier;
	uint64		bytes; /* of all segments */
	XLogSegNo	first; /* earlier ones were trimmed */

	/* the segment being written */
	BbFd	   *file; /* NULL: none */
	TimeLineID	tli;
	XLogSegNo	number;
	uint64		size;
	XLogRecPtr	end; /* of the last write; Invalid: none */

	DirtySegment *dirty;
	int			ndirty;
	int			dirty_allocated;
	bool		names_dirty; /* so may be the directory */
};

/* Begin a call; its memory and descriptors last until the next one. */
static MemoryContext
enter(BbWalSpool *spool)
{
	MemoryContextReset(spool->scratch);
	return MemoryContextSwitchTo(spool->scratch);
}

static inline uint32
segment_size(const BbWalSpool *spool)
{
	return spool->directory.segment_size;
}

static void
segment_name(const BbWalSpool *spool, TimeLineID tli, XLogSegNo number,
			 char *name)
{
	bb_spooldir_segment_name(&spool->directory, tli, number, name);
}

static void
sync_names(BbWalSpool *spool)
{
	bb_spooldir_sync(&spool->directory);
	spool->names_dirty = false;
}

static void
close_segment(BbWalSpool *spool)
{
	MemoryContextReset(spool->file_context);
	spool->file = NULL;
}

/* ---- dirty segments ---- */

static DirtySegment *
find_dirty(const BbWalSpool *spool, TimeLineID tli, XLogSegNo number)
{
	/* the one that is being written is the last one */
	for (int i = spool->ndirty - 1; i >= 0; i--)
		if (spool->dirty[i].tli == tli && spool->dirty[i].number == number)
			return &spool->dirty[i];
	return NULL;
}

/* The segment being written is going to be dirty. */
static void
note_dirty(BbWalSpool *spool)
{
	if (find_dirty(spool, spool->tli, spool->number) != NULL)
		return;
	if (spool->ndirty == spool->dirty_allocated)
	{
		spool->dirty_allocated *= 2;
		spool->dirty = repalloc(spool->dirty,
								spool->dirty_allocated * sizeof(DirtySegment));
	}
	spool->dirty[spool->ndirty++] = (DirtySegment){
		.tli = spool->tli,
		.number = spool->number,
		.durable = spool->size,
	};
}

static void
forget_dirty(BbWalSpool *spool, DirtySegment *segment)
{
	int			after = spool->dirty + --spool->ndirty - segment;

	memmove(segment, segment + 1, after * sizeof(DirtySegment));
}

/* Shorten a segment to "size" bytes; with none, remove it. */
static void
cut_segment(BbWalSpool *spool, TimeLineID tli, XLogSegNo number, uint64 size)
{
	DirtySegment *dirty = find_dirty(spool, tli, number);
	char		name[MAXFNAMELEN];
	uint64		old_size;
	BbFd	   *fd;

	segment_name(spool, tli, number, name);
	fd = bb_spooldir_file(&spool->directory, name, O_WRONLY, &old_size);
	if (fd == NULL)
		old_size = 0;
	if (spool->file != NULL && spool->tli == tli && spool->number == number)
	{
		close_segment(spool);
		spool->end = InvalidXLogRecPtr;
	}
	if (size == 0)
		bb_spooldir_remove(&spool->directory, name);
	else if (old_size > size &&
			 (ftruncate(bb_fd_number(fd), size) < 0 ||
			  pg_fsync(bb_fd_number(fd)) < 0))
		bb_spooldir_report(&spool->directory,
						   "could not truncate file \"%s\": %m", name);
	if (fd != NULL)
		bb_fd_close(fd);
	if (old_size > size)
		spool->bytes -= old_size - size;
	if (dirty != NULL && size == 0)
		forget_dirty(spool, dirty);
	else if (dirty != NULL)
		dirty->durable = Min(dirty->durable, size);
	spool->names_dirty = spool->names_dirty || size == 0;
}

/* ---- opening ---- */

/* Is this the segment of another system, or of another size? */
static bool
is_foreign(const BbWalSpool *spool, const BbSpoolFile *file, const BbFd *fd)
{
	XLogLongPageHeaderData header;
	ssize_t		n = bb_fd_read_at(fd, &header, sizeof(header), 0);

	if (n < 0)
		bb_spooldir_report(&spool->directory, "could not read file \"%s\": %m",
						   file->name);
	return n == sizeof(header) && header.std.xlp_magic == XLOG_PAGE_MAGIC &&
		(header.std.xlp_info & XLP_LONG_HEADER) != 0 &&
		(header.xlp_sysid != spool->system_identifier ||
		 header.xlp_seg_size != segment_size(spool));
}

/*
 * Make a file that another process left durable, and count it.  If that fails,
 * nobody knows what is on disk, so it is removed.
 */
static void
take_over(BbWalSpool *spool, const BbSpoolFile *file)
{
	uint64		size;
	BbFd	   *fd = bb_spooldir_file(&spool->directory, file->name, O_RDWR,
									  &size);

	if (fd == NULL)
		return;
	if (file->is_segment && is_foreign(spool, file, fd))
	{
		ereport(WARNING,
				(errmsg("removing \"%s\", which is WAL of another database system",
						bb_spooldir_path(&spool->directory, file->name))));
		bb_spooldir_remove(&spool->directory, file->name);
	}
	else if (pg_fsync(bb_fd_number(fd)) < 0)
	{
		int			save_errno = errno;

		bb_spooldir_remove(&spool->directory, file->name);
		errno = save_errno;
		bb_spooldir_report(&spool->directory,
						   "could not fsync file \"%s\": %m", file->name);
	}
	else if (file->is_segment)
		spool->bytes += size;
	bb_fd_close(fd);
}

BbWalSpool *
bb_walspool_open(const BbReqCtx *ctx, const char *directory,
				 uint64 system_identifier, uint32 segment_size)
{
	BbWalSpool *spool = palloc0(sizeof(BbWalSpool));
	MemoryContext old;
	ListCell   *cell;

	spool->file_context = AllocSetContextCreate(CurrentMemoryContext,
												"bbackup spool file",
												ALLOCSET_SMALL_SIZES);
	spool->scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup spool call",
										   ALLOCSET_SMALL_SIZES);
	spool->system_identifier = system_identifier;
	spool->dirty_allocated = 16;
	spool->dirty = palloc(spool->dirty_allocated * sizeof(DirtySegment));
	spool->directory = bb_spooldir_open(pstrdup(directory), segment_size);

	old = enter(spool);
	bb_spooldir_remove(&spool->directory, BB_SPOOL_TEMPORARY_NAME);
	foreach(cell, bb_spooldir_list(&spool->directory, true))
	{
		bb_reqctx_check(ctx);
		take_over(spool, lfirst(cell));
	}
	sync_names(spool);
	MemoryContextSwitchTo(old);
	return spool;
}

/* ---- writing ---- */

/* Open a segment of a tli to write to it. */
static void
open_segment(BbWalSpool *spool, TimeLineID tli, XLogSegNo number)
{
	MemoryContext old;
	char		name[MAXFNAMELEN];

	if (spool->file != NULL && spool->tli == tli && spool->number == number)
		return;
	close_segment(spool);
	segment_name(spool, tli, number, name);
	old = MemoryContextSwitchTo(spool->file_context);
	spool->file = bb_spooldir_file(&spool->directory, name, O_WRONLY | O_CREAT,
								   &spool->size);
	MemoryContextSwitchTo(old);
	if (spool->file == NULL)
		bb_spooldir_report(&spool->directory,
						   "could not create file \"%s\": %m", name);
	spool->tli = tli;
	spool->number = number;
	spool->first = Min(spool->first, number);
	spool->names_dirty = true;
}

pg_noreturn static void
report_write(const BbWalSpool *spool)
{
	bool		full = errno == 0 || errno == ENOSPC || errno == EDQUOT;
	char		name[MAXFNAMELEN];

	if (errno == 0)
		errno = ENOSPC;
	segment_name(spool, spool->tli, spool->number, name);
	ereport(ERROR,
			(full ? errcode(ERRCODE_DISK_FULL) : errcode_for_file_access(),
			 errmsg("could not write to file \"%s\": %m",
					bb_spooldir_path(&spool->directory, name)),
			 full ? errhint("Make room on the disk of bbackup.spool_directory.")
				  : 0));
}

/* Write to the open segment. */
static void
write_bytes(const BbReqCtx *ctx, BbWalSpool *spool, uint64 offset,
			const uint8 *data, size_t length)
{
	note_dirty(spool);
	while (length > 0)
	{
		ssize_t		n;

		errno = 0;
		pgstat_report_wait_start(WAIT_EVENT_WAL_WRITE);
		n = pg_pwrite(bb_fd_number(spool->file), data, length, (off_t) offset);
		pgstat_report_wait_end();
		if (n < 0 && errno == EINTR)
		{
			bb_reqctx_check(ctx);
			continue;
		}
		if (n <= 0)
			report_write(spool);
		data += n;
		length -= n;
		offset += n;
		if (offset > spool->size)
		{
			spool->bytes += offset - spool->size;
			spool->size = offset;
		}
	}
}

/*
 * A segment is received for the first time, or again.  Later ones of the tli
 * have nothing that is needed.
 */
static void
remove_later(const BbReqCtx *ctx, BbWalSpool *spool, TimeLineID tli,
			 XLogSegNo number)
{
	ListCell   *cell;

	foreach(cell, bb_spooldir_list(&spool->directory, false))
	{
		const BbSpoolFile *file = lfirst(cell);

		bb_reqctx_check(ctx);
		if (file->is_segment && file->tli == tli && file->number > number)
			cut_segment(spool, tli, file->number, 0);
	}
}

void
bb_walspool_write(const BbReqCtx *ctx, BbWalSpool *spool, TimeLineID tli,
				  XLogRecPtr lsn, const uint8 *data, size_t length)
{
	MemoryContext old = enter(spool);
	XLogRecPtr	end = lsn + length;

	if (tli != spool->tli || lsn != spool->end)
	{
		if (XLogSegmentOffset(lsn, segment_size(spool)) != 0)
			elog(ERROR,
				 "WAL at " BB_LSN_FORMAT " of timeline ID %u does not continue the spool",
				 LSN_FORMAT_ARGS(lsn), tli);
		remove_later(ctx, spool, tli, lsn / segment_size(spool));
		/* so that this can be repeated after an error */
		spool->end = InvalidXLogRecPtr;
	}
	while (lsn < end)
	{
		uint32		offset = XLogSegmentOffset(lsn, segment_size(spool));
		size_t		part = Min(end - lsn, segment_size(spool) - offset);

		open_segment(spool, tli, lsn / segment_size(spool));
		write_bytes(ctx, spool, offset, data, part);
		data += part;
		lsn += part;
	}
	spool->tli = tli;
	spool->end = end;
	MemoryContextSwitchTo(old);
}

/* ---- syncing ---- */

/* A sync failed.  Remove what isn't durable. */
static void
remove_dirty(BbWalSpool *spool)
{
	close_segment(spool);
	spool->end = InvalidXLogRecPtr;
	while (spool->ndirty > 0)
	{
		DirtySegment *last = &spool->dirty[spool->ndirty - 1];

		cut_segment(spool, last->tli, last->number, last->durable);
		spool->ndirty = last - spool->dirty;
	}
}

static void
sync_segment(BbWalSpool *spool, const DirtySegment *segment)
{
	bool		is_open = spool->file != NULL && spool->tli == segment->tli &&
		spool->number == segment->number;
	char		name[MAXFNAMELEN];
	uint64		size;
	BbFd	   *fd = spool->file;
	int			result;
	int			save_errno;

	segment_name(spool, segment->tli, segment->number, name);
	if (!is_open)
		fd = bb_spooldir_file(&spool->directory, name, O_WRONLY, &size);
	if (fd == NULL)
		bb_spooldir_report(&spool->directory, "could not open file \"%s\": %m",
						   name);
	pgstat_report_wait_start(WAIT_EVENT_WAL_SYNC);
	result = pg_fdatasync(bb_fd_number(fd));
	save_errno = errno;
	pgstat_report_wait_end();
	if (!is_open)
		bb_fd_close(fd);
	if (result < 0)
	{
		remove_dirty(spool);
		errno = save_errno;
		bb_spooldir_report(&spool->directory,
						   "could not fsync file \"%s\": %m", name);
	}
}

void
bb_walspool_sync(const BbReqCtx *ctx, BbWalSpool *spool)
{
	MemoryContext old = enter(spool);

	for (int i = 0; i < spool->ndirty; i++)
	{
		bb_reqctx_check(ctx);
		sync_segment(spool, &spool->dirty[i]);
	}
	if (spool->names_dirty)
		sync_names(spool);
	spool->ndirty = 0;
	MemoryContextSwitchTo(old);
}

void
bb_walspool_history(const BbReqCtx *ctx, BbWalSpool *spool, TimeLineID tli,
					const char *text)
{
	MemoryContext old = enter(spool);
	size_t		length = strlen(text);
	char		name[MAXFNAMELEN];
	BbFd	   *fd;
	uint64		size;

	TLHistoryFileName(name, tli);
	bb_spooldir_remove(&spool->directory, BB_SPOOL_TEMPORARY_NAME);
	fd = bb_spooldir_file(&spool->directory, BB_SPOOL_TEMPORARY_NAME,
						  O_WRONLY | O_CREAT | O_EXCL, &size);
	errno = 0;
	if (fd == NULL ||
		pg_pwrite(bb_fd_number(fd), text, length, 0) != (ssize_t) length ||
		pg_fsync(bb_fd_number(fd)) < 0)
	{
		if (errno == 0)
			errno = ENOSPC;
		bb_spooldir_report(&spool->directory,
						   "could not write file \"%s\": %m", name);
	}
	bb_fd_close(fd);
	if (renameat(bb_fd_number(spool->directory.fd), BB_SPOOL_TEMPORARY_NAME,
				 bb_fd_number(spool->directory.fd), name) < 0)
		bb_spooldir_report(&spool->directory,
						   "could not rename file to \"%s\": %m", name);
	sync_names(spool);
	MemoryContextSwitchTo(old);
}

/* ---- removing ---- */

/*
 * Is the next write to this segment?
 *
 * The record that ends a segment early ends where the segment does, even if the
 * rest of the segment, which has nothing, hasn't been received yet.
 */
static inline bool
goes_on_in(const BbWalSpool *spool, const BbSpoolFile *file)
{
	return file->tli == spool->tli &&
		spool->end > file->number * segment_size(spool) &&
		spool->end < (file->number + 1) * segment_size(spool);
}

void
bb_walspool_trim(const BbReqCtx *ctx, BbWalSpool *spool, XLogRecPtr lsn)
{
	XLogSegNo	first = lsn / segment_size(spool);
	MemoryContext old;
	ListCell   *cell;

	if (first <= spool->first)
		return;
	old = enter(spool);
	foreach(cell, bb_spooldir_list(&spool->directory, false))
	{
		const BbSpoolFile *file = lfirst(cell);

		bb_reqctx_check(ctx);
		if (file->is_segment && file->number < first &&
			!goes_on_in(spool, file))
			cut_segment(spool, file->tli, file->number, 0);
	}
	spool->first = first;
	MemoryContextSwitchTo(old);
}

void
bb_walspool_cut(const BbReqCtx *ctx, BbWalSpool *spool, TimeLineID tli,
				XLogRecPtr lsn)
{
	MemoryContext old = enter(spool);
	XLogSegNo	number = lsn / segment_size(spool);

	remove_later(ctx, spool, tli, number);
	cut_segment(spool, tli, number,
				XLogSegmentOffset(lsn, segment_size(spool)));
	sync_names(spool);
	MemoryContextSwitchTo(old);
}

void
bb_walspool_clear(const BbReqCtx *ctx, BbWalSpool *spool)
{
	MemoryContext old = enter(spool);
	ListCell   *cell;

	foreach(cell, bb_spooldir_list(&spool->directory, false))
	{
		const BbSpoolFile *file = lfirst(cell);

		bb_reqctx_check(ctx);
		if (file->is_segment)
			cut_segment(spool, file->tli, file->number, 0);
		else
			bb_spooldir_remove(&spool->directory, file->name);
	}
	spool->first = 0;
	sync_names(spool);
	MemoryContextSwitchTo(old);
}

const char *
bb_walspool_path(const BbWalSpool *spool)
{
	return spool->directory.path;
}

uint64
bb_walspool_bytes(const BbWalSpool *spool)
{
	return spool->bytes;
}
