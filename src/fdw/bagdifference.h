/*-------------------------------------------------------------------------
 *
 * bagdifference.h
 *	  Rows that two bags of rows do not share.
 *
 *	  - rows ─┐									   ┌─ by key, "-" before "+"
 *			  ├─ sort by content ── equal ones cancel ─┤
 *	  + rows ─┘									   └─ without a key: in any order
 *
 * Rows are equal if their bytes are, with values decompressed and not out of line;
 * so types without an equality operator can be compared, and 1.0 is not 1.00.
 *
 * The rows are sorted on disk if they need more than work_mem.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_BAGDIFFERENCE_H
#define BB_FDW_BAGDIFFERENCE_H

#include "executor/tuptable.h"

typedef struct BbBagDifference BbBagDifference;

/*
 * bb_bagdifference_new - begin, in CurrentMemoryContext.
 *
 * The rows are those of a table whose descriptor is "desc".  keys are nkeys of its
 * columns, from 1 on; those whose type has no order are left out.
 */
extern BbBagDifference *bb_bagdifference_new(TupleDesc desc,
											 const AttrNumber *keys,
											 int nkeys);

/*
 * bb_bagdifference_image - return a row as a composite value, palloc'd, with its
 * values in line.
 */
extern Datum bb_bagdifference_image(TupleDesc desc, TupleTableSlot *row);

/* bb_bagdifference_add - add the row in the slot to one of the bags. */
extern void bb_bagdifference_add(BbBagDifference *difference, bool plus,
								 TupleTableSlot *row);

/* bb_bagdifference_finish - all rows have been added. */
extern void bb_bagdifference_finish(BbBagDifference *difference);

/*
 * bb_bagdifference_next - return the next row of the difference, a composite value
 * that stays valid until the next call.	 Returns false at the end.
 */
extern bool bb_bagdifference_next(BbBagDifference *difference, bool *plus,
								  Datum *row);
extern void bb_bagdifference_close(BbBagDifference *difference);

#endif /* BB_FDW_BAGDIFFERENCE_H */
