/*-------------------------------------------------------------------------
 *
 * indexes.h
 *	  Indexes of a table of the past that this server can search.
 *
 *	  pg_index ── operator class (built in) ── comparison function of this server
 *						│
 *				order of the collation and the type: known here?
 *
 * Built-in operator classes have the same OIDs in all clusters of a major version.
 * Others are unknown, and so is the order of types whose values hold OIDs of the
 * source, such as enums.  A column that is an expression is not searched, since the
 * expression consists of OIDs of the source, too; an index is searched by the
 * columns before that.
 *
 * Left out are: indexes that are not valid; partial ones; other access methods than
 * btree.
 *
 * indcheckxmin does not matter.  At the LSN no transaction is in progress, so no
 * row version is visible that was replaced before the index was built.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_INDEXES_H
#define BB_HEAP_INDEXES_H

#include "heap/btree.h"
#include "heap/tables.h"

typedef struct BbIndexColumn
{
	AttrNumber	column; /* of the table */
	Oid			family; /* operator family */
	Oid			type; /* of the operator class: the left one of its operators */
	Oid			stored;	   /* type of the column; of a domain, its base type */
	Oid			collation; /* of this server; Invalid: the type has none */
} BbIndexColumn;

typedef struct BbIndex
{
	Oid			oid;
	NameData	name;
	bool		unique;
	int			nkeys;	  /* columns that are keys */
	int			ncolumns; /* the first ones of them, which can be searched */
	BbIndexColumn columns[INDEX_MAX_KEYS];
	BlockNumber blocks;
	BbBtree		btree;
} BbIndex;

/*
 * bb_table_indexes - return the indexes (BbIndex *), in the order of their OIDs.
 *
 * They are kept for as long as the BbPast.
 */
extern List *bb_table_indexes(const BbReqCtx *ctx, BbPast *past,
							  BbTable *table);

#endif /* BB_HEAP_INDEXES_H */
