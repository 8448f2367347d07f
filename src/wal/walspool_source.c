/*-------------------------------------------------------------------------
 *
 * walspool_source.c
 *	  A source of WAL that reads a spool while it is written.
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
 * The tail is looked at between two records, never within one: xlogreader
 * assembles a record from pages, and a page that was cut by the tail must be
 * read again before the next one is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "utils/memutils.h"
#include "wal/sequence.h"
#include "wal/walspool.h"
#include "wal/walspool_internal.h"

typedef struct SpoolOrigin
{
	BbWalOrigin base;
	const char *directory;
	const BbWalTail *tail;
} SpoolOrigin;

typedef struct SpoolSource
{
	BbWalSource base;
	const BbReqCtx *ctx; /* of the call being served; for the callback */
	MemoryContext context;
	MemoryContext path_context; /* of base.path */
	MemoryContext file_context;
	BbWalPlace	place;
	BbSpoolDirectory directory;
	const BbWalTail *tail;

	/* the tail when it was looked at last */
	TimeLineID	tail_tli;
	XLogRecPtr	tail_lsn;
	bool		is_old; /* look again before the next record */

	BbWalSequence at;
	TimeLineID	record_tli; /* of the last record */

	/* the segment being read */
	BbFd	   *file; /* NULL: none */
	TimeLineID	file_tli;
	XLogSegNo	file_number;
	char	   *buffer;
	uint32		buffer_offset; /* in the segment */
	uint32		buffer_length;

	/* why there was no record */
	bool		blocked;   /* the tail is before its end */
	bool		missing;   /* there is no file of the segment */
	bool		retracted; /* WAL goes on from before what was returned */
	const char *message;   /* a sentence, or NULL */
} SpoolSource;

/* ---- files ---- */

static void
segment_name(const SpoolSource *source, char *name)
{
	bb_spooldir_segment_name(&source->directory, source->file_tli,
							 source->file_number, name);
}

/* Read the file again from now on, and no kept page. */
static void
forget_file(SpoolSource *source)
{
	MemoryContextReset(source->file_context);
	source->file = NULL;
	source->buffer_length = 0;
	source->base.reader->readLen = 0;
}

/* Open the file of a segment.  False: it doesn't exist. */
static bool
open_file(SpoolSource *source, TimeLineID tli, XLogSegNo number)
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
	segment_name(source, name);
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
fill_buffer(SpoolSource *source, uint32 offset, uint32 upto)
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
		segment_name(source, name);
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
bytes_in_file(SpoolSource *source, TimeLineID tli, XLogRecPtr page,
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
newest_of(const SpoolSource *source, XLogSegNo number)
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
bytes_needed(const SpoolSource *source, XLogRecPtr page, uint32 wanted,
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
get_older_page(SpoolSource *source, const BbTliRange *range, XLogRecPtr page,
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
get_page(SpoolSource *source, XLogRecPtr page, uint32 needed)
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
	source->message = psprintf(
		"WAL was received up to %X/%X, but the file ends before %X/%X.",
		LSN_FORMAT_ARGS(source->tail_lsn), LSN_FORMAT_ARGS(page + needed));
	return XLREAD_FAIL;
}

static inline const char *
buffered_page(const SpoolSource *source, XLogRecPtr page)
{
	return source->buffer +
		(XLogSegmentOffset(page, source->at.stream.segment_size) -
		 source->buffer_offset);
}

/* (The contract of this callback: access/xlogreader.h.) */
static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buffer)
{
	SpoolSource *source = reader->private_data;
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

/* ---- the tail ---- */

/* Return the path to a tli, or NULL with a message. */
static BbTliPath *
path_to(SpoolSource *source, TimeLineID tli)
{
	TimeLineID	from = source->place.start.stream.tli;
	const BbTliHistory *history;
	BbTliPath  *path;

	if (tli == from)
		return bb_tlipath_choose(source->ctx, &source->place);
	history = bb_tlihistory_read(source->ctx, source->place.directory, tli);
	if (history == NULL)
	{
		source->message = psprintf(
			"WAL goes on under timeline ID %u, whose history file is missing.",
			tli);
		return NULL;
	}
	if (history->complaint != NULL)
	{
		source->message = psprintf(
			"WAL goes on under timeline ID %u, whose history file is not valid. %s",
			tli, history->complaint);
		return NULL;
	}
	path = bb_tlipath_along(history, from);
	if (path == NULL)
	{
		source->retracted = true;
		source->message = psprintf(
			"WAL goes on under timeline ID %u, which does not descend from timeline ID %u.",
			tli, from);
	}
	return path;
}

/*
 * Take the path to the tail's tli.  False: it isn't one that continues what was
 * read.
 */
static bool
change_path(SpoolSource *source, TimeLineID tli)
{
	MemoryContext context = AllocSetContextCreate(source->context,
												  "bbackup WAL path",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbTliPath  *path = path_to(source, tli);
	const BbTliRange *range;

	if (path == NULL)
		return false; /* the message is in the new context */
	MemoryContextSwitchTo(old);
	source->at.tli = source->record_tli;
	if (!bb_walsequence_set_path(&source->at, path))
	{
		range = bb_tlipath_at(path, source->at.end);
		source->retracted = true;
		source->message = psprintf(
			"Timeline ID %u forks at %X/%X; timeline ID %u has been read up to %X/%X.",
			range->tli, LSN_FORMAT_ARGS(range->begin), source->at.tli,
			LSN_FORMAT_ARGS(source->at.end));
		return false;
	}
	if (source->path_context != NULL)
		MemoryContextDelete(source->path_context);
	source->path_context = context;
	source->base.path = path;
	return true;
}

/* Look at the tail.  True: it has changed, and WAL can be read up to it. */
static bool
look_at_tail(SpoolSource *source)
{
	TimeLineID	tli;
	XLogRecPtr	lsn;

	source->is_old = false;
	source->tail->position(source->tail, &tli, &lsn);
	if (tli == 0)
	{
		/* nothing has been received yet */
		tli = source->tail_tli;
		lsn = InvalidXLogRecPtr;
	}
	if (tli == source->tail_tli && lsn == source->tail_lsn)
		return false;
	if (tli != source->tail_tli && !change_path(source, tli))
		return false;
	if (tli != source->tail_tli || lsn < source->tail_lsn)
		forget_file(source);
	source->tail_tli = tli;
	source->tail_lsn = lsn;
	/* the page that it has may have been cut */
	source->base.reader->readLen = 0;
	return true;
}

/* ---- records ---- */

/* Read a record, or note why there is none. */
static bool
read_record(SpoolSource *source)
{
	XLogReaderState *reader = source->base.reader;
	char	   *message = NULL;

	source->blocked = false;
	source->missing = false;
	source->message = NULL;
	if (source->at.end >= source->at.tli_end)
		bb_walsequence_set_tli(&source->at, source->base.path);
	if (XLogReadRecord(reader, &message) != NULL)
		return bb_walsequence_check(&source->at, source->base.path, reader,
									&source->message) == BB_WAL_FOLLOWS;
	/*
	 * xlogreader goes on without the last bytes of a record that ends near the
	 * beginning of a segment, and finds it broken: it counts a short header.
	 */
	if (source->blocked)
		return false;
	if (message != NULL && message[0] != '\0')
		source->message = psprintf("%c%s.", pg_toupper(message[0]),
								   message + 1);
	return false;
}

static BbWalNext
read_next(SpoolSource *source)
{
	bool		again = false;

	if (source->is_old)
	{
		(void) look_at_tail(source);
		if (source->message != NULL)
			return BB_WAL_BROKEN;
	}
	while (!read_record(source))
	{
		bool		blocked = source->blocked;

		/* a file may have been cut to go on under another tli */
		if (!look_at_tail(source) || (!blocked && again))
			return blocked && source->message == NULL ? BB_WAL_WAIT
													  : BB_WAL_BROKEN;
		if (!blocked)
		{
			forget_file(source);
			again = true;
		}
	}
	bb_walsequence_accept(&source->at, source->base.reader);
	source->record_tli = source->at.tli;
	return BB_WAL_RECORD;
}

static BbWalNext
next(const BbReqCtx *ctx, BbWalSource *base)
{
	SpoolSource *source = (SpoolSource *) base;
	MemoryContext old = MemoryContextSwitchTo(source->context);
	BbWalNext	result;

	/* the reader allocates its buffers when it needs them */
	source->ctx = ctx;
	result = read_next(source);
	MemoryContextSwitchTo(old);
	return result;
}

/* ---- other operations ---- */

static void
wait_for_tail(const BbReqCtx *ctx, BbWalSource *base, long timeout_ms)
{
	SpoolSource *source = (SpoolSource *) base;

	source->tail->wait(ctx, source->tail, timeout_ms);
}

static void
committed(const BbReqCtx *ctx, BbWalSource *base, XLogRecPtr lsn)
{
	SpoolSource *source = (SpoolSource *) base;

	if (source->tail->committed != NULL)
		source->tail->committed(ctx, source->tail, lsn);
}

/*
 * Up to here there is no further record, if next said to wait.  The tail as it
 * is now may already be beyond one.
 */
static XLogRecPtr
limit(const BbWalSource *base)
{
	const SpoolSource *source = (const SpoolSource *) base;

	return Max(source->tail_lsn, source->at.end);
}

static const char *
history(const BbReqCtx *ctx, const BbWalSource *base, TimeLineID tli)
{
	return bb_tlipath_text(ctx, base->path,
						   &((const SpoolSource *) base)->place, tli);
}

static BbWalReason
get_reason(const BbWalSource *base)
{
	const SpoolSource *source = (const SpoolSource *) base;
	char	   *name = palloc(MAXFNAMELEN);

	segment_name(source, name);
	return (BbWalReason){
		.segment = name,
		.missing = source->missing,
		.text = source->missing		  ? NULL
			: source->message != NULL ? source->message
									  : "The next record cannot be read.",
	};
}

static void
raise_reason(const BbReqCtx *ctx, BbWalSource *base, XLogRecPtr until)
{
	const SpoolSource *source = (const SpoolSource *) base;
	BbWalReason why = get_reason(base);

	if (why.missing)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from %s", why.segment,
						base->name),
				 errdetail("WAL was read up to %X/%X; it was received up to %X/%X.",
						   LSN_FORMAT_ARGS(source->at.end),
						   LSN_FORMAT_ARGS(source->tail_lsn))));
	if (source->retracted)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL in %s goes on from a point before %X/%X",
						base->name, LSN_FORMAT_ARGS(source->at.end)),
				 errdetail("%s", why.text)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at %X/%X is broken",
					LSN_FORMAT_ARGS(bb_walsequence_next(&source->at))),
			 errdetail("%s The record is in segment \"%s\" of %s.", why.text,
					   why.segment, base->name)));
}

static const BbWalSourceOps ops = {
	.next = next,
	.limit = limit,
	.history = history,
	.reason = get_reason,
	.raise = raise_reason,
	.wait = wait_for_tail,
	.committed = committed,
};

/* ---- opening ---- */

static BbWalSource *
open_source(const BbReqCtx *ctx, const BbWalOrigin *origin,
			const BbWalStart *start)
{
	const SpoolOrigin *spool = (const SpoolOrigin *) origin;
	SpoolSource *source = palloc0(sizeof(SpoolSource));

	source->base.ops = &ops;
	source->base.name = psprintf("spool \"%s\"", spool->directory);
	source->ctx = ctx;
	source->context = CurrentMemoryContext;
	source->place.directory = spool->directory;
	source->place.target.kind = BB_WAL_CURRENT;
	source->place.start = *start;
	source->tail = spool->tail;
	source->tail_tli = start->stream.tli;
	source->at = bb_walsequence_new(start);
	source->record_tli = start->stream.tli;
	source->file_tli = start->stream.tli;
	source->file_number = bb_walsequence_next(&source->at) /
		start->stream.segment_size;
	source->buffer = palloc(BB_WAL_READ_BYTES);
	source->file_context = AllocSetContextCreate(CurrentMemoryContext,
												 "bbackup spool file",
												 ALLOCSET_SMALL_SIZES);
	source->directory = bb_spooldir_open(spool->directory,
										 start->stream.segment_size);

	source->base
		.reader = XLogReaderAllocate(start->stream.segment_size, NULL,
									 XL_ROUTINE(.page_read = read_page),
									 source);
	if (source->base.reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	source->base.reader->system_identifier = start->stream.system_identifier;
	XLogBeginRead(source->base.reader, bb_walsequence_next(&source->at));

	if (!change_path(source, source->tail_tli))
		elog(ERROR, "no path from a timeline ID to itself");
	(void) look_at_tail(source);
	if (source->message != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL in %s does not continue the timeline",
						source->base.name),
				 errdetail("%s", source->message)));
	return &source->base;
}

const BbWalOrigin *
bb_walspool_origin(const char *directory, const BbWalTail *tail)
{
	SpoolOrigin *origin = palloc0(sizeof(SpoolOrigin));

	origin->base.open = open_source;
	origin->directory = pstrdup(directory);
	origin->tail = tail;
	return &origin->base;
}
