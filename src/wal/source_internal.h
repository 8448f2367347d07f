/*-------------------------------------------------------------------------
 *
 * source_internal.h
 *	  A WAL source as its own files see it: source.c reads, directory_end.c has
 *	  the messages about the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_SOURCE_INTERNAL_H
#define BB_WAL_SOURCE_INTERNAL_H

#include "wal/segments.h"
#include "wal/source.h"

/* Does a record follow the one before it? */
typedef enum BbWalFollows
{
	BB_WAL_FOLLOWS,
	BB_WAL_STALE,  /* it is of an older use of the file */
	BB_WAL_FOREIGN /* it was written after other WAL */
} BbWalFollows;

struct BbWalSource
{
	const BbReqCtx *ctx; /* of the call being served; for the callback */
	MemoryContext context;
	BbWalPlace	place;
	BbTliPath  *path;
	BbWalSegments *segments;
	XLogReaderState *reader;

	/* the last good record, at first the one before the place */
	XLogRecPtr	end;
	XLogRecPtr	prev; /* where it began; Invalid: not known */
	bool		begun;
	/* the tli that the next record is of, and where that is left */
	TimeLineID	tli;
	XLogRecPtr	tli_end;
	TimeLineID	page_tli; /* of the last page, which is known to be right */

	/* the segment being read */
	BbWalFile	file;
	int			skip; /* files that were passed over */
	char	   *buffer;
	uint32		buffer_offset; /* in the segment */
	uint32		buffer_length;

	/* why there was no record */
	bool		broken;
	XLogSegNo	missing;	/* a segment; 0: it wasn't that */
	const char *message;	/* a sentence; NULL: there is none */
	XLogRecPtr	page;		/* the last page that was asked for */
	BbWalFollows follows;	/* a record that is good but for that */
	XLogRecPtr	other_prev; /* and where the one before it began */
};

/* Where the next record begins. */
static inline XLogRecPtr
bb_walsource_start(const BbWalSource *source)
{
	return bb_wal_record_start(&source->place.stream, source->end);
}

#endif /* BB_WAL_SOURCE_INTERNAL_H */
