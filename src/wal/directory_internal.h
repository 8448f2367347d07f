/*-------------------------------------------------------------------------
 *
 * directory_internal.h
 *	  A directory of WAL as its own files see it: directory_source.c reads,
 *	  directory_end.c has the messages about the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DIRECTORY_INTERNAL_H
#define BB_DIRECTORY_INTERNAL_H

#include "wal/directory_source.h"
#include "wal/segments.h"
#include "wal/sequence.h"

typedef struct BbDirectorySource
{
	BbWalSource base;
	const BbReqCtx *ctx; /* of the call being served; for the callback */
	MemoryContext context;
	BbWalPlace	place;
	BbWalSegments *segments;

	BbWalSequence at;

	/* the segment being read */
	BbWalFile	file;
	int			skip; /* better files that were skipped */
	char	   *buffer;
	uint32		buffer_offset; /* in the segment */
	uint32		buffer_length;

	/* why there was no record */
	bool		broken;
	XLogSegNo	missing;	/* a segment; 0: none is missing */
	const char *message;	/* a sentence, or NULL */
	XLogRecPtr	page;		/* the last page that was requested */
	BbWalFollows follows;	/* of a record that is good otherwise */
	XLogRecPtr	other_prev; /* and where the one before it began */
} BbDirectorySource;

/* Operations of the source; see source.h. */
extern BbWalReason bb_waldirectory_reason(const BbWalSource *base);
extern void bb_waldirectory_report_end(const BbReqCtx *ctx, BbWalSource *base);
extern void bb_waldirectory_report_left(const BbReqCtx *ctx, BbWalSource *base,
										TimeLineID tli, XLogRecPtr lsn);
extern void bb_waldirectory_raise(const BbReqCtx *ctx, BbWalSource *base,
								  XLogRecPtr until);

#endif /* BB_DIRECTORY_INTERNAL_H */
