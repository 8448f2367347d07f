/*-------------------------------------------------------------------------
 *
 * tuples.c
 *	  The visible tuples of a heap at a snapshot: all of them, or that of a TID.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "heap/deform.h"
#include "heap/tuples.h"
#include "pagestore/blockread.h"
#include "pagestore/blockscan.h"
#include "utils/memutils.h"

struct BbTupleScan
{
	BbXacts	   *xacts;
	BbRelLocator relation;
	BlockNumber block; /* the next one to be read */
	BlockNumber until;
	BbBlockScan blocks;
	BbZeroRuns	zeros;
	BbTupleCounts *counts;
	/* the page at hand */
	char	   *page; /* a copy: values lie anywhere, and pages are aligned */
	OffsetNumber offset; /* the next one */
	OffsetNumber last;
	bool		all_visible;
	HeapTupleData tuple;
};

static BbKey
block_key(BbRelLocator relation, BlockNumber block)
{
	return bb_key_rel_block(BB_LOCATOR_SPC(relation), BB_LOCATOR_DB(relation),
							BB_LOCATOR_REL(relation), MAIN_FORKNUM, block);
}

BbTupleScan *
bb_tuplescan_new(const BbReqCtx *ctx, BbPages *pages, BbXacts *xacts,
				 BbRelLocator relation, BlockNumber from, BlockNumber until,
				 BbTupleCounts *counts)
{
	BbTupleScan *scan = palloc0(sizeof(BbTupleScan));
	BbKey		end = block_key(relation, until);

	scan->xacts = xacts;
	scan->relation = relation;
	scan->block = from;
	scan->until = until;
	scan->counts = counts != NULL ? counts : palloc0(sizeof(BbTupleCounts));
	scan->page = palloc(BLCKSZ);
	bb_blockscan_init(&scan->blocks, bb_pages_snapshot(pages));
	bb_blockscan_until(&scan->blocks, &end);
	bb_zeroruns_init(&scan->zeros, bb_pages_snapshot(pages));
	return scan;
}

void
bb_tuplescan_close(BbTupleScan *scan)
{
	bb_blockscan_close(&scan->blocks);
}

static void
use_page(BbTupleScan *scan, const BbKey *key, const uint8 *data)
{
	memcpy(scan->page, data, BLCKSZ);
	if (!bb_page_is_sound(scan->page))
		bb_pagestore_report_invalid(key);
	scan->offset = FirstOffsetNumber;
	scan->last = PageIsNew(scan->page) ? InvalidOffsetNumber
									   : PageGetMaxOffsetNumber(scan->page);
	scan->all_visible = !PageIsNew(scan->page) && PageIsAllVisible(scan->page);
	scan->counts->pages++;
}

void
bb_tuplescan_range(BbTupleScan *scan, BlockNumber from, BlockNumber until)
{
	BbKey		end = block_key(scan->relation, until);

	scan->block = from;
	scan->until = until;
	scan->last = InvalidOffsetNumber;
	bb_blockscan_until(&scan->blocks, &end);
}

bool
bb_tuplescan_page(const BbReqCtx *ctx, BbTupleScan *scan)
{
	BbKey		wanted = block_key(scan->relation, scan->block);
	BbKey		key;
	BbValue		value;
	const uint8 *page = NULL;

	if (scan->block >= scan->until)
		return false;
	bb_reqctx_check(ctx);
	if (bb_blockscan_peek(ctx, &scan->blocks, &wanted, &key, &value) &&
		bb_key_compare(&key, &wanted) == 0)
	{
		page = value.length == BLCKSZ ? value.data : NULL;
		bb_blockscan_advance(&scan->blocks);
	}
	else
		page = bb_zeroruns_page(ctx, &scan->zeros, &wanted);
	if (page == NULL)
		bb_pagestore_report_invalid(&wanted);
	use_page(scan, &wanted, page);
	scan->block++;
	return true;
}

/* Set the tuple to a line pointer's.  Returns false if it has none. */
static bool
tuple_at(Page page, OffsetNumber offset, BbRelLocator relation,
		 BlockNumber block, HeapTuple tuple)
{
	ItemId		item = PageGetItemId(page, offset);

	if (!ItemIdIsNormal(item))
		return false;
	tuple->t_data = (HeapTupleHeader) ((char *) page + ItemIdGetOffset(item));
	tuple->t_len = ItemIdGetLength(item);
	tuple->t_tableOid = InvalidOid;
	ItemPointerSet(&tuple->t_self, block, offset);
	if (!bb_item_is_sound(page, item) ||
		!bb_tuple_is_sound(tuple->t_data, tuple->t_len))
	{
		BbKey		key = block_key(relation, block);

		bb_pagestore_report_invalid(&key);
	}
	return true;
}

HeapTuple
bb_tuplescan_any_on_page(const BbReqCtx *ctx, BbTupleScan *scan)
{
	while (scan->last != InvalidOffsetNumber && scan->offset <= scan->last)
	{
		if (tuple_at(scan->page, scan->offset++, scan->relation,
					 scan->block - 1, &scan->tuple))
			return &scan->tuple;
	}
	return NULL;
}

HeapTuple
bb_tuplescan_on_page(const BbReqCtx *ctx, BbTupleScan *scan)
{
	HeapTuple	tuple;

	while ((tuple = bb_tuplescan_any_on_page(ctx, scan)) != NULL)
	{
		if (scan->all_visible ||
			bb_tuple_visible(ctx, scan->xacts, tuple->t_data))
		{
			scan->counts->visible++;
			return tuple;
		}
		scan->counts->invisible++;
	}
	return NULL;
}

HeapTuple
bb_tuplescan_next(const BbReqCtx *ctx, BbTupleScan *scan)
{
	for (;;)
	{
		HeapTuple	tuple = bb_tuplescan_on_page(ctx, scan);

		if (tuple != NULL)
			return tuple;
		if (!bb_tuplescan_page(ctx, scan))
			return NULL;
	}
}

/* ---- one tuple ---- */

/* A step of a HOT chain. */
typedef struct Link
{
	OffsetNumber offset;
	TransactionId
		previous; /* that updated the last tuple; Invalid: the first */
	bool		first;
} Link;

/*
 * The copy of the tuple at a link; NULL if the chain ends there.  A page may be
 * replaced by one that visibility needs, so nothing points into it.
 */
static HeapTuple
copy_link(Page page, BbRelLocator relation, BlockNumber block, Link *link)
{
	HeapTupleData tuple;
	ItemId		item;

	if (PageIsNew(page) || link->offset < FirstOffsetNumber ||
		link->offset > PageGetMaxOffsetNumber(page))
		return NULL;
	item = PageGetItemId(page, link->offset);
	if (link->first && ItemIdIsRedirected(item))
	{
		link->offset = ItemIdGetRedirect(item);
		link->first = false;
		return copy_link(page, relation, block, link);
	}
	if (!tuple_at(page, link->offset, relation, block, &tuple))
		return NULL;
	if (link->first && HeapTupleIsHeapOnly(&tuple))
		return NULL;
	if (TransactionIdIsValid(link->previous) &&
		!TransactionIdEquals(link->previous,
							 HeapTupleHeaderGetXmin(tuple.t_data)))
		return NULL;
	return heap_copytuple(&tuple);
}

HeapTuple
bb_tuple_fetch(const BbReqCtx *ctx, BbPages *pages, BbXacts *xacts,
			   BbRelLocator relation, ItemPointer tid, BbTupleWanted wanted)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	Link		link = {.offset = ItemPointerGetOffsetNumberNoCheck(tid),
						.first = true};

	/* a chain that was forged may be a circle */
	for (int length = 0; length <= MaxHeapTuplesPerPage; length++)
	{
		HeapTuple	tuple = copy_link(bb_pages_get(ctx, pages, relation,
												   block),
									  relation, block, &link);
		bool		found;

		if (tuple == NULL)
			return NULL;
		bb_reqctx_check(ctx);
		found = wanted == BB_TUPLE_INSERTED
			? bb_tuple_inserted(ctx, xacts, tuple->t_data)
			: bb_tuple_visible(ctx, xacts, tuple->t_data);
		if (found)
			return tuple;
		if (!HeapTupleIsHotUpdated(tuple) ||
			ItemPointerGetBlockNumberNoCheck(&tuple->t_data->t_ctid) != block)
			return NULL;
		link.previous = bb_tuple_updater(ctx, xacts, tuple->t_data);
		link.offset = ItemPointerGetOffsetNumberNoCheck(
			&tuple->t_data->t_ctid);
		link.first = false;
		pfree(tuple);
	}
	return NULL;
}
