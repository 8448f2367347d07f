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
#include "access/xlogreader.h"
#include "ingest/checkpointrecord.h"
#include "ingest/sourcefile.h"

/* What the page-reading callback goes by. */
typedef struct Place
{
	const BbReqCtx *ctx;
	const char *directory;
	TimeLineID	tli;
	uint32		segment_size;
} Place;

/* (The contract of this callback: access/xlogreader.h.) */
static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buffer)
{
	Place	   *place = reader->private_data;
	char		name[MAXFNAMELEN];
	XLogSegNo	segment;
	uint32		offset;
	BbSourceFile *file;

	XLByteToSeg(page, segment, place->segment_size);
	XLogFileName(name, place->tli, segment, place->segment_size);
	file = bb_sourcefile_open(place->ctx, place->directory, name);
	if (file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from directory \"%s\"",
						name, place->directory),
				 errdetail("The checkpoint record at %X/%X is needed.",
						   LSN_FORMAT_ARGS(record))));
	offset = XLogSegmentOffset(page, place->segment_size);
	if (bb_sourcefile_size(file) < offset + XLOG_BLCKSZ)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL segment \"%s\" in directory \"%s\" is too short",
						name, place->directory),
				 errdetail("It has " UINT64_FORMAT " bytes; the checkpoint record at %X/%X needs more.",
						   bb_sourcefile_size(file),
						   LSN_FORMAT_ARGS(record))));
	bb_sourcefile_seek(file, offset);
	bb_sourcefile_read(place->ctx, file, buffer, XLOG_BLCKSZ);
	bb_sourcefile_close(file);
	reader->seg.ws_tli = place->tli;
	return XLOG_BLCKSZ;
}

BbCheckpointRecord
bb_checkpointrecord_read(const BbReqCtx *ctx, const char *wal_directory,
						 const ControlFileData *control, TimeLineID tli,
						 XLogRecPtr lsn)
{
	Place		place = {ctx, wal_directory, tli, control->xlog_seg_size};
	XLogReaderState *reader;
	BbCheckpointRecord result;
	char	   *message = NULL;
	uint8		info;

	if (!XRecOffIsValid(lsn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there can be no checkpoint record at %X/%X",
						LSN_FORMAT_ARGS(lsn))));

	reader = XLogReaderAllocate(control->xlog_seg_size, NULL,
								XL_ROUTINE(.page_read = read_page), &place);
	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	reader->system_identifier = control->system_identifier;

	XLogBeginRead(reader, lsn);
	if (XLogReadRecord(reader, &message) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not read the checkpoint record at %X/%X in directory \"%s\"",
						LSN_FORMAT_ARGS(lsn), wal_directory),
				 message ? errdetail("%s.", message) : 0));

	info = XLogRecGetInfo(reader) & ~XLR_INFO_MASK;
	if (XLogRecGetRmid(reader) != RM_XLOG_ID ||
		(info != XLOG_CHECKPOINT_SHUTDOWN && info != XLOG_CHECKPOINT_ONLINE) ||
		XLogRecGetDataLen(reader) != sizeof(CheckPoint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record at %X/%X in directory \"%s\" is none of a checkpoint",
						LSN_FORMAT_ARGS(lsn), wal_directory)));
	memcpy(&result.checkpoint, XLogRecGetData(reader), sizeof(CheckPoint));
	result.shutdown = info == XLOG_CHECKPOINT_SHUTDOWN;
	result.end = reader->EndRecPtr;
	XLogReaderFree(reader);
	return result;
}
