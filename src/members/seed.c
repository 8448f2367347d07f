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
#include "base/compat.h"
#include "members/seed.h"

/* The record: header, short data header, checkpoint. */
#define DATA_HEADER_SIZE SizeOfXLogRecordDataHeaderShort
#define RECORD_SIZE(major) \
	(SizeOfXLogRecord + DATA_HEADER_SIZE + (major)->checkpoint_size)
#define CHECKPOINT_SIZE_MAX PG_UINT8_MAX /* under a short data header */
#define RECORD_SIZE_MAX \
	(SizeOfXLogRecord + DATA_HEADER_SIZE + CHECKPOINT_SIZE_MAX)

/* What the history file gives as the reason for the new tli. */
#define HISTORY_REASON "base backup made by bbackup"

/*
 * Read the stored control file, and check it: a server would report what is
 * wrong only after the backup was restored.
 */
static void
read_control(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			 BbControl *control)
{
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	const BbMajor *major = bb_pagestore_major(snapshot->store);
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbValue		value;
	const char *complaint;

	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	complaint = bb_control_error(major, value.data, value.length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of timeline \"%s\" at " BB_LSN_FORMAT " is invalid",
						info->timeline, LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("%s", complaint)));
	bb_control_read(major, value.data, control);

	if (control->system_identifier != info->system_identifier ||
		control->wal_segment_size != info->wal_segment_size ||
		control->checksum_version != info->data_checksum_version)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of timeline \"%s\" at " BB_LSN_FORMAT " contradicts the manifest",
						info->timeline, LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("The control file has system identifier " UINT64_FORMAT
						   ", WAL segment size %u and data checksums of version %u; the manifest has "
						   UINT64_FORMAT ", %u and %u.",
						   control->system_identifier, control->wal_segment_size,
						   control->checksum_version,
						   info->system_identifier, info->wal_segment_size,
						   info->data_checksum_version)));
}

/* The record's bytes, with CRC, from zeros. */
static void
make_record(const BbMajor *major, const void *checkpoint, XLogRecPtr prev_lsn,
			uint8 *record)
{
	XLogRecord	header = {0};
	uint8	   *data_header = record + SizeOfXLogRecord;

	Assert(major->checkpoint_size <= CHECKPOINT_SIZE_MAX);

	data_header[0] = XLR_BLOCK_ID_DATA_SHORT;
	data_header[1] = major->checkpoint_size;
	memcpy(data_header + DATA_HEADER_SIZE, checkpoint, major->checkpoint_size);

	header.xl_xid = InvalidTransactionId;
	header.xl_prev = prev_lsn;
	header.xl_info = XLOG_CHECKPOINT_SHUTDOWN;
	header.xl_rmid = RM_XLOG_ID;

	memcpy(record, &header, SizeOfXLogRecord);
	bb_wal_record_finish(record, RECORD_SIZE(major));
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
	appendStringInfo(&buf, "%u\t" BB_FILE_LSN_FORMAT "\t%s\n", parent_tli,
					 LSN_FORMAT_ARGS(switchpoint), HISTORY_REASON);
	return buf.data;
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
	const BbMajor *major = bb_pagestore_major(snapshot->store);
	uint8		checkpoint[CHECKPOINT_SIZE_MAX];
	uint8		record[RECORD_SIZE_MAX] = {0};

	read_control(ctx, snapshot, &seed->control);
	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	complaint = bb_checkpoint_error(major, value.data, value.length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("checkpoint of timeline \"%s\" at " BB_LSN_FORMAT " is invalid",
						info->timeline, LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("%s", complaint)));
	memcpy(checkpoint, value.data, major->checkpoint_size);

	seed->wal.tli = tli;
	seed->wal.system_identifier = info->system_identifier;
	seed->wal.segment_size = info->wal_segment_size;
	seed->wal.magic = major->wal_magic;
	seed->record_start = bb_wal_record_start(&seed->wal, snapshot->lsn);

	bb_checkpoint_shut_down(major, checkpoint, seed->record_start,
							seed->wal.tli, snapshot->tli);
	make_record(major, checkpoint, prev_lsn, record);
	seed->record_end = bb_wal_place_record(&seed->wal, seed->record_start,
										   record, RECORD_SIZE(major),
										   seed->pages);
	seed->record_page = seed->record_start - seed->record_start % XLOG_BLCKSZ;
	seed->record_pages = (seed->record_end - 1 - seed->record_page) /
			XLOG_BLCKSZ +
		1;

	XLByteToSeg(seed->record_start, seed->first_segment,
				seed->wal.segment_size);
	XLByteToPrevSeg(seed->record_end, seed->last_segment,
					seed->wal.segment_size);

	bb_control_shut_down(&seed->control, checkpoint, seed->record_start);
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
