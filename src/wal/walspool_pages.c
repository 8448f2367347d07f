/*-------------------------------------------------------------------------
 *
 * walspool_pages.c
 *	  The pages of WAL in a spool, for xlogreader.
 *
 *	  segment of tli 1	|==========X≈≈≈≈|
 *	  segment of tli 2	|==========X=======T			|
 *
 * The tail T says how far the spool may be read.  Where the tail is on a newer
 * tli, the segment in which that tli begins (at X) starts with a copy of the
 * older tli's WAL.  So of each segment the file of the newest tli on the path
 * is read.  Only while that file doesn't reach X yet, since it is being
 * received again from the segment's beginning, or if a crash ended that, the
 * older one is read up to X.
 *
 * Files are read in pieces of BB_WAL_READ_BYTES, and one of them is kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "base/compat.h"
#include "utils/memutils.h"
#include "wal/walspool_source.h"

/* ---- files ---- */

void
bb_spoolsource_segment(const BbSpoolSource *source, char *name)
{
	bb_spooldir_segment_name(&source->directory, source->file_tli,
							 source->file_number, name);
}

void
bb_spoolsource_forget(BbSpoolSource *source)
{
	MemoryContextReset(source->file_context);
	source->file = NULL;
	source->buffer_length = 0;
	source->base.reader->readLen = 0;
}

/* Open the file of a segment.  False: it doesn't exist. */
static bool
open_file(BbSpoolSource *source, TimeLineID tli, XLogSegNo number)
{
	MemoryContext old;
	char		name[MAXFNAMELEN];
	uint64		size;

	if (source->file != NULL && source->file_tli == tli &&
		source->file_number == number)
		return true;
	MemoryContextReset(source->file_context);
	source->buffer_length = 0;
	source->file_tli = tli;
	source->file_number = number;
	bb_spoolsource_segment(source, name);
	old = MemoryContextSwitchTo(source->file_context);
	source->file = bb_spooldir_file(&source->directory, name, O_RDONLY, &size);
	MemoryContextSwitchTo(old);
	return source->file != NULL;
}

/*
 * Read the piece that has the page at an offset, or the rest of it, up to
 * "upto" in the segment.
 */
static void
fill_buffer(BbSpoolSource *source, uint32 offset, uint32 upto)
{
	uint32		piece = offset - offset % BB_WAL_READ_BYTES;
	uint32		wanted = Min(BB_WAL_READ_BYTES, upto - piece);
	char		name[MAXFNAMELEN];
	ssize_t		n;

	if (source->buffer_offset != piece)
		source->buffer_length = 0;
	source->buffer_offset = piece;
	n = bb_fd_read_at(source->file, source->buffer + source->buffer_length,
					  wanted - source->buffer_length,
					  piece + source->buffer_length);
	if (n < 0)
	{
		bb_spoolsource_segment(source, name);
		bb_spooldir_report(&source->directory,
						   "could not read file \"%s\": %m", name);
	}
	source->buffer_length += n;
	source->is_old = true;
}

/*
 * How many bytes of a page, which begins before "limit", does the file of a tli
 * have?  They are in the buffer then.  *exists: is there such a file?
 */
static uint32
bytes_in_file(BbSpoolSource *source, TimeLineID tli, XLogRecPtr page,
			  XLogRecPtr limit, bool *exists)
{
	uint32		size = source->at.stream.segment_size;
	uint32		offset = XLogSegmentOffset(page, size);
	uint32		bytes = Min(XLOG_BLCKSZ, limit - page);
	uint32		end = offset + bytes;

	*exists = open_file(source, tli, page / size);
	if (!*exists)
		return 0;
	if (offset < source->buffer_offset ||
		end > source->buffer_offset + source->buffer_length)
		fill_buffer(source, offset, Min(size, limit - (page - offset)));
	end = Min(end, source->buffer_offset + source->buffer_length);
	return end > offset ? end - offset : 0;
}

/* ---- pages ---- */

/* The newest tli on the path that has a file of a segment. */
static const BbTliRange *
newest_of(const BbSpoolSource *source, XLogSegNo number)
{
	ListCell   *cell;

	foreach(cell, source->base.path->tlis)
	{
		const BbTliRange *entry = lfirst(cell);

		if (entry->begin / source->at.stream.segment_size <= number)
			return entry;
	}
	return llast(source->base.path->tlis);
}

/*
 * How many bytes of a page are needed?
 *
 * xlogreader doesn't ask for the header of a record at the beginning of a page,
 * since it doesn't know yet where the page's header ends; and it takes a page
 * that ends with a header for an error.
 */
static uint32
bytes_needed(const BbSpoolSource *source, XLogRecPtr page, uint32 wanted,
			 bool has_start)
{
	uint32		header = XLogSegmentOffset(page,
										   source->at.stream.segment_size) == 0
		? SizeOfXLogLongPHD
		: SizeOfXLogShortPHD;

	return Max(wanted, header + (has_start ? SizeOfXLogRecord : 1));
}

/*
 * Get a page that precedes the newest tli of its segment, from that tli's file if
 * it has all of it, or else from the older one's.  Returns 0 if that has less than
 * "needed" bytes.
 *
 * A part of a page is no use if the older file has more: xlogreader takes a record
 * that goes on in the next page for complete in this one.
 */
static uint32
get_older_page(BbSpoolSource *source, const BbTliRange *range, XLogRecPtr page,
			   XLogRecPtr limit, uint32 needed)
{
	XLogRecPtr	whole = Min(page + XLOG_BLCKSZ, range->begin);
	uint32		bytes = 0;
	bool		exists;

	if (limit >= whole)
		bytes = bytes_in_file(source, range->tli, page, limit, &exists);
	if (page + bytes >= whole)
		return bytes;
	range = bb_tlipath_at(source->base.path, page + needed - 1);
	bytes = bytes_in_file(source, range->tli, page, range->end, &exists);
	return bytes >= needed ? bytes : 0;
}

/*
 * Get at least "needed" bytes of a page into the buffer; returns how many there
 * are, or what page_read returns without them.
 */
static int
get_page(BbSpoolSource *source, XLogRecPtr page, uint32 needed)
{
	const BbTliRange *range = newest_of(source,
										page / source->at.stream.segment_size);
	bool		is_last = range->tli == source->tail_tli;
	XLogRecPtr	limit = is_last ? source->tail_lsn : range->end;
	XLogRecPtr	last = page + needed - 1;
	bool		exists;
	uint32		bytes;

	/* the newer tli's file may have less, while that is received again */
	if (last < range->begin)
	{
		bytes = get_older_page(source, range, page, limit, needed);
		if (bytes > 0)
			return (int) bytes;
	}
	if (last >= limit)
	{
		source->blocked = true;
		return XLREAD_WOULDBLOCK;
	}

	bytes = bytes_in_file(source, range->tli, page, limit, &exists);
	if (bytes >= needed)
		return (int) bytes;
	source->missing = !exists;
	source->message = psprintf("WAL was received up to " BB_LSN_FORMAT
							   ", but the file ends before " BB_LSN_FORMAT ".",
							   LSN_FORMAT_ARGS(source->tail_lsn),
							   LSN_FORMAT_ARGS(page + needed));
	return XLREAD_FAIL;
}

static inline const char *
buffered_page(const BbSpoolSource *source, XLogRecPtr page)
{
	return source->buffer +
		(XLogSegmentOffset(page, source->at.stream.segment_size) -
		 source->buffer_offset);
}

/* (The contract of this callback: access/xlogreader.h.) */
int
bb_spoolsource_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
					XLogRecPtr record, char *buffer)
{
	BbSpoolSource *source = reader->private_data;
	int			bytes;

	bb_reqctx_check(source->ctx);
	bytes = get_page(source, page,
					 bytes_needed(source, page, wanted, page == record));
	/* a record that was left incomplete is followed by one at the page's start */
	if (bytes > 0 &&
		(((XLogPageHeader) buffered_page(source, page))->xlp_info &
		 XLP_FIRST_IS_OVERWRITE_CONTRECORD) != 0)
		bytes = get_page(source, page,
						 bytes_needed(source, page, wanted, true));
	if (bytes <= 0)
		return bytes;
	memcpy(buffer, buffered_page(source, page), bytes);
	reader->seg.ws_tli = source->file_tli;
	return bytes;
}
