/*-------------------------------------------------------------------------
 *
 * indexuse.h
 *	  Which conditions an index of the past serves, and which index is best.
 *
 *	  index (a, b DESC, c)		a = 1, b > 5, c = 3		serves a = 1, b > 5
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_INDEXUSE_H
#define BB_FDW_INDEXUSE_H

#include "fdw/conditions.h"
#include "heap/indexes.h"

/* So many bounds of a column are used. */
#define BB_INDEXUSE_MAX_BOUNDS 8
#define BB_INDEXUSE_MAX_KEYS (INDEX_MAX_KEYS + BB_INDEXUSE_MAX_BOUNDS)

typedef struct BbIndexUseKey
{
	int			column; /* of the index, from 0 on */
	int			strategy;
	const BbCondition *condition;
	Oid			compare; /* function of the column's type and the value's */
	Oid			compare_values; /* of two values, for ANY; or Invalid */
} BbIndexUseKey;

typedef struct BbIndexUse
{
	const BbIndex *index;
	bool		unique; /* leads to one row at most, for each combination of ANY */
	int			nkeys;
	BbIndexUseKey keys[BB_INDEXUSE_MAX_KEYS];
} BbIndexUse;

/*
 * bb_indexuse_match - set *use to the keys of the index that conditions
 * (BbCondition *) give.  Returns false if there are none.
 *
 * columns[i] is the column of the indexed table that column i + 1 of the foreign
 * table is; 0: none.
 */
extern bool bb_indexuse_match(const BbIndex *index, List *conditions,
							  const AttrNumber *columns, BbIndexUse *use);

/*
 * bb_indexuse_best - set *use to the index (BbIndex *) that serves most
 * conditions.  Returns false if none serves any.
 */
extern bool bb_indexuse_best(List *indexes, List *conditions,
							 const AttrNumber *columns, BbIndexUse *use);

#endif /* BB_FDW_INDEXUSE_H */
