/*-------------------------------------------------------------------------
 *
 * xactends.c
 *	  When transactions ended, and how.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/slru.h"
#include "access/transam.h"
#include "heap/xactends.h"
#include "layer/native.h"
#include "pagestore/snapshot.h"

#define NO_PAGE UINT32_MAX

struct BbXactEnds
{
	BbPageStore *store;
	XLogRecPtr	after;
	XLogRecPtr	until;
	uint64		next; /* full xid at "until" */
	/* of one page of pg_xact */
	uint32		page; /* NO_PAGE: of none yet */
	XLogRecPtr *lsns; /* Invalid: no end */
	uint8	   *statuses;
};

static BbKey
page_key(uint32 page)
{
	return bb_key_slru_block(BB_SLRU_XACT, page / SLRU_PAGES_PER_SEGMENT,
							 page % SLRU_PAGES_PER_SEGMENT);
}

uint64
bb_xactends_next_xid(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbSnapshot	snapshot = bb_snapshot_at(store, lsn);
	BbValue		value = bb_pagestore_need(ctx, &snapshot, &key, 0);

	return bb_snapshot_checkpoint(&snapshot, &key, &value).next_xid;
}

BbXactEnds *
bb_xactends_new(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr after,
				XLogRecPtr until)
{
	BbXactEnds *ends = palloc0(sizeof(BbXactEnds));
	uint64		first = bb_xactends_next_xid(ctx, store, after);

	ends->store = store;
	ends->after = after;
	ends->until = until;
	ends->next = bb_xactends_next_xid(ctx, store, until);
	ends->page = NO_PAGE;
	ends->lsns = palloc(BB_XACT_PER_PAGE * sizeof(XLogRecPtr));
	ends->statuses = palloc(BB_XACT_PER_PAGE);
	if (ends->next - first >= PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("range of LSNs has too many transactions"),
				 errdetail("Between " BB_LSN_FORMAT " and " BB_LSN_FORMAT ", " UINT64_FORMAT " transaction IDs were assigned; the limit is %d.",
						   LSN_FORMAT_ARGS(after), LSN_FORMAT_ARGS(until),
						   ends->next - first, PG_INT32_MAX),
				 errhint("Ask for a shorter range.")));
	return ends;
}

uint64
bb_xactends_full(const BbXactEnds *ends, TransactionId xid)
{
	uint64		full = (ends->next & ~(uint64) PG_UINT32_MAX) | xid;

	return full < ends->next ? full : full - ((uint64) 1 << 32);
}

/* ---- changes of pg_xact ---- */

/* Called for each transaction that an entry of pg_xact sets the status of. */
typedef void (*SetCallback) (void *arg, uint32 page, uint32 entry,
							 uint8 status, XLogRecPtr lsn);

static void
set_by_native(const BbEntry *entry, uint32 page, SetCallback callback,
			  void *arg)
{
	if (entry->length < 2 || entry->value[0] != BB_NATIVE_XACT_SET ||
		entry->value[1] > TRANSACTION_STATUS_SUB_COMMITTED ||
		entry->length % 2 != 0)
		bb_pagestore_report_invalid(&entry->key);
	for (uint32 at = 2; at < entry->length; at += 2)
	{
		uint16		position = entry->value[at] | entry->value[at + 1] << 8;

		if (position >= BB_XACT_PER_PAGE)
			bb_pagestore_report_invalid(&entry->key);
		callback(arg, page, position, entry->value[1], entry->lsn);
	}
}

/* An image is one of a new page, which may have a status already. */
static void
set_by_image(const BbEntry *entry, uint32 page, SetCallback callback,
			 void *arg)
{
	if (entry->length != BLCKSZ)
		bb_pagestore_report_invalid(&entry->key);
	for (uint32 i = 0; i < BB_XACT_PER_PAGE; i++)
	{
		uint8		status = entry->value[i / 4] >> (i % 4 * 2) & 3;

		if (status != TRANSACTION_STATUS_IN_PROGRESS)
			callback(arg, page, i, status, entry->lsn);
	}
}

static void
read_changes(const BbReqCtx *ctx, BbPageStore *store, const BbKeyRange *range,
			 XLogRecPtr after, XLogRecPtr until, SetCallback callback,
			 void *arg)
{
	BbPageEntries *entries = bb_pagestore_entries_new(ctx, store, range, after,
													  until);
	BbEntry		entry;

	while (bb_pagestore_entries_next(ctx, entries, &entry))
	{
		BbKeyFields key = bb_key_fields(&entry.key);
		uint32		page = key.rel * SLRU_PAGES_PER_SEGMENT + key.block;

		if (entry.type == BB_ENTRY_NATIVE)
			set_by_native(&entry, page, callback, arg);
		else if (entry.type == BB_ENTRY_IMAGE)
			set_by_image(&entry, page, callback, arg);
	}
	bb_pagestore_entries_close(entries);
}

/* ---- one page ---- */

/* The first end counts; nothing changes it, but a page is new after a wraparound. */
static void
set_end(void *arg, uint32 page, uint32 entry, uint8 status, XLogRecPtr lsn)
{
	BbXactEnds *ends = arg;

	if (status == TRANSACTION_STATUS_SUB_COMMITTED ||
		!XLogRecPtrIsInvalid(ends->lsns[entry]))
		return;
	ends->lsns[entry] = lsn;
	ends->statuses[entry] = status;
}

static void
load_page(const BbReqCtx *ctx, BbXactEnds *ends, uint32 page)
{
	BbKeyRange	range;

	ends->page = NO_PAGE;
	memset(ends->lsns, 0, BB_XACT_PER_PAGE * sizeof(XLogRecPtr));
	range.start = page_key(page);
	range.end = bb_key_next(&range.start);
	read_changes(ctx, ends->store, &range, ends->after, ends->until, set_end,
				 ends);
	ends->page = page;
}

BbXactEnd
bb_xactends_find(const BbReqCtx *ctx, BbXactEnds *ends, TransactionId xid)
{
	uint32		page = xid / BB_XACT_PER_PAGE;
	uint32		entry = xid % BB_XACT_PER_PAGE;

	if (page != ends->page)
		load_page(ctx, ends, page);
	return (BbXactEnd){
		.lsn = ends->lsns[entry],
		.committed = ends->statuses[entry] == TRANSACTION_STATUS_COMMITTED &&
			!XLogRecPtrIsInvalid(ends->lsns[entry]),
	};
}

/* ---- all pages ---- */

static BbKeyRange
all_pages(void)
{
	BbKeyRange	range;

	range.start = bb_key_slru_block(BB_SLRU_XACT, 0, 0);
	range.end = bb_key_slru_block((BbSlru) (BB_SLRU_XACT + 1), 0, 0);
	return range;
}

static void
add_committed(void *arg, uint32 page, uint32 entry, uint8 status,
			  XLogRecPtr lsn)
{
	List	  **xids = arg;

	if (status == TRANSACTION_STATUS_COMMITTED)
		*xids = lappend_oid(*xids, page * BB_XACT_PER_PAGE + entry);
}

List *
bb_xactends_at(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbKeyRange	range = all_pages();
	List	   *xids = NIL;

	read_changes(ctx, store, &range, lsn - 1, lsn, add_committed, &xids);
	return xids;
}

/* ---- those that had begun ---- */

/* pg_xact is a circle of so many pages; half of it is the past. */
#define XACT_PAGES ((uint32) (PG_UINT32_MAX / BB_XACT_PER_PAGE) + 1)

typedef struct Oldest
{
	const BbReqCtx *ctx;
	BbSnapshot	after;
	TransactionId next; /* at "after" */
	TransactionId xid;	/* Invalid: none yet */
	/* a page of pg_xact at "after" */
	uint32		page; /* NO_PAGE: none yet */
	bool		exists;
	PGAlignedBlock before;
} Oldest;

/* Had it ended by "after"? */
static bool
had_ended(Oldest *oldest, uint32 page, uint32 entry)
{
	int			status;

	if (page != oldest->page)
	{
		BbKey		key = page_key(page);
		BbValue		value;

		oldest->exists = bb_pagestore_get(oldest->ctx, &oldest->after, &key,
										  &value);
		if (oldest->exists && value.length != BLCKSZ)
			bb_pagestore_report_invalid(&key);
		if (oldest->exists)
			memcpy(oldest->before.data, value.data, BLCKSZ);
		oldest->page = page;
	}
	if (!oldest->exists)
		return false;
	status = (uint8) oldest->before.data[entry / 4] >> (entry % 4 * 2) & 3;
	return status == TRANSACTION_STATUS_COMMITTED ||
		status == TRANSACTION_STATUS_ABORTED;
}

static void
keep_oldest(void *arg, uint32 page, uint32 entry, uint8 status, XLogRecPtr lsn)
{
	Oldest	   *oldest = arg;
	TransactionId xid = page * BB_XACT_PER_PAGE + entry;

	if (status == TRANSACTION_STATUS_COMMITTED && TransactionIdIsNormal(xid) &&
		TransactionIdPrecedes(xid, oldest->next) &&
		(!TransactionIdIsValid(oldest->xid) ||
		 TransactionIdPrecedes(xid, oldest->xid)) &&
		!had_ended(oldest, page, entry))
		oldest->xid = xid;
}

TransactionId
bb_xactends_oldest(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr after,
				   XLogRecPtr until)
{
	Oldest		oldest = {.ctx = ctx,
						  .after = bb_snapshot_at(store, after),
						  .page = NO_PAGE};
	BbKeyRange	range = all_pages();
	uint32		last;
	uint32		first;

	oldest.next = (TransactionId) bb_xactends_next_xid(ctx, store, after);
	/* later transactions are on later pages, which need not be read */
	last = oldest.next / BB_XACT_PER_PAGE;
	first = (last + XACT_PAGES - XACT_PAGES / 2 + 1) % XACT_PAGES;
	if (first > last)
	{
		range.start = page_key(first);
		read_changes(ctx, store, &range, after, until, keep_oldest, &oldest);
		first = 0;
	}
	range.start = page_key(first);
	range.end = page_key(last);
	range.end = bb_key_next(&range.end);
	read_changes(ctx, store, &range, after, until, keep_oldest, &oldest);
	return oldest.xid;
}
