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

int64
bb_snapshot_commit_time(const BbKey *key, const BbValue *value)
{
	return (int64) timestamptz_to_time_t(decode_time(key, value));
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
		return bb_snapshot_commit_time(&key, &value);

	key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	if (bb_checkpoint_error(value.data, value.length) != NULL)
		bb_pagestore_report_invalid(&key);
	memcpy(&checkpoint, value.data, sizeof(checkpoint));
	return (int64) checkpoint.time;
}

/* What a stretch of a timeline, from a start or a gap up to an end or a gap, says of a
 * time. */
typedef struct Stretch
{
	bool		before; /* it has a commit at or before the time */
	bool		after;	/* and one after it */
	XLogRecPtr	lsn;	/* the end of the last commit before that one */
} Stretch;

static Stretch
search_stretch(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr from,
			   XLogRecPtr until, TimestampTz time)
{
	Stretch		stretch = {.lsn = from};
	BbKey		key = commit_time_key();
	BbPageVersions *versions;
	BbValue		value;
	XLogRecPtr	at;

	versions = bb_pagestore_versions_new(ctx, store, &key, from, until);
	while (!stretch.after &&
		   bb_pagestore_versions_next(ctx, versions, &at, &value))
	{
		stretch.after = decode_time(&key, &value) > time;
		if (!stretch.after)
		{
			stretch.before = true;
			stretch.lsn = at;
		}
	}
	bb_pagestore_versions_close(versions);
	return stretch;
}

/* Is the time after all that was lost in a gap?  Its end is known in seconds. */
static bool
is_after_gap(const BbGap *gap, TimestampTz time)
{
	return time >= time_t_to_timestamptz((pg_time_t) gap->until_time + 1);
}

/*
 * Is the last commit at or before the start known, and at or before the time?
 * It is of a branch, and of a timeline whose older history has expired.
 */
static bool
starts_before(const BbReqCtx *ctx, BbPageStore *store, TimestampTz time)
{
	BbSnapshot	start = bb_snapshot_at(store,
									   bb_pagestore_info(store)->start_lsn);
	BbKey		key = commit_time_key();
	BbValue		value;

	return bb_pagestore_get(ctx, &start, &key, &value) &&
		decode_time(&key, &value) <= time;
}

BbTimeAnswer
bb_pagestore_lsn_at_time(const BbReqCtx *ctx, BbPageStore *store,
						 TimestampTz time, XLogRecPtr *lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	bool		before = false;

	for (int i = 0; i <= info->ngaps; i++)
	{
		const BbGap *gap = i > 0 ? &info->gaps[i - 1] : NULL;
		Stretch		stretch;

		stretch = search_stretch(ctx, store,
								 gap ? gap->until : info->start_lsn,
								 i < info->ngaps ? info->gaps[i].from
												 : info->end_lsn,
								 time);
		*lsn = stretch.lsn;
		before = before || stretch.before;
		if (!stretch.after)
			continue;
		if (stretch.before || (gap != NULL && is_after_gap(gap, time)) ||
			(gap == NULL && starts_before(ctx, store, time)))
			return BB_TIME_FOUND;
		return gap ? BB_TIME_GAP : BB_TIME_PAST;
	}
	if (before || starts_before(ctx, store, time))
		return BB_TIME_FUTURE;
	*lsn = info->start_lsn;
	return BB_TIME_NO_DATA;
}
