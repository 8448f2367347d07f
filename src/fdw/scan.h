/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Planning and running scans of tables of the past, and sampling them.
 *
 * The functions are those of FdwRoutine (PostgreSQL's foreign/fdwapi.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_SCAN_H
#define BB_FDW_SCAN_H

#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "foreign/fdwapi.h"

/* plan.c */
extern void bb_fdw_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern ForeignScan *bb_fdw_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
								ForeignPath *path, List *tlist, List *clauses,
								Plan *outer_plan);

/*
 * bb_fdw_plan_columns - set needed[i] for each column of the foreign table, from 0
 * on, that a plan uses.  Returns whether it uses system columns.
 */
extern bool bb_fdw_plan_columns(const ForeignScan *plan, int natts,
								bool *needed);

/* bb_fdw_plan_conditions - return the conditions (BbCondition *) of a plan. */
extern List *bb_fdw_plan_conditions(const ForeignScan *plan);

/* paths.c */
extern void bb_fdw_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);

/* scan.c */
extern void bb_fdw_begin(ForeignScanState *node, int eflags);
extern TupleTableSlot *bb_fdw_iterate(ForeignScanState *node);
extern void bb_fdw_rescan(ForeignScanState *node);
extern void bb_fdw_end(ForeignScanState *node);
extern void bb_fdw_explain(ForeignScanState *node, ExplainState *es);

/* analyze.c */
extern bool bb_fdw_analyze(Relation relation, AcquireSampleRowsFunc *function,
						   BlockNumber *pages);

/* import.c */
extern List *bb_fdw_import(ImportForeignSchemaStmt *statement, Oid server);

#endif /* BB_FDW_SCAN_H */
