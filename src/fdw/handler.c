/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The handler of the foreign-data wrapper "bbackup".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "fdw/scan.h"
#include "fmgr.h"

BB_SQL_FUNCTION(bb_sql_fdw_handler);

/* bb_fdw_handler() */
static Datum
bb_sql_fdw_handler_body(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = bb_fdw_rel_size;
	routine->GetForeignPaths = bb_fdw_paths;
	routine->GetForeignPlan = bb_fdw_plan;
	routine->BeginForeignScan = bb_fdw_begin;
	routine->IterateForeignScan = bb_fdw_iterate;
	routine->ReScanForeignScan = bb_fdw_rescan;
	routine->EndForeignScan = bb_fdw_end;
	routine->ExplainForeignScan = bb_fdw_explain;
	routine->AnalyzeForeignTable = bb_fdw_analyze;
	routine->ImportForeignSchema = bb_fdw_import;
	PG_RETURN_POINTER(routine);
}
