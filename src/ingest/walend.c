/*-------------------------------------------------------------------------
 *
 * walend.c
 *	  Where the WAL of a cleanly shut-down cluster ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "ingest/sourcefile.h"
#include "ingest/walend.h"

/* What the page-reading callback goes by. */
typedef struct WalEnd
{
	const BbReqCtx *ctx;
	const BbDataDir *dir;
	TimeLineID	tli;
	uint32		segment_size;
} WalEnd;

/* (The contract of this callback: access/xlogreader.h.) */
static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buffer)
{
	WalEnd	   *walend = reader->private_data;
	char		name[MAXFNAMELEN];
	char		path[MAXPGPATH];
	XLogSegNo	segment;
	BbSourceFile *file;

	XLByteToSeg(page, segment, walend->segment_size);
	XLogFileName(name, walend->tli, segment, walend->segment_size);
	snprintf(path, sizeof(path), XLOGDIR "/%s", name);
	file = bb_sourcefile_open(walend->ctx, walend->dir->path, path);
	if (file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from data directory \"%s\"",
						name, walend->dir->path),
				 errdetail("The record at %X/%X is needed.",
						   LSN_FORMAT_ARGS(record))));
	bb_sourcefile_seek(file, XLogSegmentOffset(page, walend->segment_size));
	bb_sourcefile_read(walend->ctx, file, buffer, XLOG_BLCKSZ);
	bb_sourcefile_close(file);
	reader->seg.ws_tli = walend->tli;
	return XLOG_BLCKSZ;
}

XLogRecPtr
bb_walend_find(const BbReqCtx *ctx, const BbDataDir *dir)
{
	const ControlFileData *control = &dir->control;
	WalEnd		walend;
	XLogReaderState *reader;
	XLogRecord *record;
	char	   *message = NULL;
	XLogRecPtr	end;

	walend.ctx = ctx;
	walend.dir = dir;
	walend.tli = control->checkPointCopy.ThisTimeLineID;
	walend.segment_size = control->xlog_seg_size;

	if (!XRecOffIsValid(control->checkPoint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of data directory \"%s\" has an invalid checkpoint location",
						dir->path),
				 errdetail("It says %X/%X.",
						   LSN_FORMAT_ARGS(control->checkPoint))));

	reader = XLogReaderAllocate(control->xlog_seg_size, NULL,
								XL_ROUTINE(.page_read = read_page), &walend);
	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	reader->system_identifier = control->system_identifier;

	XLogBeginRead(reader, control->checkPoint);
	record = XLogReadRecord(reader, &message);
	if (record == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not read the checkpoint record at %X/%X of data directory \"%s\"",
						LSN_FORMAT_ARGS(control->checkPoint), dir->path),
				 message ? errdetail("%s.", message) : 0));
	if (XLogRecGetRmid(reader) != RM_XLOG_ID ||
		(XLogRecGetInfo(reader) & ~XLR_INFO_MASK) !=
		XLOG_CHECKPOINT_SHUTDOWN ||
		XLogRecGetDataLen(reader) != sizeof(CheckPoint) ||
		memcmp(XLogRecGetData(reader), &control->checkPointCopy,
			   sizeof(CheckPoint)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record at %X/%X of data directory \"%s\" is not the checkpoint that its control file describes",
						LSN_FORMAT_ARGS(control->checkPoint), dir->path)));
	end = reader->EndRecPtr;
	XLogReaderFree(reader);
	return end;
}
