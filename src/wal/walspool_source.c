/*-------------------------------------------------------------------------
 *
 * walspool_source.c
 *	  A source of WAL that reads a spool while it is written.
 *
 * The tail is looked at between two records, never within one: xlogreader
 * assembles a record from pages, and a page that was cut by the tail must be
 * read again before the next one is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "utils/memutils.h"
#include "wal/walspool_source.h"

typedef struct SpoolOrigin
{
	BbWalOrigin base;
	const char *directory;
	const BbWalTail *tail;
} SpoolOrigin;

/* ---- the tail ---- */

/* Return the path to a tli, or NULL with a message. */
static BbTliPath *
path_to(BbSpoolSource *source, TimeLineID tli)
{
	TimeLineID	from = source->place.start.stream.tli;
	const BbTliHistory *history;
	BbTliPath  *path;

	if (tli == from)
		return bb_tlipath_choose(source->ctx, &source->place);
	history = bb_tlihistory_read(source->ctx, source->place.files, tli);
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
change_path(BbSpoolSource *source, TimeLineID tli)
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
		source->message =
			psprintf("Timeline ID %u forks at " BB_LSN_FORMAT
					 "; timeline ID %u has been read up to " BB_LSN_FORMAT ".",
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
look_at_tail(BbSpoolSource *source)
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
		bb_spoolsource_forget(source);
	source->tail_tli = tli;
	source->tail_lsn = lsn;
	/* the page that it has may have been cut */
	source->base.reader->readLen = 0;
	return true;
}

/* ---- records ---- */

/* Read a record, or note why there is none. */
static bool
read_record(BbSpoolSource *source)
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
read_next(BbSpoolSource *source)
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
			bb_spoolsource_forget(source);
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
	BbSpoolSource *source = (BbSpoolSource *) base;
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
	BbSpoolSource *source = (BbSpoolSource *) base;

	source->tail->wait(ctx, source->tail, timeout_ms);
}

static void
committed(const BbReqCtx *ctx, BbWalSource *base, XLogRecPtr lsn)
{
	BbSpoolSource *source = (BbSpoolSource *) base;

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
	const BbSpoolSource *source = (const BbSpoolSource *) base;

	return Max(source->tail_lsn, source->at.end);
}

static const char *
history(const BbReqCtx *ctx, const BbWalSource *base, TimeLineID tli)
{
	return bb_tlipath_text(ctx, base->path,
						   &((const BbSpoolSource *) base)->place, tli);
}

static BbWalReason
get_reason(const BbWalSource *base)
{
	const BbSpoolSource *source = (const BbSpoolSource *) base;
	char	   *name = palloc(MAXFNAMELEN);

	bb_spoolsource_segment(source, name);
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
	const BbSpoolSource *source = (const BbSpoolSource *) base;
	BbWalReason why = get_reason(base);

	if (why.missing)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from %s", why.segment,
						base->name),
				 errdetail("WAL was read up to " BB_LSN_FORMAT "; it was received up to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(source->at.end),
						   LSN_FORMAT_ARGS(source->tail_lsn))));
	if (source->retracted)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL in %s goes on from a point before " BB_LSN_FORMAT,
						base->name, LSN_FORMAT_ARGS(source->at.end)),
				 errdetail("%s", why.text)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at " BB_LSN_FORMAT " is broken",
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
	BbSpoolSource *source = palloc0(sizeof(BbSpoolSource));

	source->base.ops = &ops;
	source->base.name = psprintf("spool \"%s\"", spool->directory);
	source->ctx = ctx;
	source->context = CurrentMemoryContext;
	source->place.files = bb_walfiles_directory(spool->directory);
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
									 XL_ROUTINE(
											 .page_read = bb_spoolsource_page),
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
