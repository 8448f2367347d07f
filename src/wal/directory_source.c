/*-------------------------------------------------------------------------
 *
 * directory_source.c
 *	  A source of WAL that reads files of segments, such as a directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "utils/memutils.h"
#include "wal/directory_internal.h"

/* ---- pages ---- */

/* Open a file of a segment after the "skip" best ones; false: there is none. */
static bool
change_segment(BbDirectorySource *source, XLogSegNo number, int skip)
{
	MemoryContext old = MemoryContextSwitchTo(source->context);
	bool		found;

	bb_walfile_close(&source->file);
	source->buffer_length = 0;
	source->skip = skip;
	found = bb_walsegments_open(source->ctx, source->segments, number,
								source->at.tli, skip, &source->file);
	MemoryContextSwitchTo(old);
	return found;
}

/* Is all of the page at an offset in the buffer? */
static inline bool
in_buffer(const BbDirectorySource *source, uint32 offset)
{
	return offset >= source->buffer_offset &&
		offset + XLOG_BLCKSZ <= source->buffer_offset + source->buffer_length;
}

static bool
fill_buffer(BbDirectorySource *source, uint32 offset)
{
	source->buffer_offset = offset - offset % BB_WAL_READ_BYTES;
	source->buffer_length = bb_walfile_read(&source->file,
											source->buffer_offset,
											source->buffer, BB_WAL_READ_BYTES);
	if (source->buffer_offset == 0 &&
		source->buffer_length >= SizeOfXLogLongPHD)
		bb_walfile_check_first(source->segments, &source->file,
							   (XLogLongPageHeader) source->buffer);
	return in_buffer(source, offset);
}

/* Why the file ends before the page that is wanted. */
static const char *
shortness(const BbDirectorySource *source)
{
	const BbWalContent *content = source->file.content;

	if (content->complaint != NULL)
		return psprintf("The file \"%s\" cannot be read. %s", content->path,
						content->complaint);
	return psprintf("The file has " UINT64_FORMAT " bytes instead of %u.",
					content->size, source->place.start.stream.segment_size);
}

/* (The contract of this callback: access/xlogreader.h.) */
static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buffer)
{
	BbDirectorySource *source = reader->private_data;
	uint32		size = source->place.start.stream.segment_size;
	uint32		offset = XLogSegmentOffset(page, size);
	XLogSegNo	number;

	bb_reqctx_check(source->ctx);
	XLByteToSeg(page, number, size);
	source->page = page;
	if ((source->file.content == NULL ||
		 source->file.segment.number != number) &&
		!change_segment(source, number, 0))
	{
		source->missing = number;
		return -1;
	}

	/* the file was cut; perhaps the segment has another one */
	while (!in_buffer(source, offset) && !fill_buffer(source, offset))
	{
		int			skip = source->skip;

		if (!change_segment(source, number, skip + 1))
		{
			if (change_segment(source, number, skip))
				source->message = shortness(source);
			else
				source->missing = number;
			return -1;
		}
	}
	memcpy(buffer, source->buffer + (offset - source->buffer_offset),
		   XLOG_BLCKSZ);
	reader->seg.ws_tli = source->file.segment.tli;
	return XLOG_BLCKSZ;
}

/* ---- records ---- */

/* Read the files again from the end of the last record, and no kept page. */
static void
begin_read(BbDirectorySource *source)
{
	bb_walfile_close(&source->file);
	source->buffer_length = 0;
	source->missing = 0;
	source->message = NULL;
	source->follows = BB_WAL_FOLLOWS;
	source->base.reader->readLen = 0;
	XLogBeginRead(source->base.reader, bb_walsequence_next(&source->at));
}

/* Raise an error: a record crosses the end that a history file gives its tli. */
static void
raise_crossing(const BbDirectorySource *source)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at " BB_LSN_FORMAT " does not agree with the timeline history files",
					LSN_FORMAT_ARGS(source->base.reader->ReadRecPtr)),
			 errdetail("%s All WAL before the record has been ingested.",
					   source->message)));
}

/* From here on, files of newer tlis don't have WAL of the target. */
static void
stop_borrowing(BbDirectorySource *source)
{
	bb_tlipath_shorten(source->base.path);
	bb_walsegments_relist(source->ctx, source->segments);
	bb_walsequence_set_tli(&source->at, source->base.path);
	begin_read(source);
}

/* Read a record, or note why there is none. */
static bool
read_record(BbDirectorySource *source)
{
	XLogReaderState *reader = source->base.reader;
	char	   *message = NULL;

	if (XLogReadRecord(reader, &message) == NULL)
	{
		if (message != NULL && message[0] != '\0')
			source->message = psprintf("%c%s.", pg_toupper(message[0]),
									   message + 1);
		return false;
	}

	source->follows = bb_walsequence_check(&source->at, source->base.path,
										   reader, &source->message);
	if (source->follows == BB_WAL_CROSSES)
	{
		if (source->base.path->target != source->at.tli)
			raise_crossing(source);
		/* the target isn't left, so that fork doesn't matter */
		stop_borrowing(source);
		return read_record(source);
	}
	source->other_prev = XLogRecGetPrev(reader);
	return source->follows == BB_WAL_FOLLOWS;
}

/* Is there WAL after the part that can't be read? */
static bool
goes_on(BbDirectorySource *source)
{
	XLogSegNo	number = source->missing;

	if (number == 0)
		XLByteToSeg(bb_walsequence_next(&source->at), number,
					source->place.start.stream.segment_size);
	return bb_walsegments_later(source->ctx, source->segments, number,
								false) != NULL;
}

/*
 * Read a second time before an end is reported.  A server may have written more
 * since this part was read, and segments may have been added since the directory
 * was listed.  And xlogreader now ignores the previous record, which shows
 * whether that is the only thing wrong.
 */
static bool
read_record_again(BbDirectorySource *source)
{
	if (goes_on(source))
		bb_walsegments_relist(source->ctx, source->segments);
	begin_read(source);
	return read_record(source);
}

/*
 * If both branches continue in the directory, only the caller knows which one
 * is wanted.  The segment in which the old tli is left doesn't count: a server
 * that fails over leaves it, too.
 */
static void
refuse_two_branches(const BbDirectorySource *source, TimeLineID left)
{
	const BbTliRange *newest = linitial(source->base.path->tlis);
	uint32		size = source->place.start.stream.segment_size;
	BbWalSegment first;
	BbWalSegment last;
	char		first_name[MAXFNAMELEN];
	char		last_name[MAXFNAMELEN];

	if (!bb_walsegments_beyond(source->ctx, source->segments, left,
							   (source->at.end - 1) / size + 1, &first, &last))
		return;
	bb_walsegments_name(source->segments, &first, first_name);
	bb_walsegments_name(source->segments, &last, last_name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("WAL in %s goes on under timeline IDs %u and %u",
					source->base.name, left, source->at.tli),
			 errdetail("Timeline ID %u forks from %u at " BB_LSN_FORMAT ", and has WAL up to " BB_LSN_FORMAT "; timeline ID %u goes on in \"%s\", and has WAL up to " BB_LSN_FORMAT ", in \"%s\". All WAL before " BB_LSN_FORMAT " has been ingested.",
					   source->at.tli, left, LSN_FORMAT_ARGS(source->at.end),
					   LSN_FORMAT_ARGS(bb_walsegments_limit(source->segments)),
					   left, first_name,
					   LSN_FORMAT_ARGS((last.number + 1) * size), last_name,
					   LSN_FORMAT_ARGS(source->at.end)),
			 errhint("Use tli => '%u' if the cluster failed over, or tli => 'current' if it goes on under timeline ID %u.",
					 newest->tli, left)));
}

/* The last record is the end of a tli.  Go on with the next tli. */
static void
change_tli(BbDirectorySource *source)
{
	TimeLineID	left = source->at.tli;

	if (source->base.path->target == left)
	{
		stop_borrowing(source);
		return;
	}
	bb_walsequence_set_tli(&source->at, source->base.path);
	if (source->place.target.kind == BB_WAL_LATEST)
		refuse_two_branches(source, left);

	/* a file of the old tli has no WAL of the new one */
	if (source->file.content != NULL &&
		source->file.segment.tli < source->at.tli)
		begin_read(source);
}

/* Raise an error if the first record doesn't continue the timeline. */
static void
check_first(const BbDirectorySource *source)
{
	if (source->at.begun || source->follows != BB_WAL_FOREIGN)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("WAL in %s does not continue the timeline",
					source->base.name),
			 errdetail("The record at " BB_LSN_FORMAT " follows one at " BB_LSN_FORMAT "; the last of the timeline is at " BB_LSN_FORMAT ".",
					   LSN_FORMAT_ARGS(bb_walsequence_next(&source->at)),
					   LSN_FORMAT_ARGS(source->other_prev),
					   LSN_FORMAT_ARGS(source->at.prev))));
}

static BbWalNext
next(const BbReqCtx *ctx, BbWalSource *base)
{
	BbDirectorySource *source = (BbDirectorySource *) base;
	MemoryContext old = MemoryContextSwitchTo(source->context);
	bool		found;

	/* the reader allocates its buffers when it needs them */
	source->ctx = ctx;
	if (source->at.end >= source->at.tli_end)
		change_tli(source);
	found = read_record(source) || read_record_again(source);
	MemoryContextSwitchTo(old);
	if (found)
	{
		bb_walsequence_accept(&source->at, base->reader);
		return BB_WAL_RECORD;
	}

	check_first(source);
	source->broken = goes_on(source);
	return source->broken ? BB_WAL_BROKEN : BB_WAL_END;
}

/* ---- other operations ---- */

static XLogRecPtr
limit(const BbWalSource *base)
{
	return bb_walsegments_limit(((const BbDirectorySource *) base)->segments);
}

static void
need_any(const BbReqCtx *ctx, const BbWalSource *base)
{
	bb_walsegments_need_any(ctx, ((const BbDirectorySource *) base)->segments);
}

static const char *
history(const BbReqCtx *ctx, const BbWalSource *base, TimeLineID tli)
{
	return bb_tlipath_text(ctx, base->path,
						   &((const BbDirectorySource *) base)->place, tli);
}

static const BbWalSourceOps ops = {
	.next = next,
	.limit = limit,
	.history = history,
	.reason = bb_waldirectory_reason,
	.raise = bb_waldirectory_raise,
	.need_any = need_any,
	.report_end = bb_waldirectory_report_end,
	.report_left = bb_waldirectory_report_left,
};

/* ---- opening ---- */

typedef struct DirectoryOrigin
{
	BbWalOrigin base;
	BbWalPlace	place;
} DirectoryOrigin;

static BbWalSource *
open_source(const BbReqCtx *ctx, const BbWalOrigin *origin,
			const BbWalStart *start)
{
	const BbWalPlace *place = &((const DirectoryOrigin *) origin)->place;
	BbDirectorySource *source;

	bb_walfiles_begin(ctx, place->files, start);
	source = palloc0(sizeof(BbDirectorySource));
	source->base.ops = &ops;
	source->base.name = place->files->name;
	source->ctx = ctx;
	source->context = CurrentMemoryContext;
	source->place = *place;
	source->place.start = *start;
	source->base.path = bb_tlipath_choose(ctx, &source->place);
	source->segments = bb_walsegments_new(ctx, &source->place,
										  source->base.path);
	source->buffer = palloc(BB_WAL_READ_BYTES);
	source->at = bb_walsequence_new(start);
	(void) bb_walsequence_set_path(&source->at, source->base.path);

	source->base
		.reader = XLogReaderAllocate(start->stream.segment_size, NULL,
									 XL_ROUTINE(.page_read = read_page),
									 source);
	if (source->base.reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	source->base.reader->system_identifier = start->stream.system_identifier;
	begin_read(source);
	return &source->base;
}

const BbWalOrigin *
bb_waldirectory_origin(const BbWalPlace *place)
{
	DirectoryOrigin *origin = palloc0(sizeof(DirectoryOrigin));

	origin->base.open = open_source;
	origin->place = *place;
	return &origin->base;
}
