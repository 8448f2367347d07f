/*-------------------------------------------------------------------------
 *
 * btree.h
 *	  Descending a btree index as it was at a snapshot.
 *
 * As nbtsearch.c in PostgreSQL, forward only, and without locks: pages of a
 * snapshot do not change.
 *
 *	  columns	a  b  c		keys	a = 1, b IS NULL, c >= 3, c < 9
 *
 * The first keys are equalities, one for each of the first columns.  Then there
 * may be bounds for the next column, in any number and order.
 *
 * What an entry leads to may be invisible, or have other values: the caller
 * fetches the tuple and checks the conditions again.  Entries that are marked as
 * dead are returned, too, as on a standby.
 *
 * An index of version 2 or 3 (before PostgreSQL 12) has equal entries in any
 * order, and its pivot tuples may equal entries to their left.  Nothing here
 * depends on more.
 *
 * Errors: those of pages.h; INDEX_CORRUPTED (index, block).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_BTREE_H
#define BB_HEAP_BTREE_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "heap/pages.h"
#include "storage/itemptr.h"

/* An index of the stored cluster. */
typedef struct BbBtree
{
	const char *name;
	BbRelLocator relation;
	TupleDesc	desc; /* of its tuples, with INCLUDE columns */
	/* for each column that keys may be of */
	Oid			collations[INDEX_MAX_KEYS]; /* of this server */
	int16		options[INDEX_MAX_KEYS];	/* INDOPTION_* */
	bool		optional; /* the table can be read without it; for a hint */
} BbBtree;

/* Keys that have no value, besides BTEqualStrategyNumber and so on. */
#define BB_BTREE_IS_NULL 101	 /* an equality */
#define BB_BTREE_IS_NOT_NULL 102 /* a bound */

typedef struct BbBtreeKey
{
	int			column;	  /* from 0 on */
	int			strategy; /* BTEqualStrategyNumber, …, BB_BTREE_IS_NULL, … */
	Datum		value;	  /* never NULL */
	FmgrInfo	compare; /* of the column's type and the value's */
} BbBtreeKey;

typedef struct BbBtreeScan BbBtreeScan;

/*
 * bb_btreescan_new - begin a scan, in CurrentMemoryContext.
 *
 * *npages is increased for each page that is read; it may be NULL.
 *
 * REQUIRES: index and keys outlive the scan.
 */
extern BbBtreeScan *bb_btreescan_new(const BbReqCtx *ctx, BbPages *pages,
									 const BbBtree *index, BbBtreeKey *keys,
									 int nkeys, uint64 *npages);

/* bb_btreescan_next - set *tid to the next one.  Returns false at the end. */
extern bool bb_btreescan_next(const BbReqCtx *ctx, BbBtreeScan *scan,
							  ItemPointer tid);

#endif /* BB_HEAP_BTREE_H */
