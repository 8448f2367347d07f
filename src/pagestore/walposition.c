/*-------------------------------------------------------------------------
 *
 * walposition.c
 *	  Where in WAL: LSNs, the records that end at them, and times.
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
#include "pagestore/walposition.h"
#include "utils/timestamp.h"
#include "wal/page.h"

static void
report_invalid(const BbKey *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the page store's entry for %s is invalid",
					bb_key_text(key))));
}

/*
 * The last record end at or before lsn that a RECORD_ENDS value has, but for
 * those up to "start"; Invalid: none.
 */
static XLogRecPtr
last_end_in_value(const BbKey *key, uint64 page, const BbValue *value,
				  XLogRecPtr start, XLogRecPtr lsn)
{
	XLogRecPtr	last = InvalidXLogRecPtr;

	if (value->length % sizeof(uint16) != 0)
		report_invalid(key);
	for (uint32 at = 0; at < value->length; at += sizeof(uint16))
	{
		uint16		offset = value->data[at] | value->data[at + 1] << 8;
		XLogRecPtr	end = page * XLOG_BLCKSZ + offset;

		if (offset >= XLOG_BLCKSZ)
			report_invalid(key);
		if (end > start && end <= lsn && end > last)
			last = end;
	}
	return last;
}

/*
 * The same of what the store has of a page of WAL.
 *
 * Where a branch parts from its ancestor, both have a page: what the ancestor
 * says of the part behind that is not the branch's history.
 */
static XLogRecPtr
last_end_in_page(const BbReqCtx *ctx, BbPageStore *store, uint64 page,
				 XLogRecPtr start, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	BbKey		key = bb_key_make(BB_KEY_RECORD_ENDS, 0, (uint32) (page >> 32),
								  (uint32) page, 0, 0);
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
	else if (bb_pagestore_get(ctx, store, &key, lsn, &value))
		last = last_end_in_value(&key, page, &value, start, lsn);
	return last;
}

/*
 * The last record end at or before lsn, at least the timeline's start.
 */
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
 * It is the checkpoint of the shutdown, or the record that made a base backup
 * consistent: that is a small one, and the ends before it are known since the
 * WAL was read from where the backup began.
 */
static XLogRecPtr
first_record_start(const BbReqCtx *ctx, BbPageStore *store,
				   const BbWalStream *stream)
{
	XLogRecPtr	start = bb_pagestore_info(store)->start_lsn;
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, store, &key, start, 0);
	ControlFileData control;
	XLogRecPtr	end = InvalidXLogRecPtr;

	if (bb_control_complaint(value.data, value.length) != NULL)
		report_invalid(&key);
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

XLogRecPtr
bb_pagestore_round_lsn(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
					   XLogRecPtr *record_start)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	BbWalStream stream = {.tli = info->tli,
						  .system_identifier = info->system_identifier,
						  .segment_size = info->wal_segment_size};
	XLogRecPtr	end = lsn;

	if (lsn != info->end_lsn)
		end = last_end(ctx, store, lsn);
	if (record_start == NULL)
		return end;

	if (end == info->end_lsn)
		*record_start = info->prev_lsn;
	else if (end > info->start_lsn)
		*record_start = bb_wal_record_start(&stream,
											last_end(ctx, store, end - 1));
	else if (XLogRecPtrIsInvalid(info->ancestor_lsn))
		*record_start = first_record_start(ctx, store, &stream);
	else
		*record_start = InvalidXLogRecPtr;
	return end;
}

TimeLineID
bb_pagestore_tli_at(const BbPageStore *store, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);

	return bb_tli_at(info->switches, info->nswitches, info->tli, lsn);
}

static TimestampTz
decode_time(const BbKey *key, const BbValue *value)
{
	TimestampTz time;

	if (value->length != sizeof(TimestampTz))
		report_invalid(key);
	time = (TimestampTz) bb_get_le64(value->data);
	if (!IS_VALID_TIMESTAMP(time) ||
		!bb_time_is_valid((int64) timestamptz_to_time_t(time)))
		report_invalid(key);
	return time;
}

static BbKey
commit_time_key(void)
{
	return bb_key_make(BB_KEY_COMMIT_TIME, 0, 0, 0, 0, 0);
}

int64
bb_pagestore_time_at(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbKey		key = commit_time_key();
	BbValue		value;
	CheckPoint	checkpoint;

	if (bb_pagestore_get(ctx, store, &key, lsn, &value))
		return (int64) timestamptz_to_time_t(decode_time(&key, &value));

	key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	value = bb_pagestore_need(ctx, store, &key, lsn, 0);
	if (bb_checkpoint_complaint(value.data, value.length) != NULL)
		report_invalid(&key);
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
