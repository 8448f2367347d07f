/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  The rows of a table that differ between two LSNs.
 *
 *	  parts at "from" ─┬─ the same file ── changed blocks ── page by page ─┐
 *	  parts at "until" ─┘															  ├─ bag
 *						└─ another file, or none ── all rows ──────────────┘	difference
 *
 * A row that is at the same place of a page at both, with the same bytes, is no
 * difference.  The others are compared as rows of the foreign table.
 *
 * All rows are read where the changed blocks are not known (changedblocks.h), where
 * the table has another file (VACUUM FULL, TRUNCATE, …), where a partition is there
 * only at one of the LSNs, and where the same bytes may read differently
 * (sameform.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_CHANGES_H
#define BB_FDW_CHANGES_H

#include "fdw/bagdifference.h"
#include "heap/past.h"
#include "stores/table_options.h"
#include "utils/rel.h"

/*
 * bb_changes_read - add the rows that may differ to a difference: "-" at "from", "+"
 * at "until".
 *
 * Errors: those of parts.h and rows.h.
 */
extern void bb_changes_read(const BbReqCtx *ctx, BbPast *from, BbPast *until,
							const BbTableOptions *options, Relation local,
							BbBagDifference *difference);

/*
 * bb_changes_key - set columns[], at most INDEX_MAX_KEYS, to those of the foreign
 * table, from 1 on, that show the primary key.  Returns how many; 0: the table has
 * none, or the foreign table lacks a column of it.
 */
extern int bb_changes_key(const BbReqCtx *ctx, BbPast *past,
						  const BbTableOptions *options, Relation local,
						  AttrNumber *columns);

#endif /* BB_FDW_CHANGES_H */
