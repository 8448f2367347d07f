/*-------------------------------------------------------------------------
 *
 * probe.h
 *	  Searching the indexes of a table's parts for what conditions want.
 *
 *	  bb_probe_new ── (bb_probe_restart ── (bb_probe_begin next*)*)*
 *
 * Each part is searched by the one of its indexes that serves most conditions.  A
 * part without one has to be scanned, but only the blocks that conditions on ctid
 * name.
 *
 * Errors: those of btree.h and indexes.h; those of the expressions of values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_PROBE_H
#define BB_FDW_PROBE_H

#include "fdw/indexuse.h"
#include "heap/past.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef struct BbProbe BbProbe;

/*
 * bb_probe_new - prepare searches by conditions (BbCondition *), in
 * CurrentMemoryContext.
 *
 * "values" are their values (ExprState *), which are computed with "econtext" when
 * the first part is begun.
 */
extern BbProbe *bb_probe_new(const BbReqCtx *ctx, BbPast *past, Relation local,
							 List *conditions, List *values,
							 ExprContext *econtext);

/* bb_probe_restart - forget the values of the conditions. */
extern void bb_probe_restart(BbProbe *probe);

/* bb_probe_index - return the index that a part is searched by, or NULL. */
extern const BbIndex *bb_probe_index(BbProbe *probe, BbTable *part);

/* bb_probe_begin - begin with a part that has an index. */
extern void bb_probe_begin(BbProbe *probe, BbTable *part);

/* bb_probe_has_range - is there a condition on ctid? */
extern bool bb_probe_has_range(const BbProbe *probe);

/*
 * bb_probe_blocks - set the blocks [*from, *until), of "blocks", that have to be
 * scanned of a part without an index.
 */
extern void bb_probe_blocks(BbProbe *probe, BlockNumber blocks,
							BlockNumber *from, BlockNumber *until);

/* bb_probe_next - set *tid to the next one.  Returns false at the end of the part. */
extern bool bb_probe_next(BbProbe *probe, ItemPointer tid);

/* bb_probe_pages - return how many pages of indexes were read. */
extern uint64 bb_probe_pages(const BbProbe *probe);

/*
 * bb_probe_columns - set columns[i] to the column of the part that column i + 1 of
 * the foreign table is; 0: none.
 */
extern void bb_probe_columns(const BbReqCtx *ctx, BbPast *past, BbTable *part,
							 Relation local, AttrNumber *columns);

#endif /* BB_FDW_PROBE_H */
