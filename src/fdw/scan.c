/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Running scans of tables of the past.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "executor/executor.h"
#include "fdw/kept.h"
#include "fdw/parts.h"
#include "fdw/rows.h"
#include "fdw/scan.h"
#include "stores/call.h"
#include "utils/rel.h"

typedef struct PastScan
{
	const BbReqCtx *ctx;
	BbTableOptions options;
	BbBorrowed *borrowed;
	List	   *parts;
	BbProbe	   *probe; /* NULL: there are no conditions for indexes */
	BbRows	   *rows;
} PastScan;

static BbProbe *
make_probe(ForeignScanState *node, const PastScan *scan)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List	   *conditions = bb_fdw_plan_conditions(plan);

	if (conditions == NIL)
		return NULL;
	return bb_probe_new(scan->ctx, bb_past_of(scan->borrowed),
						node->ss.ss_currentRelation, conditions,
						ExecInitExprList(plan->fdw_exprs, &node->ss.ps),
						node->ss.ps.ps_ExprContext);
}

void
bb_fdw_begin(ForeignScanState *node, int eflags)
{
	Relation	local = node->ss.ss_currentRelation;
	int			natts = RelationGetDescr(local)->natts;
	bool	   *needed = palloc(natts * sizeof(bool) + 1);
	bool		system = bb_fdw_plan_columns((ForeignScan *) node->ss.ps.plan,
											 natts, needed);
	PastScan   *scan = palloc0(sizeof(PastScan));
	BbPast	   *past;

	node->fdw_state = scan;
	scan->options = bb_tableoptions_of(RelationGetRelid(local));
	scan->ctx = bb_call_begin(scan->options.table, BB_TASK_TABLE_READ);
	scan->borrowed = bb_past_borrow(scan->ctx, &scan->options,
									local->rd_rel->relowner,
									node->ss.ps.state->es_query_cxt);
	past = bb_past_of(scan->borrowed);
	scan->parts = bb_parts_of(scan->ctx, past,
							  bb_parts_table(scan->ctx, past, &scan->options),
							  scan->options.only);
	scan->rows = bb_rows_new(scan->ctx, past, local, scan->parts, needed,
							 system);
	scan->probe = make_probe(node, scan);
	bb_rows_use(scan->rows, scan->probe);
}

TupleTableSlot *
bb_fdw_iterate(ForeignScanState *node)
{
	PastScan   *scan = node->fdw_state;

	bb_rows_next(scan->rows, node->ss.ss_ScanTupleSlot);
	return node->ss.ss_ScanTupleSlot;
}

void
bb_fdw_rescan(ForeignScanState *node)
{
	bb_rows_restart(((PastScan *) node->fdw_state)->rows);
}

void
bb_fdw_end(ForeignScanState *node)
{
	PastScan   *scan = node->fdw_state;

	if (scan == NULL)
		return;
	bb_rows_close(scan->rows);
	bb_past_return(scan->borrowed);
	bb_reqctx_end(scan->ctx);
}

static void
explain_reads(const PastScan *scan, ExplainState *es)
{
	const BbCounters *counters = scan->ctx->counters;
	const BbTupleCounts *tuples = bb_rows_counts(scan->rows);

	ExplainPropertyInteger("Pages Read", NULL, tuples->pages, es);
	if (scan->probe != NULL)
		ExplainPropertyInteger("Index Pages Read", NULL,
							   bb_probe_pages(scan->probe), es);
	ExplainPropertyInteger("Rows Not Visible", NULL, tuples->invisible, es);
	ExplainPropertyInteger("TOAST Values", NULL, bb_rows_toasted(scan->rows),
						   es);
	ExplainPropertyInteger("Layers Visited", NULL, counters->layers_visited,
						   es);
	ExplainPropertyInteger("Pages Redone", NULL, counters->pages_redone, es);
	ExplainPropertyInteger("WAL Records Applied", NULL,
						   counters->records_applied, es);
}

/* The indexes that parts are searched by, once each. */
static void
explain_indexes(const PastScan *scan, ExplainState *es)
{
	List	   *names = NIL;
	int			scanned = 0;
	ListCell   *cell;

	foreach(cell, scan->parts)
	{
		const BbIndex *index = bb_probe_index(scan->probe, lfirst(cell));

		if (index != NULL)
			names = lappend(names, pstrdup(NameStr(index->name)));
		else
			scanned++;
	}
	if (names != NIL)
		ExplainPropertyList("Indexes of the Past", names, es);
	if (bb_probe_has_range(scan->probe))
		ExplainPropertyText("Block Range", "by ctid", es);
	else if (scanned > 0)
		ExplainPropertyInteger("Parts Without Index", NULL, scanned, es);
}

void
bb_fdw_explain(ForeignScanState *node, ExplainState *es)
{
	PastScan   *scan = node->fdw_state;

	ExplainPropertyText("As Of",
						psprintf(BB_LSN_FORMAT,
								 LSN_FORMAT_ARGS(bb_past_of(scan->borrowed)
													 ->snapshot.lsn)),
						es);
	if (list_length(scan->parts) != 1)
		ExplainPropertyInteger("Parts", NULL, list_length(scan->parts), es);
	if (scan->probe != NULL)
		explain_indexes(scan, es);
	if (es->verbose)
		ExplainPropertyText("Table of the Past",
							psprintf("%s.%s of database %s, timeline %s",
									 scan->options.schema, scan->options.table,
									 scan->options.database,
									 scan->options.timeline),
							es);
	if (es->analyze)
		explain_reads(scan, es);
}
