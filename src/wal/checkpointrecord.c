/*-------------------------------------------------------------------------
 *
 * checkpointrecord.c
 *	  The checkpoint record that an import goes by.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "utils/memutils.h"
#include "wal/checkpointrecord.h"
#include "wal/source.h"

/* Why the record couldn't be read. */
static void
complain(const BbWalSource *source, const char *wal_directory, XLogRecPtr lsn)
{
	const char *missing = bb_walsource_missing(source);

	if (missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from directory \"%s\"",
						missing, wal_directory),
				 errdetail("The checkpoint record at %X/%X is needed.",
						   LSN_FORMAT_ARGS(lsn))));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not read the checkpoint record at %X/%X in directory \"%s\"",
					LSN_FORMAT_ARGS(lsn), wal_directory),
			 errdetail("\"%s\": %s", bb_walsource_file(source),
					   bb_walsource_reason(source))));
}

BbCheckpointRecord
bb_checkpointrecord_read(const BbReqCtx *ctx, const BbWalPlace *place)
{
	XLogRecPtr	lsn = place->lsn;
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

	source = bb_walsource_open(ctx, place);
	if (bb_walsource_next(ctx, source) != BB_WAL_RECORD)
		complain(source, place->directory, lsn);

	reader = bb_walsource_reader(source);
	info = XLogRecGetInfo(reader) & ~XLR_INFO_MASK;
	if (XLogRecGetRmid(reader) != RM_XLOG_ID ||
		(info != XLOG_CHECKPOINT_SHUTDOWN && info != XLOG_CHECKPOINT_ONLINE) ||
		XLogRecGetDataLen(reader) != sizeof(CheckPoint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record at %X/%X in directory \"%s\" is none of a checkpoint",
						LSN_FORMAT_ARGS(lsn), place->directory)));
	memcpy(&result.checkpoint, XLogRecGetData(reader), sizeof(CheckPoint));
	result.shutdown = info == XLOG_CHECKPOINT_SHUTDOWN;
	result.end = reader->EndRecPtr;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}
