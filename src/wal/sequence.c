/*-------------------------------------------------------------------------
 *
 * sequence.c
 *	  Where a source of WAL is, and whether a record continues that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "wal/sequence.h"

BbWalSequence
bb_walsequence_new(const BbWalStart *start)
{
	return (BbWalSequence){
		.stream = start->stream,
		.end = start->lsn,
		.prev = start->prev_lsn,
		.tli = start->stream.tli,
		.tli_end = PG_UINT64_MAX,
	};
}

bool
bb_walsequence_set_path(BbWalSequence *sequence, const BbTliPath *path)
{
	const BbTliRange *entry = bb_tlipath_find(path, sequence->tli);

	if (entry == NULL || sequence->end > entry->end)
		return false;
	/* if this is the end of the tli, reading the next record changes it */
	sequence->tli_end = entry->end;
	return true;
}

void
bb_walsequence_set_tli(BbWalSequence *sequence, const BbTliPath *path)
{
	const BbTliRange *entry = bb_tlipath_at(path, sequence->end);

	sequence->tli = entry->tli;
	sequence->tli_end = entry->end;
}

/*
 * Does the record follow the last one?
 *
 * A file that is used again still has WAL of its older use, whose records may
 * look good.  But they were written at least a segment earlier, and the records
 * before them even earlier.
 */
static BbWalFollows
follows(const BbWalSequence *sequence, const XLogReaderState *reader)
{
	XLogRecPtr	prev = XLogRecGetPrev(reader);

	if (prev == sequence->prev || XLogRecPtrIsInvalid(sequence->prev))
		return BB_WAL_FOLLOWS;
	return prev + sequence->stream.segment_size < reader->ReadRecPtr
		? BB_WAL_STALE
		: BB_WAL_FOREIGN;
}

BbWalFollows
bb_walsequence_check(const BbWalSequence *sequence, const BbTliPath *path,
					 const XLogReaderState *reader, const char **message)
{
	BbWalFollows result = follows(sequence, reader);

	if (result != BB_WAL_FOLLOWS)
	{
		*message = psprintf("The record at " BB_LSN_FORMAT
							" follows one at " BB_LSN_FORMAT
							"; the last one before it is at " BB_LSN_FORMAT
							".",
							LSN_FORMAT_ARGS(reader->ReadRecPtr),
							LSN_FORMAT_ARGS(XLogRecGetPrev(reader)),
							LSN_FORMAT_ARGS(sequence->prev));
		return result;
	}
	if (reader->EndRecPtr > sequence->tli_end)
	{
		*message = psprintf(
			"It ends at " BB_LSN_FORMAT
			"; by the timeline history files, timeline ID %u ends at " BB_LSN_FORMAT
			".",
			LSN_FORMAT_ARGS(reader->EndRecPtr), sequence->tli,
			LSN_FORMAT_ARGS(sequence->tli_end));
		return BB_WAL_CROSSES;
	}
	/* (ReadRecord in PostgreSQL's xlogrecovery.c) */
	if (reader->latestPageTLI != sequence->page_tli &&
		!bb_tlipath_has(path, reader->latestPageTLI))
	{
		*message = psprintf("The page at " BB_LSN_FORMAT
							" is of timeline ID %u, which is not expected.",
							LSN_FORMAT_ARGS(reader->latestPagePtr),
							reader->latestPageTLI);
		return BB_WAL_STRAY;
	}
	return BB_WAL_FOLLOWS;
}

void
bb_walsequence_accept(BbWalSequence *sequence, const XLogReaderState *reader)
{
	sequence->begun = true;
	sequence->end = reader->EndRecPtr;
	sequence->prev = reader->ReadRecPtr;
	sequence->page_tli = reader->latestPageTLI;
}
