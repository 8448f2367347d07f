/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  Snapshots: LSNs, the records that end at them, and times.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
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
	XLogRecPtr	parted = info->ancestor_lsn;
	BbKey		key = bb_key_make(BB_KEY_RECORD_ENDS, 0, (uint32) (page >> 32),
								  (uint32) page, 0, 0);
	BbSnapshot	at = bb_snapshot_at(store, lsn);
	XLogRecPtr	last = InvalidXLogRecPtr;
	BbValue		value;

	if (parted != InvalidXLogRecPtr && page == parted / XLOG_BLCKSZ &&
		start >= parted)
	{
		BbPageVersions *versions;
		XLogRecPtr	version;

		versions = bb_pagestore_versions_new(ctx, store, &key, parted, lsn);
		while (bb_pagestore_versions_next(ctx, versions, &version, &value))
			last = last_end_in_value(&key, page, &value, start, lsn);
		bb_pagestore_versions_close(versions);
	}
	else if (bb_pagestore_get(ctx, &at, &key, &value))
		last = last_end_in_value(&key, page, &value, start, lsn);
	return last;
}

/*
 * The first LSN at or before lsn from which on all record ends up to lsn are
 * known: the start of the timeline, or the end of its last gap before lsn.
 */
static XLogRecPtr
first_known(const BbPageStoreInfo *info, XLogRecPtr lsn)
{
	const BbGap *gap = bb_gap_before(info->gaps, info->ngaps, lsn);

	return gap ? gap->until : info->start_lsn;
}

/* The last record end at or before lsn, at least first_known(). */
static XLogRecPtr
last_end(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	XLogRecPtr	start = first_known(bb_pagestore_info(store), lsn);

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
 * Where the record begins that ends at "start", the start of a timeline or the
 * end of a gap; Invalid: not known.  The record before it ends after "after".
 *
 * The record is the checkpoint of the shutdown, or the one that made a base
 * backup consistent.  The latter is small, and the record ends before it are
 * known since WAL was read from where the backup began.
 */
static XLogRecPtr
first_record_start(const BbReqCtx *ctx, BbPageStore *store,
				   const BbWalStream *stream, XLogRecPtr start,
				   XLogRecPtr after)
{
	BbSnapshot	at = bb_snapshot_at(store, start);
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, &at, &key, 0);
	const BbMajor *major = bb_pagestore_major(store);
	BbControl	control;
	XLogRecPtr	end = InvalidXLogRecPtr;

	if (bb_control_error(major, value.data, value.length) != NULL)
		bb_pagestore_report_invalid(&key);
	bb_control_read(major, value.data, &control);
	if (control.state == DB_SHUTDOWNED && control.checkpoint_lsn < start)
		return control.checkpoint_lsn;

	for (uint64 page = (start - 1) / XLOG_BLCKSZ;
		 XLogRecPtrIsInvalid(end) && page + 1 >= (start - 1) / XLOG_BLCKSZ;
		 page--)
		end = last_end_in_page(ctx, store, page, after, start - 1);
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
	if (lsn != bb_pagestore_info(store)->end_lsn &&
		!bb_pagestore_is_point(store, lsn))
		lsn = last_end(ctx, store, lsn);
	return bb_snapshot_at(store, lsn);
}

XLogRecPtr
bb_snapshot_next(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
				 XLogRecPtr limit)
{
	XLogRecPtr	low = lsn; /* no record ends after lsn and up to it */
	XLogRecPtr	next = lsn;

	for (uint64 step = XLOG_BLCKSZ; next <= lsn; step *= 2)
	{
		XLogRecPtr	high = low + Min(step, limit - low);

		if (high == low)
			return InvalidXLogRecPtr;
		next = last_end(ctx, store, high);
		if (next <= lsn)
			low = high;
	}
	/* a record ends at "next"; is it the first? */
	while (next - 1 > low)
	{
		XLogRecPtr	middle = low + (next - low) / 2;
		XLogRecPtr	end = last_end(ctx, store, middle);

		if (end > lsn)
			next = end;
		else
			low = middle;
	}
	return next;
}

/* A record has fewer WAL pages than that. */
#define RECORD_MAX_PAGES (1024 * 1024 * 1024 / XLOG_BLCKSZ)
/* So many pages are looked at one by one. */
#define NEAR_PAGES 64

/* The last record end after "floor" and up to "limit" in a page, as of a snapshot. */
static XLogRecPtr
last_end_as_of(const BbReqCtx *ctx, const BbSnapshot *snapshot, uint64 page,
			   XLogRecPtr floor, XLogRecPtr limit)
{
	BbKey		key = bb_key_make(BB_KEY_RECORD_ENDS, 0, (uint32) (page >> 32),
								  (uint32) page, 0, 0);
	BbValue		value;

	if (!bb_pagestore_get(ctx, snapshot, &key, &value))
		return InvalidXLogRecPtr;
	return last_end_in_value(&key, page, &value, floor, limit);
}

/* The last one in the pages before "page" that a record may have. */
static XLogRecPtr
last_end_far(const BbReqCtx *ctx, const BbSnapshot *snapshot, uint64 page,
			 XLogRecPtr floor)
{
	uint64		from = page - Min(page, RECORD_MAX_PAGES);
	BbKeyRange	range = {.start = bb_key_make(BB_KEY_RECORD_ENDS, 0,
											  (uint32) (from >> 32),
											  (uint32) from, 0, 0),
						 .end = bb_key_make(BB_KEY_RECORD_ENDS, 0,
											(uint32) (page >> 32),
											(uint32) page, 0, 0)};
	BbPageScan *scan = bb_pagestore_scan_new(ctx, snapshot, &range);
	XLogRecPtr	last = InvalidXLogRecPtr;
	BbKey		key;
	BbValue		value;

	while (bb_pagestore_scan_next(ctx, scan, &key, &value))
	{
		BbKeyFields fields = bb_key_fields(&key);
		XLogRecPtr	end;

		end = last_end_in_value(&key, (uint64) fields.db << 32 | fields.rel,
								&value, floor, snapshot->lsn - 1);
		last = Max(last, end);
	}
	bb_pagestore_scan_close(scan);
	return last;
}

/*
 * Where the record begins that ends at a snapshot's LSN, if the store knows the
 * end of the record before it; Invalid: it doesn't.
 *
 * It does for an LSN that the start of the timeline was moved to, and for a
 * point.  Only these LSNs can be read there, and record ends near them.
 */
static XLogRecPtr
known_record_start(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				   const BbWalStream *stream)
{
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	XLogRecPtr	lsn = snapshot->lsn;
	const BbGap *gap = bb_gap_before(info->gaps, info->ngaps, lsn);
	/* what ended before a gap doesn't tell where a record after it starts */
	XLogRecPtr	floor = gap ? gap->from : info->ancestor_lsn;
	uint64		page = lsn / XLOG_BLCKSZ;
	XLogRecPtr	end = InvalidXLogRecPtr;

	if (lsn <= floor ||
		last_end_as_of(ctx, snapshot, page, lsn - 1, lsn) != lsn)
		return InvalidXLogRecPtr;
	for (int i = 0; XLogRecPtrIsInvalid(end) && i < NEAR_PAGES && page > 0;
		 i++)
		end = last_end_as_of(ctx, snapshot, page--, floor, lsn - 1);
	if (XLogRecPtrIsInvalid(end))
		end = last_end_far(ctx, snapshot, page + 1, floor);
	if (XLogRecPtrIsInvalid(end) && gap == NULL)
		end = floor; /* the first record of a branch */
	return XLogRecPtrIsInvalid(end) ? InvalidXLogRecPtr
									: bb_wal_record_start(stream, end);
}

XLogRecPtr
bb_snapshot_prev_lsn(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	BbWalStream stream = {.tli = info->tli,
						  .system_identifier = info->system_identifier,
						  .segment_size = info->wal_segment_size};
	const BbGap *gap;
	XLogRecPtr	first;

	if (snapshot->lsn == info->end_lsn)
		return info->prev_lsn;
	first = Min(first_known(info, snapshot->lsn), snapshot->lsn);
	if (snapshot->lsn == first)
	{
		XLogRecPtr	start = known_record_start(ctx, snapshot, &stream);

		if (!XLogRecPtrIsInvalid(start))
			return start;
	}
	if (snapshot->lsn > first)
		return bb_wal_record_start(&stream,
								   last_end(ctx, snapshot->store,
											snapshot->lsn - 1));
	gap = bb_gap_before(info->gaps, info->ngaps, first);
	if (gap != NULL || XLogRecPtrIsInvalid(info->ancestor_lsn))
		return first_record_start(ctx, snapshot->store, &stream, first,
								  gap ? gap->from : InvalidXLogRecPtr);
	return InvalidXLogRecPtr;
}

BbCommit
bb_snapshot_commit(const BbKey *key, const BbValue *value)
{
	BbCommit	commit;

	if (!bb_commit_decode(value->data, value->length, &commit))
		bb_pagestore_report_invalid(key);
	return commit;
}

BbCheckpoint
bb_snapshot_checkpoint(const BbSnapshot *snapshot, const BbKey *key,
					   const BbValue *value)
{
	const BbMajor *major = bb_pagestore_major(snapshot->store);

	if (bb_checkpoint_error(major, value->data, value->length) != NULL)
		bb_pagestore_report_invalid(key);
	return bb_checkpoint_read(major, value->data);
}

int64
bb_snapshot_commit_time(const BbKey *key, const BbValue *value)
{
	return (int64) timestamptz_to_time_t(bb_snapshot_commit(key, value).time);
}

int64
bb_snapshot_time(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbValue		value;

	if (bb_pagestore_get(ctx, snapshot, &key, &value))
		return bb_snapshot_commit_time(&key, &value);

	key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	return bb_snapshot_checkpoint(snapshot, &key, &value).time;
}
