/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Planning scans of tables of the past.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "fdw/kept.h"
#include "fdw/parts.h"
#include "fdw/paths.h"
#include "fdw/probe.h"
#include "fdw/scan.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "stores/call.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Tuples in a page of a table that VACUUM has not seen; as estimate_rel_size. */
#define TUPLES_UNKNOWN 10

/* The foreign table's owner opens the store. */
static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Is there a condition that an index may serve? */
static bool
wants_indexes(const RelOptInfo *rel)
{
	return enable_indexscan &&
		(rel->baserestrictinfo != NIL || rel->joininfo != NIL ||
		 rel->has_eclass_joins);
}

/* A copy, since what the session keeps may be closed before paths are made. */
static List *
copy_indexes(List *indexes)
{
	List	   *copies = NIL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		BbIndex	   *copy = palloc(sizeof(BbIndex));

		*copy = *(const BbIndex *) lfirst(cell);
		memset(&copy->btree, 0, sizeof(copy->btree));
		copies = lappend(copies, copy);
	}
	return copies;
}

static BbPlannedPart *
plan_part(const BbReqCtx *ctx, BbPast *past, BbTable *part, Relation local,
		  bool indexes)
{
	BbPlannedPart *planned = palloc0(sizeof(BbPlannedPart));
	double		density = part->tuples >= 0 && part->pages > 0
		? part->tuples / part->pages
		: TUPLES_UNKNOWN;

	planned->blocks = bb_pages_blocks(ctx, past->pages, part->relation);
	planned->tuples = planned->blocks * density;
	if (!indexes)
		return planned;
	planned->indexes = copy_indexes(bb_table_indexes(ctx, past, part));
	planned->columns = palloc0(
		RelationGetDescr(local)->natts * sizeof(AttrNumber) + 1);
	if (planned->indexes != NIL)
		bb_probe_columns(ctx, past, part, local, planned->columns);
	return planned;
}

void
bb_fdw_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	BbTableOptions options = bb_tableoptions_of(relid);
	const BbReqCtx *ctx = bb_call_begin(options.table, BB_TASK_LISTING);
	BbBorrowed *borrowed = bb_past_borrow(ctx, &options, owner_of(relid),
										  CurrentMemoryContext);
	BbPast	   *past = bb_past_of(borrowed);
	BbTable	   *table = bb_parts_table(ctx, past, &options);
	Relation	local = table_open(relid, NoLock);
	List	   *parts = NIL;
	double		pages = 0;
	double		tuples = 0;
	ListCell   *cell;

	foreach(cell, bb_parts_of(ctx, past, table, options.only))
	{
		BbPlannedPart *part = plan_part(ctx, past, lfirst(cell), local,
										wants_indexes(rel));

		pages += part->blocks;
		tuples += part->tuples;
		parts = lappend(parts, part);
	}
	table_close(local, NoLock);
	bb_past_return(borrowed);
	bb_reqctx_end(ctx);

	rel->fdw_private = parts;
	rel->pages = (BlockNumber) Min(pages, MaxBlockNumber);
	rel->tuples = tuples;
	set_baserel_size_estimates(root, rel);
	rel->rows = bb_planned_rows(parts,
								bb_conditions_of(root, rel,
												 rel->baserestrictinfo),
								rel->rows);
}

/* The columns that the scan's target list and conditions use; 0: all. */
static List *
used_columns(RelOptInfo *rel, List *clauses)
{
	Bitmapset  *used = NULL;
	List	   *columns = NIL;
	ListCell   *cell;
	int			i = -1;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &used);
	foreach(cell, clauses)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, cell)->clause,
					   rel->relid, &used);
	while ((i = bms_next_member(used, i)) >= 0)
		columns = lappend_int(columns, i + FirstLowInvalidHeapAttributeNumber);
	return columns;
}

ForeignScan *
bb_fdw_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
			List *tlist, List *clauses, Plan *outer_plan)
{
	List	   *conditions = bb_conditions_of(root, rel, path->fdw_private);
	List	   *values = NIL;
	List	   *packed = bb_conditions_pack(conditions, &values);

	return make_foreignscan(tlist, extract_actual_clauses(clauses, false),
							rel->relid, values,
							list_make2(used_columns(rel, clauses), packed),
							NIL, NIL, outer_plan);
}

bool
bb_fdw_plan_columns(const ForeignScan *plan, int natts, bool *needed)
{
	bool		system = false;
	ListCell   *cell;

	memset(needed, false, natts * sizeof(bool));
	foreach(cell, linitial(plan->fdw_private))
	{
		int			column = lfirst_int(cell);

		if (column > 0)
			needed[column - 1] = true;
		else if (column == 0)
			memset(needed, true, natts * sizeof(bool));
		else if (column != TableOidAttributeNumber)
			system = true;
	}
	return system;
}

List *
bb_fdw_plan_conditions(const ForeignScan *plan)
{
	return bb_conditions_unpack(lsecond(plan->fdw_private));
}
