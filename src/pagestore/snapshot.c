/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  Snapshots: LSNs, the records that end at them, and times.
 *
 * (What ends recovery at a time is from PostgreSQL's recoveryStopsBefore in
 * xlogrecovery.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "base/codec.h"
#include "catalog/pg_control.h"
#include "pagestore/snapshot.h"
#include "utils/timestamp.h"
#include "wal/page.h"

/*
 * The last record end after "start" and at or before lsn that a RECORD_ENDS
 * value has; Invalid: none.
 */
static XLogRecPtr
last_end_in_value(const BbKey *key, uint64 page, const BbValue *value,
				  XLogRecPtr start, XLogRecPtr lsn)
{
	XLogRecPtr	last = InvalidXLogRecPtr;

	if (value->length % sizeof(uint16) != 0)
		bb_pagestore_report_invalid(key);
	for (uint32 at = 0; at < value->length; at += sizeof(uint16))
	{
		uint16		offset = value->data[at] | value->data[at + 1] << 8;
		XLogRecPtr	end = page * XLOG_BLCKSZ + offset;

		if (offset >= XLOG_BLCKSZ)
			bb_pagestore_report_invalid(key);
		if (end > start && end <= lsn && end > last)
			last = end;
	}
	return last;
}

/*
 * The last such record end in a page of WAL.
 *
 * Where a branch parts from its ancestor, both have a value for the page.  The
 * ancestor's record ends after that point are not in the branch's history.
 */
static XLogRecPtr
last_end_in_page(const BbReqCtx *ctx, BbPageStore *store, uint64 page,
				 XLogRecPtr start, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	BbKey		key = bb_key_make(BB_KEY_RECORD_ENDS, 0, (uint32) (page >> 32),
								  (uint32) page, 0, 0);
	BbSnapshot	at = bb_snapshot_at(store, lsn);
	XLogRecPtr	last = InvalidXLogRecPtr;
	BbValue		value;

	if (info->ancestor_lsn != InvalidXLogRecPtr && page == start / XLOG_BLCKSZ)
	{
		BbPageVersions *versions;
		XLogRecPtr	version;

		versions = bb_pagestore_versions_new(ctx, store, &key, start, lsn);
		while (bb_pagestore_versions_next(ctx, versions, &version, &value))
			last = last_end_in_value(&key, page, &value, start, lsn);
		bb_pagestore_versions_close(versions);
	}
	else if (bb_pagestore_get(ctx, &at, &key, &value))
		last = last_end_in_value(&key, page, &value, start, lsn);
	return last;
}

/* The last record end at or before lsn, at least the timeline's start. */
static XLogRecPtr
last_end(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	XLogRecPtr	start = bb_pagestore_info(store)->start_lsn;

	for (uint64 page = lsn / XLOG_BLCKSZ;; page--)
	{
		XLogRecPtr	end = last_end_in_page(ctx, store, page, start, lsn);

		if (!XLogRecPtrIsInvalid(end))
			return end;
		if (page <= start / XLOG_BLCKSZ)
			return start;
	}
}

/*
 * Where the record begins that ends at the start of a timeline; Invalid: not
 * known.
 *
 * The record is the checkpoint of the shutdown, or the one that made a base
 * backup consistent.  The latter is small, and the record ends before it are
 * known since WAL was read from where the backup began.
 */
static XLogRecPtr
first_record_start(const BbReqCtx *ctx, BbPageStore *store,
				   const BbWalStream *stream)
{
	XLogRecPtr	start = bb_pagestore_info(store)->start_lsn;
	BbSnapshot	at = bb_snapshot_at(store, start);
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, &at, &key, 0);
	ControlFileData control;
	XLogRecPtr	end = InvalidXLogRecPtr;

	if (bb_control_error(value.data, value.length) != NULL)
		bb_pagestore_report_invalid(&key);
	memcpy(&control, value.data, sizeof(control));
	if (control.state == DB_SHUTDOWNED && control.checkPoint < start)
		return control.checkPoint;

	for (uint64 page = (start - 1) / XLOG_BLCKSZ;
		 XLogRecPtrIsInvalid(end) && page + 1 >= (start - 1) / XLOG_BLCKSZ;
		 page--)
		end = last_end_in_page(ctx, store, page, InvalidXLogRecPtr, start - 1);
	return XLogRecPtrIsInvalid(end) ? InvalidXLogRecPtr
									: bb_wal_record_start(stream, end);
}

BbSnapshot
bb_snapshot_at(BbPageStore *store, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);

	return (BbSnapshot){
		.store = store,
		.lsn = lsn,
		.tli = bb_tli_at(info->switches, info->nswitches, info->tli, lsn),
	};
}

BbSnapshot
bb_snapshot_take(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	lsn = bb_pagestore_check_lsn(store, lsn);
	if (lsn != bb_pagestore_info(store)->end_lsn)
		lsn = last_end(ctx, store, lsn);
	return bb_snapshot_at(store, lsn);
}

XLogRecPtr
bb_snapshot_prev_lsn(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	BbWalStream stream = {.tli = info->tli,
						  .system_identifier = info->system_identifier,
						  .segment_size = info->wal_segment_size};

	if (snapshot->lsn == info->end_lsn)
		return info->prev_lsn;
	if (snapshot->lsn > info->start_lsn)
		return bb_wal_record_start(&stream,
								   last_end(ctx, snapshot->store,
											snapshot->lsn - 1));
	if (XLogRecPtrIsInvalid(info->ancestor_lsn))
		return first_record_start(ctx, snapshot->store, &stream);
	return InvalidXLogRecPtr;
}

static TimestampTz
decode_time(const BbKey *key, const BbValue *value)
{
	TimestampTz time;

	if (value->length != sizeof(TimestampTz))
		bb_pagestore_report_invalid(key);
	time = (TimestampTz) bb_get_le64(value->data);
	if (!IS_VALID_TIMESTAMP(time) ||
		!bb_time_is_valid((int64) timestamptz_to_time_t(time)))
		bb_pagestore_report_invalid(key);
	return time;
}

static BbKey
commit_time_key(void)
{
	return bb_key_make(BB_KEY_COMMIT_TIME, 0, 0, 0, 0, 0);
}

int64
bb_snapshot_time(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	BbKey		key = commit_time_key();
	BbValue		value;
	CheckPoint	checkpoint;

	if (bb_pagestore_get(ctx, snapshot, &key, &value))
		return (int64) timestamptz_to_time_t(decode_time(&key, &value));

	key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	if (bb_checkpoint_error(value.data, value.length) != NULL)
		bb_pagestore_report_invalid(&key);
	memcpy(&checkpoint, value.data, sizeof(checkpoint));
	return (int64) checkpoint.time;
}

BbTimeAnswer
bb_pagestore_lsn_at_time(const BbReqCtx *ctx, BbPageStore *store,
						 TimestampTz time, XLogRecPtr *lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	BbKey		key = commit_time_key();
	BbPageVersions *versions;
	BbValue		value;
	XLogRecPtr	at;
	bool		before = false;
	bool		after = false;

	*lsn = info->start_lsn;
	versions = bb_pagestore_versions_new(ctx, store, &key, info->start_lsn,
										 info->end_lsn);
	while (!after && bb_pagestore_versions_next(ctx, versions, &at, &value))
	{
		after = decode_time(&key, &value) > time;
		if (!after)
		{
			before = true;
			*lsn = at;
		}
	}
	bb_pagestore_versions_close(versions);

	if (before)
		return after ? BB_TIME_FOUND : BB_TIME_FUTURE;
	return after ? BB_TIME_PAST : BB_TIME_NO_DATA;
}
