/*-------------------------------------------------------------------------
 *
 * source.c
 *	  A source of WAL: what is the same in all drivers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "wal/source.h"

const uint8 *
bb_walsource_record(const BbWalSource *source, uint32 *length)
{
	const XLogReaderState *reader = source->reader;
	const XLogRecord *header = &reader->record->header;
	uint32		offset = reader->ReadRecPtr % XLOG_BLCKSZ;
	const char *record;

	/* a record on one page was decoded in place, others were reassembled */
	record = offset + header->xl_tot_len <= XLOG_BLCKSZ
		? reader->readBuf + offset
		: reader->readRecordBuf;
	if (memcmp(record, header, SizeOfXLogRecord) != 0)
		elog(ERROR, "could not find the bytes of the WAL record at %X/%X",
			 LSN_FORMAT_ARGS(reader->ReadRecPtr));
	*length = header->xl_tot_len;
	return (const uint8 *) record;
}

void
bb_walsource_wait(const BbReqCtx *ctx, BbWalSource *source, long timeout_ms)
{
	bb_reqctx_check(ctx);
	if (source->ops->wait == NULL)
		elog(ERROR, "WAL source %s cannot wait", source->name);
	source->ops->wait(ctx, source, timeout_ms);
}

void
bb_walsource_committed(const BbReqCtx *ctx, BbWalSource *source,
					   XLogRecPtr lsn)
{
	if (source->ops->committed != NULL)
		source->ops->committed(ctx, source, lsn);
}

void
bb_walsource_raise(const BbReqCtx *ctx, BbWalSource *source, XLogRecPtr until)
{
	source->ops->raise(ctx, source, until);
	pg_unreachable();
}

void
bb_walsource_need_any(const BbReqCtx *ctx, const BbWalSource *source)
{
	if (source->ops->need_any != NULL)
		source->ops->need_any(ctx, source);
}

void
bb_walsource_report_end(const BbReqCtx *ctx, BbWalSource *source)
{
	if (source->ops->report_end != NULL)
		source->ops->report_end(ctx, source);
}

void
bb_walsource_report_left(const BbReqCtx *ctx, BbWalSource *source,
						 TimeLineID tli, XLogRecPtr lsn)
{
	if (source->ops->report_left != NULL)
		source->ops->report_left(ctx, source, tli, lsn);
}
