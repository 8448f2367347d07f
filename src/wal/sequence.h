/*-------------------------------------------------------------------------
 *
 * sequence.h
 *	  Where a source of WAL is, and whether the record that it read next
 *	  continues what it read before.
 *
 *	  ... ─ record ─┤├─ record ─┤├─ record ...
 *		  prev		end^		 ^ its xl_prev must be prev, its pages of
 *								   tlis on the path, its end not after tli_end
 *
 * xlogreader checks the bytes of a record, these functions its place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_SEQUENCE_H
#define BB_WAL_SEQUENCE_H

#include "wal/tlipath.h"

/* Drivers that read files read pieces of this size. */
#define BB_WAL_READ_BYTES (16 * XLOG_BLCKSZ)

typedef struct BbWalSequence
{
	BbWalStream stream;

	/* the last record that was accepted, at first the one before the start */
	XLogRecPtr	end;
	XLogRecPtr	prev; /* where it began; Invalid: not known */
	bool		begun;
	/* the tli of the next record, and where that tli is left */
	TimeLineID	tli;
	XLogRecPtr	tli_end;
	TimeLineID	page_tli; /* of the last page, which is known to be right */
} BbWalSequence;

/* Does a record continue a sequence? */
typedef enum BbWalFollows
{
	BB_WAL_FOLLOWS,
	BB_WAL_STALE,	/* it is of an older use of the file */
	BB_WAL_FOREIGN, /* it was written after other WAL */
	BB_WAL_CROSSES, /* it ends after the end of its tli */
	BB_WAL_STRAY	/* its page is of a tli that isn't on the path */
} BbWalFollows;

/* The sequence that begins with the record after "start". */
extern BbWalSequence bb_walsequence_new(const BbWalStart *start);

/*
 * bb_walsequence_set_path - the next record is of the same tli as the last one,
 * unless the path leaves that tli here.
 *
 * Returns false if that tli isn't on the path, or left before the last record's
 * end.
 */
extern bool bb_walsequence_set_path(BbWalSequence *sequence,
									const BbTliPath *path);

/* Returns where the next record begins. */
static inline XLogRecPtr
bb_walsequence_next(const BbWalSequence *sequence)
{
	return bb_wal_record_start(&sequence->stream, sequence->end);
}

/* Set the tli of the next record: the one at "end" on the path. */
extern void bb_walsequence_set_tli(BbWalSequence *sequence,
								   const BbTliPath *path);

/*
 * bb_walsequence_check - does the record just read continue the sequence?
 *
 * If it doesn't, *message is set to a sentence, allocated in
 * CurrentMemoryContext.
 */
extern BbWalFollows bb_walsequence_check(const BbWalSequence *sequence,
										 const BbTliPath *path,
										 const XLogReaderState *reader,
										 const char **message);

/* bb_walsequence_accept - the record just read is the last one from now on. */
extern void bb_walsequence_accept(BbWalSequence *sequence,
								  const XLogReaderState *reader);

#endif /* BB_WAL_SEQUENCE_H */
