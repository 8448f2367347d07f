/*-------------------------------------------------------------------------
 *
 * target.c
 *	  The LSN where recovery would stop at a target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/foreigntext.h"
#include "pagestore/target.h"
#include "utils/timestamp.h"
#include "wal/page.h"

/* The end of the record before the one that ends at "end". */
static XLogRecPtr
before(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr end)
{
	return bb_snapshot_take(ctx, store, end - 1).lsn;
}

/* ---- times ---- */

/* What a stretch of a timeline, from a start or a gap up to an end or a gap, says of a
 * time. */
typedef struct Stretch
{
	bool		before; /* it has a commit at or before the time */
	XLogRecPtr	after;	/* the end of the first one after it; Invalid: none */
} Stretch;

static Stretch
search_stretch(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr from,
			   XLogRecPtr until, TimestampTz time)
{
	Stretch		stretch = {.after = InvalidXLogRecPtr};
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbPageVersions *versions;
	BbValue		value;
	XLogRecPtr	at;

	versions = bb_pagestore_versions_new(ctx, store, &key, from, until);
	stretch.before = bb_pagestore_versions_skip(versions, time);
	while (XLogRecPtrIsInvalid(stretch.after) &&
		   bb_pagestore_versions_next(ctx, versions, &at, &value))
	{
		if (bb_snapshot_commit(&key, &value).time > time)
			stretch.after = at;
		else
			stretch.before = true;
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
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbValue		value;

	return bb_pagestore_get(ctx, &start, &key, &value) &&
		bb_snapshot_commit(&key, &value).time <= time;
}

BbTargetAnswer
bb_pagestore_find_time(const BbReqCtx *ctx, BbPageStore *store,
					   TimestampTz time, bool inclusive, XLogRecPtr *lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	bool		before_any = false;

	if (!inclusive && time > MIN_TIMESTAMP)
		time--;
	for (int i = 0; i <= info->ngaps; i++)
	{
		const BbGap *gap = i > 0 ? &info->gaps[i - 1] : NULL;
		Stretch		stretch;

		*lsn = gap ? gap->until : info->start_lsn;
		stretch = search_stretch(ctx, store, *lsn,
								 i < info->ngaps ? info->gaps[i].from
												 : info->end_lsn,
								 time);
		before_any = before_any || stretch.before;
		if (XLogRecPtrIsInvalid(stretch.after))
			continue;
		if (!stretch.before && (gap == NULL || !is_after_gap(gap, time)) &&
			(gap != NULL || !starts_before(ctx, store, time)))
			return gap ? BB_TARGET_GAP : BB_TARGET_PAST;
		*lsn = before(ctx, store, stretch.after);
		return BB_TARGET_FOUND;
	}
	if (before_any || starts_before(ctx, store, time))
		return BB_TARGET_FUTURE;
	*lsn = info->start_lsn;
	return BB_TARGET_NO_DATA;
}

/* ---- LSNs ---- */

BbTargetAnswer
bb_pagestore_find_lsn(const BbReqCtx *ctx, BbPageStore *store,
					  XLogRecPtr target, bool inclusive, XLogRecPtr *lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	BbWalStream stream = {.tli = info->tli,
						  .system_identifier = info->system_identifier,
						  .segment_size = info->wal_segment_size};
	XLogRecPtr	limit = info->end_lsn;

	if (target <= info->end_lsn && bb_gap_at(info->gaps, info->ngaps, target))
		return BB_TARGET_GAP;
	if (target < info->start_lsn)
	{
		*lsn = target;
		return !inclusive && bb_pagestore_is_point(store, target)
			? BB_TARGET_FOUND
			: BB_TARGET_PAST;
	}
	if (target > bb_wal_record_start(&stream, info->end_lsn))
		return BB_TARGET_FUTURE;
	for (int i = info->ngaps - 1; i >= 0; i--)
		if (info->gaps[i].from >= target)
			limit = info->gaps[i].from;

	/* what the last record before the target left */
	*lsn = bb_snapshot_take(ctx, store, Min(target, info->end_lsn)).lsn;
	if (bb_wal_record_start(&stream, *lsn) < target)
		*lsn = bb_snapshot_next(ctx, store, target, limit);
	if (inclusive && !XLogRecPtrIsInvalid(*lsn))
		*lsn = bb_snapshot_next(ctx, store, *lsn, limit);
	if (!XLogRecPtrIsInvalid(*lsn))
		return BB_TARGET_FOUND;
	return limit == info->end_lsn ? BB_TARGET_FUTURE : BB_TARGET_GAP;
}

/* ---- transactions ---- */

/* Look so near for the LSN where an xid was assigned. */
#define NEAR_BYTES (1024 * 1024)

static uint64
next_xid_at(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbSnapshot	at = bb_snapshot_at(store, lsn);
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, &at, &key, 0);

	return bb_snapshot_checkpoint(&at, &key, &value).next_xid;
}

/*
 * An LSN before the end of a transaction: there, its xid wasn't assigned yet.
 * So commits before that needn't be read.
 */
static XLogRecPtr
before_assignment(const BbReqCtx *ctx, BbPageStore *store, uint64 xid)
{
	XLogRecPtr	low = bb_pagestore_info(store)->start_lsn;
	XLogRecPtr	high = bb_pagestore_info(store)->end_lsn;

	while (high - low > NEAR_BYTES)
	{
		XLogRecPtr	middle = low + (high - low) / 2;

		if (next_xid_at(ctx, store, middle) <= xid)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Give an xid without an epoch that of its last transaction. */
static uint64
add_epoch(uint64 xid, uint64 next)
{
	uint64		full = (next & ~(uint64) PG_UINT32_MAX) | xid;

	if (xid > PG_UINT32_MAX)
		return xid;
	return full >= next && full > PG_UINT32_MAX
		? full - ((uint64) PG_UINT32_MAX + 1)
		: full;
}

/* Find the commit or abort of transaction->xid after "from" and up to "until". */
static bool
find_end(const BbReqCtx *ctx, BbPageStore *store, BbTransaction *transaction,
		 XLogRecPtr from, XLogRecPtr until)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbPageVersions *versions;
	BbValue		value;
	bool		found = false;

	versions = bb_pagestore_versions_new(ctx, store, &key, from, until);
	while (
		!found &&
		bb_pagestore_versions_next(ctx, versions, &transaction->end, &value))
	{
		transaction->commit = bb_snapshot_commit(&key, &value);
		found = transaction->commit.xid == transaction->xid;
	}
	bb_pagestore_versions_close(versions);
	return found;
}

/* The same anywhere but in gaps, where a timeline can't be read. */
static bool
find_end_anywhere(const BbReqCtx *ctx, BbPageStore *store,
				  BbTransaction *transaction)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	XLogRecPtr	from = before_assignment(ctx, store, transaction->xid);

	for (int i = 0; i <= info->ngaps; i++)
	{
		XLogRecPtr	until = i < info->ngaps ? info->gaps[i].from
											: info->end_lsn;

		/* the record that a gap ends with can be read */
		if (i > 0)
			from = Max(from, info->gaps[i - 1].until - 1);
		if (from < until && find_end(ctx, store, transaction, from, until))
			return true;
	}
	return false;
}

BbTargetAnswer
bb_pagestore_find_xid(const BbReqCtx *ctx, BbPageStore *store, uint64 xid,
					  bool inclusive, BbTransaction *transaction,
					  XLogRecPtr *lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	const BbGap *gap;

	memset(transaction, 0, sizeof(*transaction));
	transaction->first = next_xid_at(ctx, store, info->start_lsn);
	transaction->next = next_xid_at(ctx, store, info->end_lsn);
	transaction->xid = add_epoch(xid, transaction->next);
	if (transaction->xid >= transaction->next)
		return BB_TARGET_FUTURE;
	if (!find_end_anywhere(ctx, store, transaction))
		return BB_TARGET_PAST;
	/* at the end of a gap, the record before is in it */
	gap = bb_gap_before(info->gaps, info->ngaps, transaction->end);
	if (!inclusive && gap != NULL && gap->until == transaction->end)
		return BB_TARGET_GAP;
	*lsn = inclusive ? transaction->end : before(ctx, store, transaction->end);
	return BB_TARGET_FOUND;
}

/* ---- restore points ---- */

static bool
is_readable(const BbPageStore *store, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);

	return bb_pagestore_is_point(store, lsn) ||
		(lsn >= info->start_lsn &&
		 bb_gap_at(info->gaps, info->ngaps, lsn) == NULL);
}

List *
bb_pagestore_restore_points(const BbReqCtx *ctx, BbPageStore *store,
							const char *name)
{
	BbKey		key = bb_event_key(BB_KEY_RESTORE_POINT);
	BbPageVersions *versions;
	List	   *points = NIL;
	BbRestorePointAt at;
	BbValue		value;

	versions = bb_pagestore_versions_new(ctx, store, &key, InvalidXLogRecPtr,
										 bb_pagestore_info(store)->end_lsn);
	while (bb_pagestore_versions_next(ctx, versions, &at.lsn, &value))
	{
		if (!bb_restore_point_decode(value.data, value.length, &at.point))
			bb_pagestore_report_invalid(&key);
		at.readable = is_readable(store, at.lsn);
		if (name == NULL || bb_text_names(name, at.point.name))
		{
			BbRestorePointAt *point = palloc(sizeof(at));

			*point = at;
			points = lappend(points, point);
		}
	}
	bb_pagestore_versions_close(versions);
	return points;
}

XLogRecPtr
bb_pagestore_targets_from(const BbReqCtx *ctx, BbPageStore *store)
{
	BbSnapshot	end = bb_snapshot_at(store, bb_pagestore_info(store)->end_lsn);
	BbKey		key = bb_event_key(BB_KEY_TARGETS_FROM);
	BbValue		value;

	if (!bb_pagestore_get(ctx, &end, &key, &value))
		return InvalidXLogRecPtr;
	if (value.length != BB_TARGETS_FROM_SIZE)
		bb_pagestore_report_invalid(&key);
	return bb_get_le64(value.data);
}
