/*-------------------------------------------------------------------------
 *
 * undecided.c
 *	  Transactions whose rows appeared between two LSNs without a change of pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "heap/undecided.h"
#include "heap/xactends.h"

/* xids are compared modulo 2^32. */
#define MAX_DISTANCE ((uint64) 1 << 31)

/* The search for "since" ends when it is as near as that. */
#define NEAR_BYTES (8 * 1024)

/*
 * The LSN from which on the store has every change up to lsn: the start of the
 * timeline, or the end of the last gap.
 */
static XLogRecPtr
gapless_since(const BbPageStore *store, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	const BbGap *gap = bb_gap_before(info->gaps, info->ngaps, lsn);

	return gap != NULL ? Max(gap->until, info->start_lsn) : info->start_lsn;
}

bool
bb_undecided_gapless(const BbPageStore *store, XLogRecPtr from,
					 XLogRecPtr until)
{
	return from >= gapless_since(store, until);
}

/* An LSN up to which the ID was not assigned, at or after low. */
static XLogRecPtr
before_assignment(const BbReqCtx *ctx, BbPageStore *store, uint64 xid,
				  XLogRecPtr low, XLogRecPtr high)
{
	while (high - low > NEAR_BYTES)
	{
		XLogRecPtr	middle = low + (high - low) / 2;

		bb_reqctx_check(ctx);
		if (bb_xactends_next_xid(ctx, store, middle) <= xid)
			low = middle;
		else
			high = middle;
	}
	return low;
}

BbUndecided
bb_undecided_find(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr from,
				  XLogRecPtr until)
{
	XLogRecPtr	low = gapless_since(store, from);
	BbUndecided undecided = {.known = true, .since = from};
	uint64		next;
	uint64		oldest;

	if (!bb_undecided_gapless(store, from, until))
		return (BbUndecided){.since = low};
	next = bb_xactends_next_xid(ctx, store, from);
	if (bb_xactends_next_xid(ctx, store, until) - next >= MAX_DISTANCE)
		return (BbUndecided){.since = low};
	undecided.oldest = bb_xactends_oldest(ctx, store, from, until);
	if (!TransactionIdIsValid(undecided.oldest))
		return undecided;
	oldest = next - (uint32) ((TransactionId) next - undecided.oldest);
	if (bb_xactends_next_xid(ctx, store, low) > oldest)
		return (BbUndecided){.since = low};
	undecided.since = before_assignment(ctx, store, oldest, low, from);
	return undecided;
}

bool
bb_undecided_may_be(const BbReqCtx *ctx, const BbUndecided *undecided,
					BbPast *from, TransactionId xid)
{
	return TransactionIdIsNormal(xid) &&
		TransactionIdIsValid(undecided->oldest) &&
		!TransactionIdPrecedes(xid, undecided->oldest) &&
		!bb_xacts_committed(ctx, from->xacts, xid);
}
