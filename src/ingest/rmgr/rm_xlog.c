/*-------------------------------------------------------------------------
 *
 * rm_xlog.c
 *	  Records of WAL itself: checkpoints, counters, parameters, page images.
 *
 * (xlog_redo in PostgreSQL's xlog.c, xlogrecovery_redo and ApplyWalRecord in
 * xlogrecovery.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/compat.h"
#include "base/events.h"
#include "ingest/recordcheck.h"
#include "ingest/rmgr/blockrefs.h"
#include "ingest/tliswitch.h"

/* Check that a byte of the data is a boolean. */
static void
check_boolean(BbIngest *ingest, size_t offset, const char *name)
{
	uint8		byte = (uint8) bb_ingest_data(ingest, offset + 1)[offset];

	if (byte > 1)
		bb_ingest_refuse(ingest, "%s is %u instead of true or false.", name,
						 byte);
}

/*
 * Check the counters with which a server starts (StartupXLOG in xlog.c).
 *
 * The next multixact may be 0: after the last one, the counter has not wrapped
 * around to the first one yet (GetNewMultiXactId in multixact.c).
 */
static void
check_counters(BbIngest *ingest, const CheckPoint *checkpoint)
{
	if (!TransactionIdIsNormal(
			XidFromFullTransactionId(checkpoint->nextXid)) ||
		!TransactionIdIsNormal(checkpoint->oldestXid) ||
		!MultiXactIdIsValid(checkpoint->oldestMulti))
		bb_ingest_refuse(
			ingest,
			"There cannot be a next transaction %u, oldest %u, next multixact %u, oldest %u.",
			XidFromFullTransactionId(checkpoint->nextXid),
			checkpoint->oldestXid, checkpoint->nextMulti,
			checkpoint->oldestMulti);
}

static void
checkpoint(BbIngest *ingest, bool shutdown)
{
	CheckPoint	checkpoint;

	check_boolean(ingest, offsetof(CheckPoint, fullPageWrites),
				  "full_page_writes");
	memcpy(&checkpoint, bb_ingest_data(ingest, sizeof(checkpoint)),
		   sizeof(checkpoint));
	check_counters(ingest, &checkpoint);
	if (shutdown)
		bb_tliswitch_check(ingest, checkpoint.ThisTimeLineID,
						   checkpoint.PrevTimeLineID);
	else
		bb_tliswitch_same(ingest, checkpoint.ThisTimeLineID);
	bb_clusterstate_checkpoint(ingest->state, &checkpoint, shutdown);
}

static void
end_of_recovery(BbIngest *ingest)
{
	xl_end_of_recovery record;

	memcpy(&record, bb_ingest_data(ingest, sizeof(record)), sizeof(record));
	bb_tliswitch_check(ingest, record.ThisTimeLineID, record.PrevTimeLineID);
}

static void
parameter_change(BbIngest *ingest)
{
	ControlFileData *control = &ingest->state->control;
	xl_parameter_change change;

	check_boolean(ingest, offsetof(xl_parameter_change, wal_log_hints),
				  "wal_log_hints");
	check_boolean(ingest,
				  offsetof(xl_parameter_change, track_commit_timestamp),
				  "track_commit_timestamp");
	memcpy(&change, bb_ingest_data(ingest, sizeof(change)), sizeof(change));
	if (change.MaxConnections < 1 || change.max_worker_processes < 0 ||
		change.max_wal_senders < 0 || change.max_prepared_xacts < 0 ||
		change.max_locks_per_xact < 1 ||
		change.wal_level < WAL_LEVEL_MINIMAL ||
		change.wal_level > WAL_LEVEL_LOGICAL)
		bb_ingest_refuse(
			ingest,
			"max_connections is %d, max_worker_processes %d, max_wal_senders %d, max_prepared_transactions %d, max_locks_per_transaction %d, wal_level %d.",
			change.MaxConnections, change.max_worker_processes,
			change.max_wal_senders, change.max_prepared_xacts,
			change.max_locks_per_xact, change.wal_level);
	bb_commit_ts_switch(ingest, change.track_commit_timestamp);

	control->MaxConnections = change.MaxConnections;
	control->max_worker_processes = change.max_worker_processes;
	control->max_wal_senders = change.max_wal_senders;
	control->max_prepared_xacts = change.max_prepared_xacts;
	control->max_locks_per_xact = change.max_locks_per_xact;
	control->wal_level = change.wal_level;
	control->wal_log_hints = change.wal_log_hints;
	control->track_commit_timestamp = change.track_commit_timestamp;
	ingest->state->control_changed = true;
}

/* (VerifyOverwriteContrecord in xlogrecovery.c) */
static void
overwritten_record(BbIngest *ingest)
{
	xl_overwrite_contrecord record;

	memcpy(&record, bb_ingest_data(ingest, sizeof(record)), sizeof(record));
	if (record.overwritten_lsn != ingest->record->overwrittenRecPtr)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL says that an incomplete record at " BB_LSN_FORMAT " was abandoned, but there is another one",
						LSN_FORMAT_ARGS(record.overwritten_lsn)),
				 errdetail("That one is at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(ingest->record->overwrittenRecPtr))));
	ingest->record->overwrittenRecPtr = InvalidXLogRecPtr;
}

/* Add the images of pages; a page without an image doesn't change. */
static void
page_images(BbIngest *ingest, bool needed)
{
	for (int id = 0; id <= XLogRecMaxBlockId(ingest->record); id++)
	{
		if (XLogRecHasBlockImage(ingest->record, id))
			bb_blockrefs_ingest_one(ingest, (uint8) id);
		else if (needed && XLogRecHasBlockRef(ingest->record, id))
			bb_ingest_refuse(
				ingest, "It has no full-page image of block reference %d.",
				id);
	}
}

/*
 * The end of a base backup.  If it is the one that the timeline began with, the
 * timeline is consistent.
 */
static void
backup_end(BbIngest *ingest)
{
	XLogRecPtr	start;

	memcpy(&start, bb_ingest_data(ingest, sizeof(start)), sizeof(start));
	if (ingest->start_lsn == BB_LSN_UNKNOWN && start == ingest->backup_start)
		ingest->start_lsn = ingest->lsn;
}

/* (recoveryStopsAfter in xlogrecovery.c compares the name with its target.) */
static void
restore_point(BbIngest *ingest)
{
	BbKey		key = bb_event_key(BB_KEY_RESTORE_POINT);
	xl_restore_point record;
	BbRestorePoint point;
	uint8		value[BB_RESTORE_POINT_SIZE];

	StaticAssertStmt(BB_RESTORE_POINT_NAME_SIZE == MAXFNAMELEN,
					 "a name has another size in this version");
	memcpy(&record, bb_ingest_data(ingest, sizeof(record)), sizeof(record));
	if (!bb_event_time_is_valid(record.rp_time))
		bb_ingest_refuse(ingest, "Its time " INT64_FORMAT " is impossible.",
						 record.rp_time);
	if (memchr(record.rp_name, '\0', sizeof(record.rp_name)) == NULL)
		bb_ingest_refuse(ingest, "Its name has no end.");
	point.time = record.rp_time;
	strlcpy(point.name, record.rp_name, sizeof(point.name));
	bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE, value,
					 bb_restore_point_encode(&point, value));
}

void
bb_rm_xlog(BbIngest *ingest)
{
	CheckPoint *state = &ingest->state->checkpoint;

	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_CHECKPOINT_SHUTDOWN:
			checkpoint(ingest, true);
			break;
		case XLOG_CHECKPOINT_ONLINE:
			checkpoint(ingest, false);
			break;
		case XLOG_END_OF_RECOVERY:
			end_of_recovery(ingest);
			break;
		case XLOG_NEXTOID:
			memcpy(&state->nextOid, bb_ingest_data(ingest, sizeof(Oid)),
				   sizeof(Oid));
			break;
		case XLOG_PARAMETER_CHANGE:
			parameter_change(ingest);
			break;
		case XLOG_FPW_CHANGE:
			check_boolean(ingest, 0, "full_page_writes");
			state->fullPageWrites = bb_ingest_data(ingest, 1)[0] != 0;
			break;
		case XLOG_FPI:
			page_images(ingest, true);
			break;
		case XLOG_FPI_FOR_HINT:
			page_images(ingest, false);
			break;
		case XLOG_OVERWRITE_CONTRECORD:
			overwritten_record(ingest);
			break;
		case XLOG_BACKUP_END:
			backup_end(ingest);
			break;
#if PG_VERSION_NUM >= 190000
		case XLOG_LOGICAL_DECODING_STATUS_CHANGE:
			check_boolean(ingest, 0, "logical decoding");
			state->logicalDecodingEnabled = bb_ingest_data(ingest, 1)[0] != 0;
			break;
#endif
		case XLOG_RESTORE_POINT:
			restore_point(ingest);
			break;
		case XLOG_NOOP:
		case XLOG_SWITCH:
#if PG_VERSION_NUM >= 170000
		case XLOG_CHECKPOINT_REDO:
#endif
#if PG_VERSION_NUM >= 190000
		case XLOG_ASSIGN_LSN:
#endif
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
