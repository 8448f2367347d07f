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
#include "base/clusterfile.h"
#include "history/xactends.h"
#include "layer/native.h"
#include "pagestore/snapshot.h"

/* Commits that are nearer than that are reached by reading on. */
#define NEAR_BYTES (256 * 1024)

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

/* The smallest full xid of those that ended. */
typedef struct Smallest
{
	uint64		next; /* xids are before that, by less than 2^31 */
	uint64		xid;
} Smallest;

static void
keep_smallest(void *arg, uint32 page, uint32 entry, uint8 status,
			  XLogRecPtr lsn)
{
	Smallest   *smallest = arg;
	uint32		xid = page * BB_XACT_PER_PAGE + entry;
	uint64		full = (smallest->next & ~(uint64) PG_UINT32_MAX) | xid;

	if (full >= smallest->next)
		full -= (uint64) 1 << 32;
	smallest->xid = Min(smallest->xid, full);
}

XLogRecPtr
bb_xactends_began(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr start,
				  XLogRecPtr after, XLogRecPtr until)
{
	BbKeyRange	range = all_pages();
	XLogRecPtr	low = start;
	XLogRecPtr	high = after;
	Smallest	smallest;

	if (start == after)
		return start;
	smallest.next = bb_xactends_next_xid(ctx, store, until);
	smallest.xid = smallest.next;
	read_changes(ctx, store, &range, after, until, keep_smallest, &smallest);

	/* up to "low" the xid was unused; above "high" it may be used */
	if (bb_xactends_next_xid(ctx, store, start) > smallest.xid)
		return start;
	while (high - low > 1)
	{
		XLogRecPtr	middle = low + (high - low) / 2;

		bb_reqctx_check(ctx);
		if (bb_xactends_next_xid(ctx, store, middle) <= smallest.xid)
			low = middle;
		else
			high = middle;
	}
	return bb_xactends_next_xid(ctx, store, high) <= smallest.xid ? high : low;
}

/* ---- what commit records say ---- */

struct BbCommits
{
	BbPageStore *store;
	XLogRecPtr	until;
	BbPageVersions *versions; /* NULL: none are open */
	XLogRecPtr	at;	   /* the LSN of "commit"; Invalid: nothing was read */
	bool		ended; /* there is no later one */
	BbCommit	commit;
};

BbCommits *
bb_commits_new(BbPageStore *store, XLogRecPtr until)
{
	BbCommits  *commits = palloc0(sizeof(BbCommits));

	commits->store = store;
	commits->until = until;
	return commits;
}

void
bb_commits_close(BbCommits *commits)
{
	if (commits->versions != NULL)
		bb_pagestore_versions_close(commits->versions);
	pfree(commits);
}

bool
bb_commits_find(const BbReqCtx *ctx, BbCommits *commits, XLogRecPtr lsn,
				BbCommit *commit)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbValue		value;

	if (commits->versions != NULL && !commits->ended &&
		lsn > commits->at + NEAR_BYTES)
	{
		bb_pagestore_versions_close(commits->versions);
		commits->versions = NULL;
	}
	if (commits->versions == NULL)
	{
		commits->versions = bb_pagestore_versions_new(ctx, commits->store,
													  &key, lsn - 1,
													  commits->until);
		commits->at = InvalidXLogRecPtr;
	}
	while (commits->at < lsn && !commits->ended)
	{
		if (!bb_pagestore_versions_next(ctx, commits->versions, &commits->at,
										&value))
		{
			commits->ended = true;
			return false;
		}
		commits->commit = bb_snapshot_commit(&key, &value);
	}
	*commit = commits->commit;
	return commits->at == lsn;
}
