/*-------------------------------------------------------------------------
 *
 * directory_end.c
 *	  Messages about the end of WAL, and why it is there.
 *
 * The normal end of a server's WAL needs no message: the next segment isn't
 * there yet; or the rest of the page and all further pages of the segment have
 * zeros, or WAL of an older use of the file.  Any other end means that the file
 * was damaged, or isn't a WAL segment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlogrecord.h"
#include "base/compat.h"
#include "wal/directory_internal.h"

/* The number of pages that are searched for later WAL in the segment. */
#define LOOK_PAGES 2048

/* The segment that is missing. */
static BbWalSegment
wanted_segment(const BbDirectorySource *source)
{
	BbWalSegment segment = {.number = source->missing, .tli = source->at.tli};

	return segment;
}

static const char *
segment_name(const BbDirectorySource *source, const BbWalSegment *segment)
{
	char	   *name = palloc(MAXFNAMELEN);

	bb_walsegments_name(source->segments, segment, name);
	return name;
}

static const char *
missing_name(const BbDirectorySource *source)
{
	BbWalSegment wanted = wanted_segment(source);

	return segment_name(source, &wanted);
}

static const char *
reason_text(const BbDirectorySource *source)
{
	return source->message ? source->message
						   : "The next record cannot be read.";
}

static const char *
file_path(const BbDirectorySource *source)
{
	return source->file.content != NULL
		? source->file.content->path
		: segment_name(source, &source->file.segment);
}

BbWalReason
bb_waldirectory_reason(const BbWalSource *base)
{
	const BbDirectorySource *source = (const BbDirectorySource *) base;

	if (source->missing != 0)
		return (BbWalReason){.segment = missing_name(source), .missing = true};
	return (
		BbWalReason){.segment = segment_name(source, &source->file.segment),
					 .text = reason_text(source)};
}

/* ---- is the end worth a message? ---- */

/* Is there WAL on a page of the open file after this one? */
static bool
goes_on_after(const BbDirectorySource *source, XLogRecPtr page)
{
	uint32		size = source->place.start.stream.segment_size;
	uint32		offset = XLogSegmentOffset(page, size) + XLOG_BLCKSZ;

	for (int i = 0; i < LOOK_PAGES && offset < size; i++)
	{
		BbWalPageKind kind;

		bb_reqctx_check(source->ctx);
		kind = bb_walfile_page(source->segments, &source->file, offset);
		if (kind == BB_WAL_PAGE_WAL)
			return true;
		if (kind == BB_WAL_PAGE_NONE)
			return false;
		offset += XLOG_BLCKSZ;
	}
	return false;
}

/*
 * The page is good, so the record is the reason.  Is there one at all?
 *
 * If the header is that of the next record, that record is damaged.  Any other
 * header is left from an older use of the page, unless the page is known to be
 * written to its end.
 */
static bool
record_is_there(const BbDirectorySource *source)
{
	XLogRecPtr	start = bb_walsequence_next(&source->at);
	uint32		size = source->place.start.stream.segment_size;
	uint32		offset = XLogSegmentOffset(start, size);
	XLogRecord	header = {0};
	uint32		length = Min(sizeof(header),
							 XLOG_BLCKSZ - offset % XLOG_BLCKSZ);

	/* a record that continues on another page */
	if (source->page / XLOG_BLCKSZ != start / XLOG_BLCKSZ)
		return true;
	if (bb_walfile_read(&source->file, offset, (char *) &header, length) <
		length)
		return true;
	if (header.xl_tot_len == 0)
		return false;
	/* archived segments are written to their end */
	if (!source->file.segment.partial &&
		!bb_walsegments_is_pg_wal(source->segments))
		return true;
	return length < sizeof(header) || header.xl_prev == source->at.prev ||
		offset / XLOG_BLCKSZ == size / XLOG_BLCKSZ - 1;
}

/* The segment is there.  Is the end of WAL in its file worth a message? */
static bool
is_notable(const BbDirectorySource *source)
{
	uint32		size = source->place.start.stream.segment_size;
	uint32		offset = XLogSegmentOffset(source->page, size);

	if (source->follows == BB_WAL_STALE || source->follows == BB_WAL_FOREIGN)
		return source->follows == BB_WAL_FOREIGN;
	switch (bb_walfile_page(source->segments, &source->file, offset))
	{
		case BB_WAL_PAGE_UNUSED:
			/* an archive has no segments without WAL */
			if (offset == 0 && !source->file.segment.partial &&
				!bb_walsegments_is_pg_wal(source->segments))
				return true;
			break;
		case BB_WAL_PAGE_WAL:
			if (record_is_there(source))
				return true;
			break;
		default:
			return true;
	}
	return goes_on_after(source, source->page);
}

static void
report_file(const BbReqCtx *ctx, BbDirectorySource *source)
{
	/* only partial ones count: a later whole segment would be an error */
	const BbWalSegment
		*later = bb_walsegments_later(ctx, source->segments,
									  source->file.segment.number, true);

	if (later == NULL && !is_notable(source))
		return;
	ereport(NOTICE,
			(errmsg("WAL in %s ends at " BB_LSN_FORMAT ", in \"%s\"",
					source->base.name, LSN_FORMAT_ARGS(source->at.end),
					segment_name(source, &source->file.segment)),
			 later != NULL
			 ? errdetail("%s There is later WAL in \"%s\".",
						 reason_text(source),
						 segment_name(source, later))
			 : errdetail("%s", reason_text(source))));
}

/* ---- a missing segment ---- */

/* Return a sentence about the file that exists instead, or NULL. */
static const char *
find_instead(const BbReqCtx *ctx, const BbDirectorySource *source)
{
	BbWalSegment wanted = wanted_segment(source);
	const char *other = bb_walsegments_similar(ctx, source->segments, &wanted);

	return other
		? psprintf("There is a file \"%s\" instead, which is not read.", other)
		: NULL;
}

/* Returns true if a NOTICE gave the reason. */
static bool
report_missing(const BbReqCtx *ctx, BbDirectorySource *source)
{
	const char *instead = find_instead(ctx, source);
	const BbWalSegment *later;
	BbWalFile	older = {0};

	if (instead != NULL)
		ereport(NOTICE,
				(errmsg("WAL in %s ends at " BB_LSN_FORMAT ", before segment \"%s\"",
						source->base.name, LSN_FORMAT_ARGS(source->at.end),
						missing_name(source)),
				 errdetail("%s", instead),
				 errhint("Decode it to a file with the segment's name, or use restore_command.")));
	else if ((later = bb_walsegments_later(ctx, source->segments,
										   source->missing, true)) != NULL)
		ereport(NOTICE,
				(errmsg("WAL in %s ends at " BB_LSN_FORMAT ", as segment \"%s\" is missing",
						source->base.name, LSN_FORMAT_ARGS(source->at.end),
						missing_name(source)),
				 errdetail("There is later WAL in \"%s\".",
						   segment_name(source, later))));
	else if (bb_walsegments_open(ctx, source->segments, source->missing, 0, 0,
								 &older))
	{
		bb_walfile_close(&older);
		ereport(NOTICE,
				(errmsg("WAL in %s ends at " BB_LSN_FORMAT ", where timeline ID %u begins",
						source->base.name, LSN_FORMAT_ARGS(source->at.end),
						source->at.tli),
				 errdetail("Its segment \"%s\" is missing; the WAL after that in \"%s\" is of a timeline ID that was left.",
						   missing_name(source),
						   segment_name(source, &older.segment))));
	}
	else
		return false;
	return true;
}

/* Report WAL of a tli that no history file leads to. */
static void
report_stranger(const BbReqCtx *ctx, BbDirectorySource *source)
{
	BbWalSegment first;
	BbWalSegment last;
	BbTliHistory *history;
	char		name[MAXFNAMELEN];

	if (source->place.target.kind != BB_WAL_LATEST ||
		!bb_walsegments_beyond(ctx, source->segments, 0,
							   bb_walsequence_next(&source->at) /
								   source->place.start.stream.segment_size,
							   &first, &last))
		return;
	TLHistoryFileName(name, first.tli);
	history = bb_tlipath_history(ctx, &source->place, first.tli);
	if (history != NULL && history->complaint == NULL)
		return; /* of another branch */
	ereport(NOTICE,
			(errmsg("WAL of timeline ID %u in %s is not followed",
					first.tli, source->base.name),
			 history == NULL
			 ? errdetail("There is \"%s\", but no history file \"%s\".",
						 segment_name(source, &first), name)
			 : errdetail("There is \"%s\", but the history file \"%s\" is not valid.",
						 segment_name(source, &first), name)));
}

void
bb_waldirectory_report_end(const BbReqCtx *ctx, BbWalSource *base)
{
	BbDirectorySource *source = (BbDirectorySource *) base;

	source->ctx = ctx;
	if (source->missing != 0)
	{
		if (report_missing(ctx, source))
			return;
	}
	else if (source->file.content != NULL)
		report_file(ctx, source);
	report_stranger(ctx, source);
}

void
bb_waldirectory_report_left(const BbReqCtx *ctx, BbWalSource *base,
							TimeLineID tli, XLogRecPtr lsn)
{
	const BbDirectorySource *source = (const BbDirectorySource *) base;
	uint32		size = source->place.start.stream.segment_size;
	BbWalSegment first;
	BbWalSegment last;

	if (source->place.target.kind != BB_WAL_LATEST ||
		!bb_walsegments_beyond(ctx, source->segments, tli,
							   Max((lsn - 1) / size + 1,
								   bb_walsequence_next(&source->at) / size),
							   &first, &last))
		return;
	ereport(WARNING,
			(errmsg("WAL of timeline ID %u in %s goes on, but is not followed",
					tli, source->base.name),
			 errdetail("It was left at " BB_LSN_FORMAT ". It has WAL up to " BB_LSN_FORMAT ", in \"%s\"; that of timeline ID %u, which is followed, ends at " BB_LSN_FORMAT ".",
					   LSN_FORMAT_ARGS(lsn),
					   LSN_FORMAT_ARGS((last.number + 1) * size),
					   segment_name(source, &last), source->at.tli,
					   LSN_FORMAT_ARGS(source->at.end)),
			 errhint("If the cluster goes on under timeline ID %u, make a branch at " BB_LSN_FORMAT " and ingest into that with tli => 'current'. Otherwise, use tli => '%u'.",
					 tli, LSN_FORMAT_ARGS(lsn), source->at.tli)));
}

/* ---- errors ---- */

static void
raise_missing(const BbReqCtx *ctx, BbDirectorySource *source, XLogRecPtr until)
{
	const char *instead = find_instead(ctx, source);
	const BbWalSegment *later = bb_walsegments_later(ctx, source->segments,
													 source->missing, false);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("WAL segment \"%s\" is missing from %s",
					missing_name(source), source->base.name),
			 later != NULL
			 ? errdetail("All WAL before " BB_LSN_FORMAT " has been ingested; there is later WAL, in \"%s\".",
						 LSN_FORMAT_ARGS(source->at.end),
						 segment_name(source, later))
			 : errdetail("All WAL before " BB_LSN_FORMAT " has been ingested; WAL was asked for up to " BB_LSN_FORMAT ".",
						 LSN_FORMAT_ARGS(source->at.end),
						 LSN_FORMAT_ARGS(until)),
			 instead != NULL
			 ? errhint("%s Decode it to a file with the segment's name, or use restore_command.",
					   instead)
			 : 0));
}

static void
raise_foreign(const BbDirectorySource *source)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at " BB_LSN_FORMAT " does not continue the WAL before it",
					LSN_FORMAT_ARGS(bb_walsequence_next(&source->at))),
			 errdetail("%s It is in \"%s\". All WAL before it has been ingested.",
					   source->message, file_path(source)),
			 errhint("Two servers may have archived into the directory under one timeline ID.")));
}

void
bb_waldirectory_raise(const BbReqCtx *ctx, BbWalSource *base, XLogRecPtr until)
{
	BbDirectorySource *source = (BbDirectorySource *) base;
	const char *name;

	source->ctx = ctx;
	if (source->missing != 0)
		raise_missing(ctx, source, until);

	name = segment_name(source, &source->file.segment);
	if (!source->broken)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL in %s ends at " BB_LSN_FORMAT ", before " BB_LSN_FORMAT,
						source->base.name, LSN_FORMAT_ARGS(source->at.end),
						LSN_FORMAT_ARGS(until)),
				 errdetail("All of it has been ingested. \"%s\": %s", name,
						   reason_text(source))));
	if (source->follows == BB_WAL_FOREIGN)
		raise_foreign(source);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at " BB_LSN_FORMAT " is broken",
					LSN_FORMAT_ARGS(bb_walsequence_next(&source->at))),
			 errdetail("%s The record is in \"%s\". All WAL before it has been ingested.",
					   reason_text(source), file_path(source)),
			 errhint("Replace the file by a good copy, and ingest again.")));
}
