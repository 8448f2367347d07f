/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Page headers of WAL, and a record on them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "wal/page.h"

static inline bool
first_of_segment(const BbWalStream *stream, XLogRecPtr address)
{
	return XLogSegmentOffset(address, stream->segment_size) == 0;
}

static inline uint32
header_size(const BbWalStream *stream, XLogRecPtr address)
{
	return first_of_segment(stream, address) ? SizeOfXLogLongPHD
											 : SizeOfXLogShortPHD;
}

XLogRecPtr
bb_wal_record_start(const BbWalStream *stream, XLogRecPtr lsn)
{
	XLogRecPtr	start = MAXALIGN(lsn);

	if (start % XLOG_BLCKSZ == 0)
		start += header_size(stream, start);
	return start;
}

uint32
bb_wal_bytes_before(const BbWalStream *stream, XLogRecPtr address,
					XLogRecPtr start)
{
	uint32		later_pages = start / XLOG_BLCKSZ - address / XLOG_BLCKSZ;

	return start - address - header_size(stream, address) -
		later_pages * SizeOfXLogShortPHD;
}

uint32
bb_wal_page_header(const BbWalStream *stream, XLogRecPtr address,
				   uint32 rem_len, uint8 *page)
{
	XLogLongPageHeaderData header = {0};
	uint32		size = header_size(stream, address);

	Assert(address % XLOG_BLCKSZ == 0);

	header.std.xlp_magic = stream->magic;
	header.std.xlp_tli = stream->tli;
	header.std.xlp_pageaddr = address;
	header.std.xlp_rem_len = rem_len;
	if (rem_len > 0)
		header.std.xlp_info |= XLP_FIRST_IS_CONTRECORD;
	if (first_of_segment(stream, address))
	{
		header.std.xlp_info |= XLP_LONG_HEADER;
		header.xlp_sysid = stream->system_identifier;
		header.xlp_seg_size = stream->segment_size;
		header.xlp_xlog_blcksz = XLOG_BLCKSZ;
	}

	memcpy(page, &header, size);
	return size;
}

XLogRecPtr
bb_wal_place_record(const BbWalStream *stream, XLogRecPtr start,
					const void *record, uint32 length, uint8 *pages)
{
	XLogRecPtr	page = start - start % XLOG_BLCKSZ;
	uint32		offset = start - page;
	uint32		here = Min(length, XLOG_BLCKSZ - offset);
	uint32		rest = length - here;

	bb_wal_page_header(stream, page, bb_wal_bytes_before(stream, page, start),
					   pages);
	memcpy(pages + offset, record, here);
	if (rest == 0)
		return MAXALIGN(start + length);

	page += XLOG_BLCKSZ;
	pages += XLOG_BLCKSZ;
	offset = bb_wal_page_header(stream, page, rest, pages);
	memcpy(pages + offset, (const uint8 *) record + here, rest);
	return MAXALIGN(page + offset + rest);
}

const uint8 *
bb_wal_record_bytes(const XLogReaderState *reader)
{
	const XLogRecord *header = &reader->record->header;
	uint32		offset = reader->ReadRecPtr % XLOG_BLCKSZ;
	const char *record;

	/* a record on one page was decoded in place, others were reassembled */
	record = offset + header->xl_tot_len <= XLOG_BLCKSZ
		? reader->readBuf + offset
		: reader->readRecordBuf;
	if (memcmp(record, header, SizeOfXLogRecord) != 0)
		elog(ERROR, "could not find the bytes of the WAL record at " BB_LSN_FORMAT,
			 LSN_FORMAT_ARGS(reader->ReadRecPtr));
	return (const uint8 *) record;
}

/* The data first, then the header up to the CRC itself. */
void
bb_wal_record_finish(uint8 *record, uint32 length)
{
	XLogRecord	header;
	pg_crc32c	crc;

	memcpy(&header, record, SizeOfXLogRecord);
	header.xl_tot_len = length;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, record + SizeOfXLogRecord, length - SizeOfXLogRecord);
	COMP_CRC32C(crc, &header, offsetof(XLogRecord, xl_crc));
	FIN_CRC32C(crc);
	header.xl_crc = crc;
	memcpy(record, &header, SizeOfXLogRecord);
}
