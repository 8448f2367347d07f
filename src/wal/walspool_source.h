/*-------------------------------------------------------------------------
 *
 * walspool_source.h
 *	  A source of WAL that reads a spool: the state that its two files share.
 *
 *	  walspool_source.c	records: the tail, the path, what a source does
 *	  walspool_pages.c	pages: the files of segments, and a buffer
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WALSPOOL_SOURCE_H
#define BB_WALSPOOL_SOURCE_H

#include "wal/sequence.h"
#include "wal/walspool.h"
#include "wal/walspool_internal.h"

typedef struct BbSpoolSource
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
} BbSpoolSource;

/* ---- walspool_pages.c ---- */

/* bb_spoolsource_segment - get the name of the segment being read. */
extern void bb_spoolsource_segment(const BbSpoolSource *source, char *name);

/* bb_spoolsource_forget - read the file again from now on, and no kept page. */
extern void bb_spoolsource_forget(BbSpoolSource *source);

/*
 * bb_spoolsource_page - xlogreader's callback page_read; private_data is the
 * source.  If it has no page, the source says why.
 *
 * Errors: QUERY_CANCELED; those of walspool_internal.h.
 */
extern int bb_spoolsource_page(XLogReaderState *reader, XLogRecPtr page,
							   int wanted, XLogRecPtr record, char *buffer);

#endif /* BB_WALSPOOL_SOURCE_H */
