/*-------------------------------------------------------------------------
 *
 * page.h
 *	  How a record lies on the pages of WAL.
 *
 *	  segment								   segment
 *	  +------+------------+------+------------+------+------------+
 *	  | long |			  | short|		 rec  | long | ord		  |
 *	  +------+------------+------+------------+------+------------+
 *										 ^start			  ^end
 *
 * Every page begins with a header, the first of a segment with a long one.
 * A record begins at a multiple of MAXALIGN, is cut where a page ends, and
 * goes on after the next header, which counts the bytes still to come.
 *
 * (Facts from PostgreSQL's access/xlog_internal.h, and from
 * CopyXLogRecordToWAL and AdvanceXLInsertBuffer in xlog.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_PAGE_H
#define BB_WAL_PAGE_H

#include "access/xlogreader.h"

/* What page headers say apart from their position. */
typedef struct BbWalStream
{
	TimeLineID	tli;
	uint64		system_identifier;
	uint32		segment_size; /* bytes */
	uint16		magic;		  /* needed to write headers only */
} BbWalStream;

/* The record that is wanted next: the one that follows another. */
typedef struct BbWalStart
{
	BbWalStream stream;	  /* stream.tli is the tli at lsn */
	XLogRecPtr	lsn;	  /* the record before it ended here */
	XLogRecPtr	prev_lsn; /* and began here; Invalid: not known */
} BbWalStart;

/* Returns the LSN where the record after the one that ended at lsn begins. */
extern XLogRecPtr bb_wal_record_start(const BbWalStream *stream,
									  XLogRecPtr lsn);

/*
 * bb_wal_page_header - write the header of the page at "address".
 *
 * rem_len is the number of bytes of a record that continue from the page before.
 * Returns the size of the header.
 */
extern uint32 bb_wal_page_header(const BbWalStream *stream, XLogRecPtr address,
								 uint32 rem_len, uint8 *page);

/*
 * bb_wal_bytes_before - return the number of bytes, without page headers,
 * between the page at "address" and "start".
 *
 * REQUIRES: both in one segment, start not before the end of the header.
 */
extern uint32 bb_wal_bytes_before(const BbWalStream *stream,
								  XLogRecPtr address, XLogRecPtr start);

/*
 * bb_wal_place_record - write a record to zeroed pages, with their headers.
 *
 * The first header says that the bytes before "start" belong to a record
 * that began earlier.
 *
 * "pages" begins with the page that has "start".  Returns the aligned end of the
 * record.
 *
 * REQUIRES: start from bb_wal_record_start; length at most XLOG_BLCKSZ / 2,
 * so that two pages hold it.
 */
extern XLogRecPtr bb_wal_place_record(const BbWalStream *stream,
									  XLogRecPtr start, const void *record,
									  uint32 length, uint8 *pages);

/*
 * bb_wal_record_bytes - return the record just read as it is in WAL, without
 * page headers.  It has XLogRecGetTotalLen() bytes.
 */
extern const uint8 *bb_wal_record_bytes(const XLogReaderState *reader);

/*
 * bb_wal_record_finish - set the length and the CRC of a record that is complete
 * otherwise.
 */
extern void bb_wal_record_finish(uint8 *record, uint32 length);

#endif /* BB_WAL_PAGE_H */
