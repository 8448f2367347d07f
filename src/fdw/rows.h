/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows of the past as rows of a foreign table.
 *
 *	  parts ── visible tuples ── needed columns, by name ── detoast ── convert
 *				  │
 *	  of all blocks, or of what an index leads to
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_ROWS_H
#define BB_FDW_ROWS_H

#include "executor/tuptable.h"
#include "fdw/probe.h"
#include "heap/past.h"
#include "heap/tuples.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

typedef struct BbRows BbRows;

/*
 * bb_rows_new - prepare reading the parts (BbTable *), in CurrentMemoryContext.
 *
 * "needed" says which columns of the foreign table are used, from 0 on; others
 * will be NULL.  With "system", the rows have ctid, xmin and so on.
 */
extern BbRows *bb_rows_new(const BbReqCtx *ctx, BbPast *past, Relation local,
						   List *parts, const bool *needed, bool system);

/*
 * bb_rows_use - read only rows that the probe finds, of parts that have an index.
 */
extern void bb_rows_use(BbRows *rows, BbProbe *probe);

/*
 * bb_rows_next - store the next row in the slot, or clear it at the end.
 *
 * Values are allocated in CurrentMemoryContext, or belong to the rows and stay
 * valid until the next call.
 *
 * Errors: those of heap; UNDEFINED_COLUMN (a needed column is not there at this
 * LSN); DATATYPE_MISMATCH.
 */
extern void bb_rows_next(BbRows *rows, TupleTableSlot *slot);

/*
 * Rows of tuples that the caller has found: bb_rows_column returns the column of a
 * part (0: the first) that foreign column i shows, from 0 on; 0: none is needed.
 * bb_rows_store stores a tuple of the part in the slot, as bb_rows_next does.
 */
extern AttrNumber bb_rows_column(BbRows *rows, int part, int i);
extern void bb_rows_store(BbRows *rows, int part, HeapTuple tuple,
						  TupleTableSlot *slot);

/* bb_rows_restart - begin anew with the first row, and new values of the probe. */
extern void bb_rows_restart(BbRows *rows);
extern void bb_rows_close(BbRows *rows);

/* What was read so far. */
extern const BbTupleCounts *bb_rows_counts(const BbRows *rows);
extern uint64 bb_rows_toasted(const BbRows *rows);

#endif /* BB_FDW_ROWS_H */
