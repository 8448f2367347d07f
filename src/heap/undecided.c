/*-------------------------------------------------------------------------
 *
 * undecided.c
 *	  Transactions whose rows appeared between two LSNs without a change of pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/slru.h"
#include "access/transam.h"
#include "heap/undecided.h"
#include "layer/native.h"

/* pg_xact is a circle of so many pages; half of it is the past. */
#define XACT_PAGES ((uint32) (PG_UINT32_MAX / BB_XACT_PER_PAGE) + 1)
#define MAX_DISTANCE ((uint64) 1 << 31)

/* The search for "since" ends when it is as near as that. */
#define NEAR_BYTES (8 * 1024)

static uint64
next_xid_at(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbSnapshot	at = bb_snapshot_at(store, lsn);
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, &at, &key, 0);

	return bb_snapshot_checkpoint(&at, &key, &value).next_xid;
}

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
bb_undecided_gapless(const BbPast *from, const BbPast *until)
{
	return from->snapshot.lsn >=
		gapless_since(until->snapshot.store, until->snapshot.lsn);
}

static int
status_of(const uint8 *page, uint32 entry)
{
	return (page[entry / 4] >> (entry % 4 * 2)) & 3;
}

typedef struct Search
{
	const BbReqCtx *ctx;
	BbPast	   *from;
	BbPast	   *until;
	TransactionId next; /* at "from" */
	TransactionId oldest;
} Search;

/* Note the transactions of a page of pg_xact that committed in between. */
static void
compare_page(Search *search, uint32 number)
{
	const uint8 *before = bb_pages_slru(search->ctx, search->from->pages,
										BB_SLRU_XACT, number);
	const uint8 *after = bb_pages_slru(search->ctx, search->until->pages,
									   BB_SLRU_XACT, number);

	/* its transactions came later */
	if (before == NULL)
		return;
	for (uint32 entry = 0; entry < BB_XACT_PER_PAGE; entry++)
	{
		TransactionId xid = number * BB_XACT_PER_PAGE + entry;
		int			status = status_of(before, entry);

		if (!TransactionIdIsNormal(xid) ||
			!TransactionIdPrecedes(xid, search->next) ||
			status == TRANSACTION_STATUS_COMMITTED ||
			status == TRANSACTION_STATUS_ABORTED)
			continue;
		/* a page that was removed since does not say how it ended */
		if (after != NULL &&
			status_of(after, entry) != TRANSACTION_STATUS_COMMITTED)
			continue;
		if (!TransactionIdIsValid(search->oldest) ||
			TransactionIdPrecedes(xid, search->oldest))
			search->oldest = xid;
	}
}

static BbKey
xact_key(uint32 page)
{
	return bb_key_slru_block(BB_SLRU_XACT, page / SLRU_PAGES_PER_SEGMENT,
							 page % SLRU_PAGES_PER_SEGMENT);
}

/* Compare the pages [first, last] that have changed. */
static void
compare_pages(Search *search, uint32 first, uint32 last)
{
	BbKeyRange	range = {xact_key(first), xact_key(last)};
	BbPageEntries *entries;
	BbEntry		entry;
	int64		done = -1;

	range.end = bb_key_next(&range.end);
	entries = bb_pagestore_entries_new(search->ctx,
									   search->until->snapshot.store, &range,
									   search->from->snapshot.lsn,
									   search->until->snapshot.lsn);
	while (bb_pagestore_entries_next(search->ctx, entries, &entry))
	{
		BbKeyFields fields = bb_key_fields(&entry.key);
		uint32		page = fields.rel * SLRU_PAGES_PER_SEGMENT + fields.block;

		if (page != done)
			compare_page(search, page);
		done = page;
	}
	bb_pagestore_entries_close(entries);
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
		if (next_xid_at(ctx, store, middle) <= xid)
			low = middle;
		else
			high = middle;
	}
	return low;
}

BbUndecided
bb_undecided_find(const BbReqCtx *ctx, BbPast *from, BbPast *until)
{
	BbPageStore *store = until->snapshot.store;
	XLogRecPtr	low = gapless_since(store, until->snapshot.lsn);
	BbUndecided undecided = {.since = from->snapshot.lsn};
	Search		search = {ctx, from, until, 0, InvalidTransactionId};
	uint64		next;
	uint64		oldest;
	uint32		last;
	uint32		first;

	if (!bb_undecided_gapless(from, until))
		return undecided;
	next = next_xid_at(ctx, store, from->snapshot.lsn);
	if (next_xid_at(ctx, store, until->snapshot.lsn) - next >= MAX_DISTANCE)
		return undecided;
	search.next = (TransactionId) next;

	/* later transactions are on later pages, which need not be read */
	last = search.next / BB_XACT_PER_PAGE;
	first = (last + XACT_PAGES - XACT_PAGES / 2 + 1) % XACT_PAGES;
	if (first > last)
	{
		compare_pages(&search, first, XACT_PAGES - 1);
		first = 0;
	}
	compare_pages(&search, first, last);

	undecided.known = true;
	if (!TransactionIdIsValid(search.oldest))
		return undecided;
	oldest = next - (uint32) (search.next - search.oldest);
	if (next_xid_at(ctx, store, low) > oldest)
		return (BbUndecided){.since = from->snapshot.lsn};
	undecided.oldest = search.oldest;
	undecided.since = before_assignment(ctx, store, oldest, low,
										from->snapshot.lsn);
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
