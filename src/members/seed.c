/*-------------------------------------------------------------------------
 *
 * seed.c
 *	  The control file, checkpoint record and history file of a backup.
 *
 * Everything here is a function of what the page store holds at the LSN, so
 * that the same backup has the same bytes: no clock, nothing random.
 *
 * (Facts from PostgreSQL's CreateCheckPoint and StartupXLOG in xlog.c,
 * InitWalRecovery in xlogrecovery.c, XLogRecordAssemble in xloginsert.c, and
 * writeTimeLineHistory in timeline.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogrecord.h"
#include "base/clusterfile.h"
#include "members/seed.h"

/* The record: header, short data header, checkpoint. */
#define DATA_HEADER_SIZE SizeOfXLogRecordDataHeaderShort
#define RECORD_SIZE (SizeOfXLogRecord + DATA_HEADER_SIZE + sizeof(CheckPoint))

/* What the history file gives as the reason for the new tli. */
#define HISTORY_REASON "base backup made by bbackup"

/*
 * Read the stored control file, and check it: a server would report what is
 * wrong only after the backup was restored.
 */
static void
read_control(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			 ControlFileData *control)
{
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbValue		value;
	const char *complaint;

	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	complaint = bb_control_error(value.data, value.length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of timeline \"%s\" at %X/%X is invalid",
						info->timeline, LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("%s", complaint)));
	memcpy(control, value.data, sizeof(*control));

	if (control->system_identifier != info->system_identifier ||
		control->xlog_seg_size != info->wal_segment_size ||
		control->data_checksum_version != info->data_checksum_version)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of timeline \"%s\" at %X/%X contradicts the manifest",
						info->timeline, LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("The control file has system identifier " UINT64_FORMAT
						   ", WAL segment size %u and data checksums of version %u; the manifest has "
						   UINT64_FORMAT ", %u and %u.",
						   control->system_identifier, control->xlog_seg_size,
						   control->data_checksum_version,
						   info->system_identifier, info->wal_segment_size,
						   info->data_checksum_version)));
}

/* The record's bytes, with CRC, from RECORD_SIZE zeros. */
static void
make_record(const CheckPoint *checkpoint, XLogRecPtr prev_lsn, uint8 *record)
{
	XLogRecord	header = {0};
	uint8	   *data_header = record + SizeOfXLogRecord;
	pg_crc32c	crc;

	StaticAssertStmt(sizeof(CheckPoint) < 256,
					 "a checkpoint fits under a short data header");

	data_header[0] = XLR_BLOCK_ID_DATA_SHORT;
	data_header[1] = sizeof(CheckPoint);
	memcpy(data_header + DATA_HEADER_SIZE, checkpoint, sizeof(CheckPoint));

	header.xl_tot_len = RECORD_SIZE;
	header.xl_xid = InvalidTransactionId;
	header.xl_prev = prev_lsn;
	header.xl_info = XLOG_CHECKPOINT_SHUTDOWN;
	header.xl_rmid = RM_XLOG_ID;

	/* the data first, then the header up to the CRC itself */
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data_header, RECORD_SIZE - SizeOfXLogRecord);
	COMP_CRC32C(crc, &header, offsetof(XLogRecord, xl_crc));
	FIN_CRC32C(crc);
	header.xl_crc = crc;

	memcpy(record, &header, SizeOfXLogRecord);
}

/* The parent's lines, and one that says where the clone parts from it. */
static char *
make_history(const char *parent_history, TimeLineID parent_tli,
			 XLogRecPtr switchpoint)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (parent_history != NULL)
	{
		appendStringInfoString(&buf, parent_history);
		if (buf.len > 0 && buf.data[buf.len - 1] != '\n')
			appendStringInfoChar(&buf, '\n');
	}
	appendStringInfo(&buf, "%u\t%X/%X\t%s\n", parent_tli,
					 LSN_FORMAT_ARGS(switchpoint), HISTORY_REASON);
	return buf.data;
}

/* Say in the control file that the server shut down with this checkpoint. */
static void
finish_control(ControlFileData *control, const CheckPoint *checkpoint,
			   XLogRecPtr record_start)
{
	control->state = DB_SHUTDOWNED;
	control->checkPoint = record_start;
	control->checkPointCopy = *checkpoint;
	control->minRecoveryPoint = InvalidXLogRecPtr;
	control->minRecoveryPointTLI = 0;
	control->backupStartPoint = InvalidXLogRecPtr;
	control->backupEndPoint = InvalidXLogRecPtr;
	control->backupEndRequired = false;

	control->crc = bb_control_crc(control);
}

BbSeed *
bb_seed_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			XLogRecPtr prev_lsn, TimeLineID tli, const char *parent_history)
{
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	BbSeed	   *seed = palloc0(sizeof(BbSeed));
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value;
	const char *complaint;
	CheckPoint	checkpoint;
	uint8		record[RECORD_SIZE] = {0};

	read_control(ctx, snapshot, &seed->control);
	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	complaint = bb_checkpoint_error(value.data, value.length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("checkpoint of timeline \"%s\" at %X/%X is invalid",
						info->timeline, LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("%s", complaint)));
	memcpy(&checkpoint, value.data, sizeof(checkpoint));

	seed->wal.tli = tli;
	seed->wal.system_identifier = info->system_identifier;
	seed->wal.segment_size = info->wal_segment_size;
	seed->record_start = bb_wal_record_start(&seed->wal, snapshot->lsn);

	/* a shutdown checkpoint is its own redo point */
	checkpoint.redo = seed->record_start;
	checkpoint.ThisTimeLineID = seed->wal.tli;
	checkpoint.PrevTimeLineID = snapshot->tli;
	checkpoint.oldestActiveXid = InvalidTransactionId;

	make_record(&checkpoint, prev_lsn, record);
	seed->record_end = bb_wal_place_record(&seed->wal, seed->record_start,
										   record, RECORD_SIZE, seed->pages);
	seed->record_page = seed->record_start - seed->record_start % XLOG_BLCKSZ;
	seed->record_pages = (seed->record_end - 1 - seed->record_page) /
			XLOG_BLCKSZ +
		1;

	XLByteToSeg(seed->record_start, seed->first_segment,
				seed->wal.segment_size);
	XLByteToPrevSeg(seed->record_end, seed->last_segment,
					seed->wal.segment_size);

	finish_control(&seed->control, &checkpoint, seed->record_start);
	seed->history = make_history(parent_history, snapshot->tli, snapshot->lsn);
	return seed;
}

void
bb_seed_wal_page(const BbSeed *seed, XLogSegNo segment, uint32 offset,
				 uint8 *page)
{
	XLogRecPtr	address;

	Assert(segment >= seed->first_segment && segment <= seed->last_segment);
	Assert(offset % XLOG_BLCKSZ == 0);

	XLogSegNoOffsetToRecPtr(segment, offset, seed->wal.segment_size, address);
	if (address >= seed->record_page &&
		address < seed->record_page + seed->record_pages * XLOG_BLCKSZ)
	{
		memcpy(page, seed->pages + (address - seed->record_page), XLOG_BLCKSZ);
		return;
	}

	memset(page, 0, XLOG_BLCKSZ);
	if (address < seed->record_page)
		bb_wal_page_header(&seed->wal, address,
						   bb_wal_bytes_before(&seed->wal, address,
											   seed->record_start),
						   page);
}
