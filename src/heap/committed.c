/*-------------------------------------------------------------------------
 *
 * committed.c
 *	  When a transaction committed, by its ID or that of a subtransaction of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/slru.h"
#include "access/transam.h"
#include "catalog/pg_control.h"
#include "heap/committed.h"
#include "layer/native.h"

static int
status_of(const uint8 *page, TransactionId xid)
{
	uint32		entry = xid % BB_XACT_PER_PAGE;

	return (page[entry / 4] >> (entry % 4 * 2)) & 3;
}

/*
 * Had the ID committed by the snapshot?  pg_xact begins with the oldest ID that is
 * not frozen, and rows of older ones that did not commit have been removed.
 */
static bool
committed_by(const BbReqCtx *ctx, BbPast *past, TransactionId xid)
{
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, &past->snapshot, &key,
										  sizeof(CheckPoint));
	CheckPoint	checkpoint;

	memcpy(&checkpoint, value.data, sizeof(checkpoint));
	if (!TransactionIdIsNormal(xid) ||
		TransactionIdPrecedes(xid, checkpoint.oldestXid))
		return true;
	if (!TransactionIdPrecedes(xid,
							   XidFromFullTransactionId(checkpoint.nextXid)))
		return false;
	return bb_xacts_committed(ctx, past->xacts, xid);
}

static void
apply(const BbEntry *entry, uint8 *page)
{
	BbChange	change = {entry->lsn, entry->type, entry->value,
						  entry->length};

	if (entry->type == BB_ENTRY_NATIVE)
		bb_native_apply(&entry->key, &change, page);
	else if (entry->type == BB_ENTRY_IMAGE && entry->length == BLCKSZ)
		memcpy(page, entry->value, BLCKSZ);
	else
		memset(page, 0, BLCKSZ);
}

/* The LSN of the change that sets the status of the ID; Invalid: there is none. */
static XLogRecPtr
find_change(const BbReqCtx *ctx, BbPast *from, BbPast *until,
			TransactionId xid)
{
	uint32		number = xid / BB_XACT_PER_PAGE;
	BbKeyRange	range;
	const uint8 *before = bb_pages_slru(ctx, from->pages, BB_SLRU_XACT,
										number);
	uint8	   *page = palloc0(BLCKSZ);
	BbPageEntries *entries;
	BbEntry		entry;
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	if (before != NULL)
		memcpy(page, before, BLCKSZ);
	range.start = bb_key_slru_block(BB_SLRU_XACT,
									number / SLRU_PAGES_PER_SEGMENT,
									number % SLRU_PAGES_PER_SEGMENT);
	range.end = bb_key_next(&range.start);
	entries = bb_pagestore_entries_new(ctx, until->snapshot.store, &range,
									   from->snapshot.lsn,
									   until->snapshot.lsn);
	while (XLogRecPtrIsInvalid(lsn) &&
		   bb_pagestore_entries_next(ctx, entries, &entry))
	{
		apply(&entry, page);
		if (status_of(page, xid) == TRANSACTION_STATUS_COMMITTED)
			lsn = entry.lsn;
	}
	bb_pagestore_entries_close(entries);
	pfree(page);
	return lsn;
}

BbCommitted
bb_committed_find(const BbReqCtx *ctx, BbPast *from, BbPast *until,
				  TransactionId xid, BbCommitAt *at)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbSnapshot	snapshot;
	BbValue		value;

	if (committed_by(ctx, from, xid))
		return BB_COMMITTED_BEFORE;
	at->lsn = find_change(ctx, from, until, xid);
	if (XLogRecPtrIsInvalid(at->lsn))
		return BB_COMMITTED_NOT;
	snapshot = bb_snapshot_at(until->snapshot.store, at->lsn);
	value = bb_pagestore_need(ctx, &snapshot, &key, 0);
	at->commit = bb_snapshot_commit(&key, &value);
	return BB_COMMITTED_BETWEEN;
}
