/*-------------------------------------------------------------------------
 *
 * walsource.c
 *	  Records of WAL, one after the other, from a directory of segments.
 *
 * The directory is listed once.  What a segment is read from: the newest tli
 * on the way that has it, complete rather than ".partial", as recovery does
 * (XLogFileReadAnyTLI in PostgreSQL's xlogrecovery.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "base/resource.h"
#include "ingest/walhistory.h"
#include "ingest/walsource.h"
#include "storage/fd.h"

/* Segments are read in pieces of this size. */
#define READ_BYTES (16 * XLOG_BLCKSZ)

/* A segment in the directory. */
typedef struct Segment
{
	XLogSegNo	number;
	TimeLineID	tli;
	bool		partial;
} Segment;

struct BbWalSource
{
	const BbReqCtx *ctx; /* of the call being served; for the callback */
	MemoryContext context;
	char	   *directory;
	BbWalStream stream;
	List	   *tlis; /* BbWalTli, newest first */
	XLogRecPtr	start;
	XLogRecPtr	prev_lsn;
	XLogReaderState *reader;
	bool		begun;

	int			nsegments;
	Segment	   *segments; /* by number, then best first */
	Segment		aside;	  /* one that isn't on the way; number 0: none */

	/* the segment being read; fd NULL: none */
	BbFd	   *fd;
	Segment		open;
	char	   *buffer;
	uint32		buffer_offset; /* in the segment */
	uint32		buffer_length;

	XLogRecPtr	end; /* of the last good record */

	/* why there was no record */
	bool		broken;
	XLogSegNo	missing; /* a segment; 0: it wasn't that */
	const char *message; /* the reader's; NULL: it had none */
};

/* ---- what is there ---- */

static const BbWalTli *
find_tli(const BbWalSource *source, TimeLineID tli)
{
	ListCell   *cell;

	foreach(cell, source->tlis)
	{
		const BbWalTli *entry = lfirst(cell);

		if (entry->tli == tli)
			return entry;
	}
	return NULL;
}

/* The tli that WAL at lsn belongs to. */
static TimeLineID
tli_at(const BbWalSource *source, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, source->tlis)
	{
		const BbWalTli *entry = lfirst(cell);

		if (lsn >= entry->begin)
			return entry->tli;
	}
	return source->stream.tli;
}

/* Can this segment of this tli be on the way? */
static bool
on_the_way(const BbWalSource *source, const Segment *segment)
{
	const BbWalTli *entry = find_tli(source, segment->tli);
	uint32		size = source->stream.segment_size;

	return entry != NULL && segment->number >= entry->begin / size &&
		(entry->end == PG_UINT64_MAX ||
		 segment->number <= entry->end / size) &&
		segment->number >= source->start / size;
}

static int
compare_segments(const void *a, const void *b)
{
	const Segment *left = a;
	const Segment *right = b;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	if (left->tli != right->tli)
		return left->tli > right->tli ? -1 : 1;
	return (int) left->partial - (int) right->partial;
}

static void
list_segments(const BbReqCtx *ctx, BbWalSource *source)
{
	DIR		   *dir = AllocateDir(source->directory);
	struct dirent *entry;
	int			allocated = 64;
	bool		any = false;

	source->segments = palloc(allocated * sizeof(Segment));
	while ((entry = ReadDir(dir, source->directory)) != NULL)
	{
		Segment		segment;

		bb_reqctx_check(ctx);
		segment.partial = IsPartialXLogFileName(entry->d_name);
		if (!segment.partial && !IsXLogFileName(entry->d_name))
			continue;
		any = true;
		XLogFromFileName(entry->d_name, &segment.tli, &segment.number,
						 source->stream.segment_size);
		if (!on_the_way(source, &segment))
		{
			source->aside = segment;
			continue;
		}
		if (source->nsegments == allocated)
		{
			allocated *= 2;
			source->segments = repalloc_huge(source->segments,
											 allocated * sizeof(Segment));
		}
		source->segments[source->nsegments++] = segment;
	}
	FreeDir(dir);

	if (!any)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("directory \"%s\" has no WAL", source->directory),
				 errhint("Give a directory of WAL segments under their own "
						 "names, not compressed: an archive, or the pg_wal "
						 "of a server.")));
	qsort(source->segments, source->nsegments, sizeof(Segment),
		  compare_segments);
}

static void
segment_name(const BbWalSource *source, const Segment *segment, char *name)
{
	XLogFileName(name, segment->tli, segment->number,
				 source->stream.segment_size);
	if (segment->partial)
		strlcat(name, ".partial", MAXFNAMELEN);
}

/* ---- reading ---- */

static BbFd *
open_segment(const BbWalSource *source, const Segment *segment)
{
	char		name[MAXFNAMELEN];
	char		path[MAXPGPATH];
	struct stat st;
	BbFd	   *fd;

	segment_name(source, segment, name);
	snprintf(path, sizeof(path), "%s/%s", source->directory, name);
	/* who opens a FIFO waits for a writer, unless it says that it won't */
	fd = bb_fd_open(path, O_RDONLY | O_NONBLOCK | PG_BINARY, 0);
	if (fd == NULL && errno == ENOENT)
		return NULL;
	if (fd == NULL || fstat(bb_fd_number(fd), &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a regular file", path)));
	return fd;
}

/* Up to "length" bytes; fewer where the file ends. */
static uint32
read_segment(const BbWalSource *source, const Segment *segment, BbFd *fd,
			 uint32 offset, char *buffer, uint32 length)
{
	uint32		done = 0;

	while (done < length)
	{
		ssize_t		n = pread(bb_fd_number(fd), buffer + done, length - done,
							  offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
		{
			char		name[MAXFNAMELEN];

			segment_name(source, segment, name);
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s/%s\": %m",
							source->directory, name)));
		}
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

/*
 * Does a segment begin as it should?  WAL that is none, or older than the
 * file's name says, is no error here: the file was made for later use.
 */
static bool
begins_well(const BbWalSource *source, const Segment *segment,
			const XLogLongPageHeader header)
{
	uint32		size = source->stream.segment_size;
	char		name[MAXFNAMELEN];

	if (header->std.xlp_magic != XLOG_PAGE_MAGIC ||
		(header->std.xlp_info & XLP_LONG_HEADER) == 0 ||
		header->std.xlp_pageaddr != segment->number * size)
		return false;

	segment_name(source, segment, name);
	if (header->xlp_sysid != source->stream.system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL segment \"%s/%s\" is of another database system",
						source->directory, name),
				 errdetail("Its system identifier is " UINT64_FORMAT "; that of the timeline is " UINT64_FORMAT ".",
						   header->xlp_sysid,
						   source->stream.system_identifier)));
	if (header->xlp_seg_size != size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL segment \"%s/%s\" has another segment size",
						source->directory, name),
				 errdetail("Its segment size is %u bytes; that of the timeline is %u.",
						   header->xlp_seg_size, size)));
	return true;
}

/*
 * Where there is nothing to read, it may be because the directory is that of
 * another system.
 */
static void
check_aside(const BbWalSource *source)
{
	XLogLongPageHeaderData header;
	BbFd	   *fd;

	if (source->nsegments > 0 || source->aside.number == 0)
		return;
	fd = open_segment(source, &source->aside);
	if (fd == NULL)
		return;
	if (read_segment(source, &source->aside, fd, 0, (char *) &header,
					 sizeof(header)) == sizeof(header))
		(void) begins_well(source, &source->aside, &header);
	bb_fd_close(fd);
}

/* The first segment with at least this number, as an index. */
static int
first_segment(const BbWalSource *source, XLogSegNo number)
{
	int			low = 0;
	int			high = source->nsegments;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (source->segments[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first segment after "number" with WAL in it; NULL: none. */
static const Segment *
find_later(const BbWalSource *source, XLogSegNo number)
{
	for (int i = first_segment(source, number + 1); i < source->nsegments; i++)
	{
		const Segment *segment = &source->segments[i];
		XLogLongPageHeaderData header;
		BbFd	   *fd;
		bool		good;

		fd = open_segment(source, segment);
		if (fd == NULL)
			continue;
		good = read_segment(source, segment, fd, 0, (char *) &header,
							sizeof(header)) == sizeof(header) &&
			begins_well(source, segment, &header);
		bb_fd_close(fd);
		if (good)
			return segment;
	}
	return NULL;
}

/* Open the best file for a segment.  False: there is none. */
static bool
change_segment(BbWalSource *source, XLogSegNo number)
{
	MemoryContext old = MemoryContextSwitchTo(source->context);

	if (source->fd != NULL)
		bb_fd_close(source->fd);
	source->fd = NULL;
	source->buffer_length = 0;
	for (int i = first_segment(source, number); i < source->nsegments &&
		 source->segments[i].number == number && source->fd == NULL;
		 i++)
	{
		source->open = source->segments[i];
		source->fd = open_segment(source, &source->open);
	}
	MemoryContextSwitchTo(old);
	return source->fd != NULL;
}

static bool
fill_buffer(BbWalSource *source, uint32 offset)
{
	source->buffer_offset = offset - offset % READ_BYTES;
	source->buffer_length = read_segment(source, &source->open, source->fd,
										 source->buffer_offset, source->buffer,
										 READ_BYTES);
	if (source->buffer_offset == 0 &&
		source->buffer_length >= SizeOfXLogLongPHD)
		(void) begins_well(source, &source->open,
						   (XLogLongPageHeader) source->buffer);
	return offset + XLOG_BLCKSZ <=
		source->buffer_offset + source->buffer_length;
}

/* (The contract of this callback: access/xlogreader.h.) */
static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buffer)
{
	BbWalSource *source = reader->private_data;
	uint32		size = source->stream.segment_size;
	uint32		offset = XLogSegmentOffset(page, size);
	XLogSegNo	number;

	bb_reqctx_check(source->ctx);
	XLByteToSeg(page, number, size);
	if ((source->fd == NULL || source->open.number != number) &&
		!change_segment(source, number))
	{
		source->missing = number;
		return -1;
	}
	if ((offset < source->buffer_offset ||
		 offset + XLOG_BLCKSZ >
			 source->buffer_offset + source->buffer_length) &&
		!fill_buffer(source, offset))
	{
		source->message = "The segment's file ends here.";
		return -1;
	}
	memcpy(buffer, source->buffer + (offset - source->buffer_offset),
		   XLOG_BLCKSZ);
	reader->seg.ws_tli = source->open.tli;
	return XLOG_BLCKSZ;
}

/* ---- the outside ---- */

BbWalSource *
bb_walsource_open(const BbReqCtx *ctx, const char *directory,
				  const BbWalStream *stream, XLogRecPtr lsn,
				  XLogRecPtr prev_lsn)
{
	BbWalSource *source;
	struct stat st;

	if (!is_absolute_path(directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL directory \"%s\" is not an absolute path",
						directory)));
	if (stat(directory, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat directory \"%s\": %m", directory)));
	if (!S_ISDIR(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a directory", directory)));

	source = palloc0(sizeof(BbWalSource));
	source->ctx = ctx;
	source->context = CurrentMemoryContext;
	source->directory = pstrdup(directory);
	canonicalize_path(source->directory);
	source->stream = *stream;
	source->start = bb_wal_record_start(stream, lsn);
	source->end = lsn;
	source->prev_lsn = prev_lsn;
	source->tlis = bb_walhistory_choose(ctx, source->directory, stream->tli,
										lsn);
	source->buffer = palloc(READ_BYTES);
	list_segments(ctx, source);
	check_aside(source);

	source->reader = XLogReaderAllocate(stream->segment_size, NULL,
										XL_ROUTINE(.page_read = read_page),
										source);
	if (source->reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	source->reader->system_identifier = stream->system_identifier;
	XLogBeginRead(source->reader, source->start);
	return source;
}

XLogReaderState *
bb_walsource_reader(BbWalSource *source)
{
	return source->reader;
}

/* Does the first record follow the one that the timeline ends with? */
static void
check_first(const BbWalSource *source)
{
	XLogRecPtr	prev = XLogRecGetPrev(source->reader);

	if (!XLogRecPtrIsInvalid(source->prev_lsn) && prev != source->prev_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL in directory \"%s\" does not continue the timeline",
						source->directory),
				 errdetail("The record at %X/%X follows one at %X/%X; the last of the timeline is at %X/%X.",
						   LSN_FORMAT_ARGS(source->reader->ReadRecPtr),
						   LSN_FORMAT_ARGS(prev),
						   LSN_FORMAT_ARGS(source->prev_lsn))));
}

/* Read a record, or note why there is none. */
static XLogRecord *
read_record(BbWalSource *source)
{
	char	   *message = NULL;
	XLogRecord *record = XLogReadRecord(source->reader, &message);

	if (message != NULL && message[0] != '\0')
		source->message = psprintf("%c%s.", pg_toupper(message[0]),
								   message + 1);
	return record;
}

/* Is there WAL behind what can't be read? */
static bool
goes_on(const BbWalSource *source)
{
	XLogSegNo	number = source->missing;

	if (number == 0)
		XLByteToSeg(source->end, number, source->stream.segment_size);
	return find_later(source, number) != NULL;
}

/*
 * A live server may have written on since this part was read.  Once there is
 * WAL in a later segment, all before it is complete, so another look tells.
 */
static XLogRecord *
read_record_again(BbWalSource *source)
{
	source->buffer_length = 0;
	XLogBeginRead(source->reader,
				  bb_wal_record_start(&source->stream, source->end));
	return read_record(source);
}

BbWalNext
bb_walsource_next(const BbReqCtx *ctx, BbWalSource *source)
{
	XLogReaderState *reader = source->reader;
	MemoryContext old = MemoryContextSwitchTo(source->context);
	XLogRecord *record;

	/* the reader allocates its buffers when it needs them */
	source->ctx = ctx;
	record = read_record(source);
	if (record == NULL && source->missing == 0 && goes_on(source))
		record = read_record_again(source);
	MemoryContextSwitchTo(old);
	if (record != NULL)
	{
		TimeLineID	tli = tli_at(source, reader->ReadRecPtr);

		if (!source->begun)
			check_first(source);
		source->begun = true;
		if (source->open.tli >= tli)
		{
			source->end = reader->EndRecPtr;
			return BB_WAL_RECORD;
		}

		/* of a tli that had been left: the new one's file isn't there */
		XLByteToSeg(reader->ReadRecPtr, source->missing,
					source->stream.segment_size);
	}

	source->broken = goes_on(source);
	return source->broken ? BB_WAL_BROKEN : BB_WAL_END;
}

const uint8 *
bb_walsource_record(const BbWalSource *source, uint32 *length)
{
	const XLogReaderState *reader = source->reader;
	const XLogRecord *header = &reader->record->header;
	uint32		offset = reader->ReadRecPtr % XLOG_BLCKSZ;
	const char *record;

	/* a record on one page was decoded where it is, others reassembled */
	record = offset + header->xl_tot_len <= XLOG_BLCKSZ
		? reader->readBuf + offset
		: reader->readRecordBuf;
	if (memcmp(record, header, SizeOfXLogRecord) != 0)
		elog(ERROR, "could not find the bytes of the WAL record at %X/%X",
			 LSN_FORMAT_ARGS(reader->ReadRecPtr));
	*length = header->xl_tot_len;
	return (const uint8 *) record;
}

XLogRecPtr
bb_walsource_limit(const BbWalSource *source)
{
	if (source->nsegments == 0)
		return source->start;
	return (source->segments[source->nsegments - 1].number + 1) *
		source->stream.segment_size;
}

bool
bb_walsource_switches(const BbWalSource *source, TimeLineID tli,
					  XLogRecPtr lsn)
{
	const BbWalTli *entry = find_tli(source, tli);

	return entry != NULL && entry->begin == lsn;
}

char *
bb_walsource_history(const BbReqCtx *ctx, const BbWalSource *source,
					 TimeLineID tli)
{
	return bb_walhistory_read(ctx, source->directory, tli);
}

static void
complain_missing(const BbWalSource *source, XLogRecPtr until)
{
	Segment		segment = {source->missing, 0, false};
	const Segment *later = find_later(source, source->missing);
	char		name[MAXFNAMELEN];
	char		later_name[MAXFNAMELEN];

	segment.tli = tli_at(source,
						 Max(source->end,
							 segment.number * source->stream.segment_size));
	segment_name(source, &segment, name);
	if (later != NULL)
		segment_name(source, later, later_name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("WAL segment \"%s\" is missing from directory \"%s\"",
					name, source->directory),
			 later != NULL
			 ? errdetail("All before %X/%X has been ingested; there is later WAL, in \"%s\".",
						 LSN_FORMAT_ARGS(source->end), later_name)
			 : errdetail("All before %X/%X has been ingested; WAL was asked for up to %X/%X.",
						 LSN_FORMAT_ARGS(source->end),
						 LSN_FORMAT_ARGS(until))));
}

void
bb_walsource_complain(const BbWalSource *source, XLogRecPtr until)
{
	const char *message = source->message ? source->message
										  : "The next record can't be read.";
	char		name[MAXFNAMELEN];

	if (source->missing != 0)
		complain_missing(source, until);

	segment_name(source, &source->open, name);
	if (!source->broken)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL in directory \"%s\" ends at %X/%X, before %X/%X",
						source->directory, LSN_FORMAT_ARGS(source->end),
						LSN_FORMAT_ARGS(until)),
				 errdetail("All of it has been ingested. \"%s\": %s", name,
						   message)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at %X/%X is broken",
					LSN_FORMAT_ARGS(bb_wal_record_start(&source->stream,
														source->end))),
			 errdetail("%s All before it has been ingested.", message),
			 errhint("It is in \"%s/%s\".", source->directory, name)));
}
