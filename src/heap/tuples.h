/*-------------------------------------------------------------------------
 *
 * tuples.h
 *	  The visible tuples of a heap at a snapshot: all of them, or that of a TID.
 *
 *	  bb_tuplescan_new ── next … next ── close		block ranges, in order
 *	  bb_tuple_fetch								what an index entry leads to
 *
 * Errors: those of pages.h and xacts.h; DATA_CORRUPTED (a tuple that no server
 * can have written).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_TUPLES_H
#define BB_HEAP_TUPLES_H

#include "heap/visibility.h"

/* What reads tuples did, for EXPLAIN. */
typedef struct BbTupleCounts
{
	uint64		pages;
	uint64		visible;
	uint64		invisible;
} BbTupleCounts;

typedef struct BbTupleScan BbTupleScan;

/*
 * bb_tuplescan_new - begin a scan of the blocks [from, until) of a main fork.
 *
 * It lives in CurrentMemoryContext, as what the scan of the page store needs does.
 * counts is added to, and may be NULL.
 *
 * REQUIRES: until is at most bb_pages_blocks().
 */
extern BbTupleScan *bb_tuplescan_new(const BbReqCtx *ctx, BbPages *pages,
									 BbXacts *xacts, BbRelLocator relation,
									 BlockNumber from, BlockNumber until,
									 BbTupleCounts *counts);

/*
 * bb_tuplescan_next - return the next visible tuple; NULL at the end.
 *
 * It points into a page, and stays valid until the next call.
 */
extern HeapTuple bb_tuplescan_next(const BbReqCtx *ctx, BbTupleScan *scan);

/*
 * Page by page: bb_tuplescan_range names the next blocks, bb_tuplescan_page reads the
 * next one of them (false: there is none), and bb_tuplescan_on_page returns the
 * visible tuples of that page.  They stay valid until the next page is read.
 *
 * REQUIRES: the blocks come after those before.
 */
extern void bb_tuplescan_range(BbTupleScan *scan, BlockNumber from,
							   BlockNumber until);
extern bool bb_tuplescan_page(const BbReqCtx *ctx, BbTupleScan *scan);
extern HeapTuple bb_tuplescan_on_page(const BbReqCtx *ctx, BbTupleScan *scan);

/* bb_tuplescan_any_on_page - the same, whether the tuple is visible or not. */
extern HeapTuple bb_tuplescan_any_on_page(const BbReqCtx *ctx,
										  BbTupleScan *scan);
extern void bb_tuplescan_close(BbTupleScan *scan);

/* Which versions of a row are wanted. */
typedef enum BbTupleWanted
{
	BB_TUPLE_VISIBLE,
	/*
	 * of a TOAST table: those that were inserted.  A value is read because a
	 * visible row has it, so nobody can have removed it.
	 */
	BB_TUPLE_INSERTED
} BbTupleWanted;

/*
 * bb_tuple_fetch - return the tuple that an index entry leads to, palloc'd, or
 * NULL.
 *
 * Follows a HOT chain, as heap_hot_search_buffer in PostgreSQL's heapam.c.
 */
extern HeapTuple bb_tuple_fetch(const BbReqCtx *ctx, BbPages *pages,
								BbXacts *xacts, BbRelLocator relation,
								ItemPointer tid, BbTupleWanted wanted);

#endif /* BB_HEAP_TUPLES_H */
