/*-------------------------------------------------------------------------
 *
 * checkpointrecord.c
 *	  The checkpoint record that an import begins with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "utils/memutils.h"
#include "wal/checkpointrecord.h"

/* Raise why the record could not be read. */
static void
raise_unreadable(const BbWalSource *source, XLogRecPtr lsn)
{
	BbWalReason reason = bb_walsource_reason(source);

	if (reason.missing)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from %s",
						reason.segment, source->name),
				 errdetail("The checkpoint record at %X/%X is needed.",
						   LSN_FORMAT_ARGS(lsn))));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not read the checkpoint record at %X/%X in %s",
					LSN_FORMAT_ARGS(lsn), source->name),
			 errdetail("\"%s\": %s", reason.segment, reason.text)));
}

BbCheckpointRecord
bb_checkpointrecord_read(const BbReqCtx *ctx, const BbWalOrigin *origin,
						 const BbWalStart *start)
{
	XLogRecPtr	lsn = start->lsn;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup checkpoint record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbWalSource *source;
	XLogReaderState *reader;
	BbCheckpointRecord result;
	uint8		info;

	if (!XRecOffIsValid(lsn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there can be no checkpoint record at %X/%X",
						LSN_FORMAT_ARGS(lsn))));

	source = origin->open(ctx, origin, start);
	if (bb_walsource_next(ctx, source) != BB_WAL_RECORD)
		raise_unreadable(source, lsn);

	reader = source->reader;
	info = XLogRecGetInfo(reader) & ~XLR_INFO_MASK;
	if (XLogRecGetRmid(reader) != RM_XLOG_ID ||
		(info != XLOG_CHECKPOINT_SHUTDOWN && info != XLOG_CHECKPOINT_ONLINE) ||
		XLogRecGetDataLen(reader) != sizeof(CheckPoint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record at %X/%X in %s is not a checkpoint record",
						LSN_FORMAT_ARGS(lsn), source->name)));
	memcpy(&result.checkpoint, XLogRecGetData(reader), sizeof(CheckPoint));
	result.shutdown = info == XLOG_CHECKPOINT_SHUTDOWN;
	result.end = reader->EndRecPtr;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}
