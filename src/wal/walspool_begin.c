/*-------------------------------------------------------------------------
 *
 * walspool_begin.c
 *	  A spool of WAL: its first record, by the headers of pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "utils/memutils.h"
#include "wal/walspool.h"
#include "wal/walspool_internal.h"

/* Any size, to read names only. */
#define SOME_SEGMENT_SIZE DEFAULT_XLOG_SEG_SIZE

/* Read the header of a segment.  Returns false if it has no valid one. */
static bool
read_header(const BbSpoolDirectory *directory, const BbSpoolFile *file,
			XLogLongPageHeaderData *header)
{
	uint64		size;
	BbFd	   *fd = bb_spooldir_file(directory, file->name, O_RDONLY, &size);
	ssize_t		n;

	if (fd == NULL)
		return false;
	n = bb_fd_read_at(fd, header, sizeof(*header), 0);
	if (n < 0)
		bb_spooldir_report(directory, "could not read file \"%s\": %m",
						   file->name);
	bb_fd_close(fd);
	return n == sizeof(*header) && header->std.xlp_magic == XLOG_PAGE_MAGIC &&
		(header->std.xlp_info & XLP_LONG_HEADER) != 0 &&
		header->xlp_seg_size >= XLOG_BLCKSZ &&
		header->xlp_seg_size <= WalSegMaxSize &&
		IsPowerOf2(header->xlp_seg_size);
}

/*
 * Returns where the first record of a segment begins; Invalid: in another one.
 *
 * Each page says how much of a record goes on in it; so does one after a crash,
 * where another record takes the place of the rest.  (XLogFindNextRecord)
 */
static XLogRecPtr
first_record(const BbSpoolDirectory *directory, const BbSpoolFile *file,
			 XLogRecPtr segment)
{
	uint64		size;
	BbFd	   *fd = bb_spooldir_file(directory, file->name, O_RDONLY, &size);
	uint32		offset = 0;
	XLogRecPtr	first = InvalidXLogRecPtr;

	while (fd != NULL && first == InvalidXLogRecPtr &&
		   offset < directory->segment_size)
	{
		XLogPageHeaderData header;
		uint32		header_size = offset == 0 ? SizeOfXLogLongPHD
											  : SizeOfXLogShortPHD;
		uint64		rest = 0;

		if (bb_fd_read_at(fd, &header, sizeof(header), offset) !=
				sizeof(header) ||
			header.xlp_magic != XLOG_PAGE_MAGIC ||
			header.xlp_pageaddr != segment + offset)
			break;
		if (header.xlp_info & XLP_FIRST_IS_CONTRECORD)
			rest = MAXALIGN(header.xlp_rem_len);
		if (rest <= XLOG_BLCKSZ - header_size)
			first = segment + offset + header_size + rest;
		offset += XLOG_BLCKSZ;
	}
	if (fd != NULL)
		bb_fd_close(fd);
	return first;
}

/*
 * Returns the first segment, of the newest tli that has it; NULL: there is none, or
 * the segments aren't all of this system and size, without a gap.
 */
static const BbSpoolFile *
first_segment(const BbReqCtx *ctx, const BbSpoolDirectory *directory,
			  uint64 system_identifier)
{
	List	   *files = bb_spooldir_list(directory, false);
	const BbSpoolFile *first = NULL;
	XLogSegNo	last = 0;
	ListCell   *cell;

	foreach(cell, files)
	{
		const BbSpoolFile *file = lfirst(cell);
		XLogLongPageHeaderData header;

		bb_reqctx_check(ctx);
		if (!file->is_segment)
			continue;
		if (!read_header(directory, file, &header) ||
			header.xlp_sysid != system_identifier ||
			header.xlp_seg_size != directory->segment_size ||
			header.std.xlp_pageaddr != file->number * header.xlp_seg_size)
			return NULL;
		last = Max(last, file->number);
		if (first == NULL || file->number < first->number ||
			(file->number == first->number && file->tli > first->tli))
			first = file;
	}
	/* all between them are there */
	for (XLogSegNo number = first == NULL ? 1 : first->number; number <= last;
		 number++)
	{
		bool		found = false;

		foreach(cell, files)
		{
			const BbSpoolFile *file = lfirst(cell);

			found |= file->is_segment && file->number == number;
		}
		if (!found)
			return NULL;
	}
	return first;
}

/* Find the system and the segment size of some segment. */
static bool
find_stream(const char *path, XLogLongPageHeaderData *header)
{
	BbSpoolDirectory directory = bb_spooldir_open(path, SOME_SEGMENT_SIZE);
	ListCell   *cell;

	foreach(cell, bb_spooldir_list(&directory, false))
	{
		const BbSpoolFile *file = lfirst(cell);

		if (file->is_segment)
			return read_header(&directory, file, header);
	}
	return false;
}

bool
bb_walspool_begin(const BbReqCtx *ctx, const char *path, BbWalStart *start)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup spool begin",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	const BbSpoolFile *first = NULL;
	BbSpoolDirectory directory;
	XLogLongPageHeaderData header;

	memset(start, 0, sizeof(*start));
	if (find_stream(path, &header))
	{
		directory = bb_spooldir_open(path, header.xlp_seg_size);
		first = first_segment(ctx, &directory, header.xlp_sysid);
	}
	if (first != NULL)
	{
		start->stream.system_identifier = header.xlp_sysid;
		start->stream.segment_size = header.xlp_seg_size;
		start->stream.tli = first->tli;
		start->lsn = first_record(&directory, first,
								  first->number * header.xlp_seg_size);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return !XLogRecPtrIsInvalid(start->lsn);
}
