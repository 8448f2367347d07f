/*-------------------------------------------------------------------------
 *
 * test_seed.c
 *	  The control file, WAL and history file of a clone, and its tli.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "base/compat.h"
#include "base/crc.h"
#include "cluster.h"
#include "members/filelist.h"
#include "wal/compat.h"

static int
read_seed_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
			   XLogRecPtr record, char *buffer)
{
	const BbSeed *seed = reader->private_data;
	XLogSegNo	segment = page / seed->wal.segment_size;

	if (segment < seed->first_segment || segment > seed->last_segment)
		return -1;
	bb_seed_wal_page(seed, segment, page % seed->wal.segment_size,
					 (uint8 *) buffer);
	reader->seg.ws_tli = seed->wal.tli;
	return XLOG_BLCKSZ;
}

/* Check that the server's reader finds the record, and nothing after it. */
static void
check_seed(const BbReqCtx *ctx, XLogRecPtr lsn)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;
	BbSeed	   *seed;
	XLogReaderState *reader;
	XLogRecord *record;
	CheckPoint	checkpoint;
	ControlFileData control;
	char	   *message = NULL;

	store = empty_cluster(&info);
	seed = bb_seed_new(ctx, unit_snapshot(store, lsn), lsn - 8, 2, NULL);

	reader = XLogReaderAllocate(SEGMENT_SIZE, NULL,
								XL_ROUTINE(.page_read = read_seed_page), seed);
	reader->system_identifier = SYSTEM_ID;
	/* a reader that starts at the start of the segment finds it, too */
	CHECK(bb_walcompat_find_next(reader, seed->first_segment * SEGMENT_SIZE) ==
		  seed->record_start);
	memcpy(&control, seed->control.bytes, sizeof(control));
	XLogBeginRead(reader, control.checkPoint);
	record = XLogReadRecord(reader, &message);
	if (record == NULL)
		elog(ERROR, "no record at " BB_LSN_FORMAT ": %s", LSN_FORMAT_ARGS(lsn),
			 message ? message : "no page");
	CHECK(record->xl_rmid == RM_XLOG_ID);
	CHECK(record->xl_info == XLOG_CHECKPOINT_SHUTDOWN);
	CHECK(record->xl_prev == lsn - 8);
	CHECK(reader->ReadRecPtr == seed->record_start);
	CHECK(reader->EndRecPtr == seed->record_end);
	CHECK(XLogRecGetDataLen(reader) == sizeof(checkpoint));
	memcpy(&checkpoint, XLogRecGetData(reader), sizeof(checkpoint));
	CHECK(checkpoint.redo == seed->record_start);
	CHECK(checkpoint.ThisTimeLineID == 2);
	CHECK(memcmp(&checkpoint, &control.checkPointCopy, sizeof(checkpoint)) ==
		  0);
	CHECK(XLogReadRecord(reader, &message) == NULL);
	XLogReaderFree(reader);

	CHECK(seed->control.state == control.state);
	CHECK(control.state == DB_SHUTDOWNED);
	CHECK(control.minRecoveryPoint == 0);
	CHECK(control.backupStartPoint == 0);
	CHECK(!control.backupEndRequired);
	CHECK(bb_crc32c_of(&control, offsetof(ControlFileData, crc)) ==
		  control.crc);
	pfree(seed);
}

UNIT_TEST(seed_at_every_place)
{
	XLogRecPtr	base = 100 * SEGMENT_SIZE;

	/* in the first page of a segment, across ends of pages and of the segment */
	for (XLogRecPtr at = SizeOfXLogLongPHD; at <= 2 * XLOG_BLCKSZ; at += 8)
		if (at % XLOG_BLCKSZ == 0 || at % XLOG_BLCKSZ >= SizeOfXLogShortPHD)
			check_seed(ctx, base + at);
	for (XLogRecPtr at = SEGMENT_SIZE - 400; at <= SEGMENT_SIZE; at += 8)
		check_seed(ctx, base + at);
	/* not aligned, as the end of a record may be */
	check_seed(ctx, base + 5001);
}

/*
 * A backup in the midst of the history starts at the end of a record, on the
 * tli that was current there.  The clone's tli is none that the source has
 * later.
 */
UNIT_TEST(seed_before_the_end)
{
	BbTliSwitch switches[] = {{2, PAGE + 2000}};
	BbPageStoreInfo info = cluster_info();
	BbBackupOptions options = options_of(true);
	BbPageStore *store;
	BbBackupPlan *plan;
	const BbSeed *seed;
	XLogRecord	header;

	info.start_lsn = PAGE - 96;
	info.tli = 5;
	info.nswitches = 1;
	info.switches = switches;
	store = cluster_with_records(&info);
	plan = plan_of(ctx, store, PAGE + 2500, &options);
	seed = plan->seed;
	CHECK(seed->record_start == PAGE + 2000 && seed->wal.tli == 6);
	CHECK(strcmp(seed->history,
				 psprintf("2\t" BB_LSN_FORMAT "\tbase backup made by "
						  "bbackup\n",
						  LSN_FORMAT_ARGS(PAGE + 2000))) == 0);
	memcpy(&header, seed->pages + seed->record_start % XLOG_BLCKSZ,
		   SizeOfXLogRecord);
	CHECK(header.xl_prev == PAGE + 1000);
	CHECK(plan->mtime == 1700000000);

	plan = plan_of(ctx, store, PAGE + 8000, &options);
	CHECK(plan->seed->wal.tli == 6);
}

UNIT_TEST(seed_tli)
{
	BbPageStoreInfo info = cluster_info();
	BbSeed	   *seed;

	info.tli = 4;
	seed = bb_seed_new(ctx, unit_snapshot(empty_cluster(&info), LSN), PREV, 5,
					   "1\t0/100\tno reason\n\n2\t0/200\tx");
	CHECK(seed->wal.tli == 5);
	CHECK(strcmp(seed->history,
				 "1\t0/100\tno reason\n\n2\t0/200\tx\n"
				 "4\t0/12345678\tbase backup made by bbackup\n") == 0);

	seed = bb_seed_new(ctx, unit_snapshot(empty_cluster(&info), LSN), PREV, 9,
					   NULL);
	CHECK(seed->wal.tli == 9);
	CHECK(strcmp(seed->history,
				 "4\t0/12345678\tbase backup made by bbackup\n") == 0);
}

UNIT_TEST(tlis)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	static const TimeLineID refused[] = {1, 1, 7, 12, 3};
	List	   *known;

	/* the store's, and those in the name and the lines of a history file */
	fixture_put_file(store, 0, "pg_wal/0000000C.history",
					 "1\t0/100\tx\n\nno line\n7\t0/200\tx\n");
	known = bb_clonetli_known(ctx, store,
							  bb_smallfiles_new(ctx,
												unit_snapshot(store, LSN)));
	CHECK(list_length(known) == 3);
	CHECK(list_member_oid(known, 1) && list_member_oid(known, 7) &&
		  list_member_oid(known, 12));

	CHECK(bb_clonetli_choose(known, 1, 0) == 13);
	CHECK(bb_clonetli_choose(NIL, 1, 0) == 2);
	CHECK(bb_clonetli_choose(known, 1, 2) == 2);
	CHECK(bb_clonetli_choose(known, 1, 99) == 99);
	/* known, the source's, or below it */
	for (int i = 0; i < lengthof(refused); i++)
		CHECK_ERROR(bb_clonetli_choose(i == 0 ? NIL : known, i == 4 ? 7 : 1,
									   refused[i]),
					ERRCODE_INVALID_PARAMETER_VALUE);
	known = list_make1_oid(PG_UINT32_MAX);
	CHECK(bb_clonetli_choose(known, 1, 2) == 2);
	CHECK_ERROR(bb_clonetli_choose(known, 1, 0),
				ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}
