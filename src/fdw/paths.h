/*-------------------------------------------------------------------------
 *
 * paths.h
 *	  What planning needs to know of the parts of a table of the past.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_PATHS_H
#define BB_FDW_PATHS_H

#include "fdw/indexuse.h"

/* One of a list in RelOptInfo's fdw_private. */
typedef struct BbPlannedPart
{
	double		blocks;
	double		tuples;
	List	   *indexes; /* BbIndex *, without what only scans need */
	AttrNumber *columns; /* as bb_indexuse_match takes them */
} BbPlannedPart;

/*
 * bb_planned_rows - return the number of rows, estimated as "rows", that conditions
 * leave: at most one for each part that has a unique index for them.
 */
extern double bb_planned_rows(List *parts, List *conditions, double rows);

#endif /* BB_FDW_PATHS_H */
