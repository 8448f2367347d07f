/*-------------------------------------------------------------------------
 *
 * paths.c
 *	  Paths of scans of tables of the past, and what they cost.
 *
 * A path that uses indexes is made for each set of conditions that an index of a
 * part serves.  Its cost is that of all parts, each by its best index for these
 * conditions, or by a scan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "fdw/paths.h"
#include "fdw/scan.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

/* A page out of the store costs more than one that is read from a file. */
#define PAGE_COST 2

/* So many sets of outer relations are tried. */
#define MAX_OUTER 16

/* ---- rows ---- */

static bool
has_any(const BbIndexUse *use)
{
	for (int i = 0; i < use->nkeys; i++)
	{
		if (use->keys[i].condition->kind == BB_CONDITION_ANY)
			return true;
	}
	return false;
}

double
bb_planned_rows(List *parts, List *conditions, double rows)
{
	ListCell   *cell;

	foreach(cell, parts)
	{
		const BbPlannedPart *part = lfirst(cell);
		BbIndexUse	use;

		if (!bb_indexuse_best(part->indexes, conditions, part->columns,
							  &use) ||
			!use.unique || has_any(&use))
			return rows;
	}
	return Min(rows, Max(list_length(parts), 1));
}

/* ---- costs ---- */

static Cost
scan_cost(const RelOptInfo *rel, double blocks, double tuples)
{
	return blocks * seq_page_cost * PAGE_COST +
		tuples * (cpu_tuple_cost + rel->baserestrictcost.per_tuple);
}

static Cost
use_cost(PlannerInfo *root, RelOptInfo *rel, const BbPlannedPart *part,
		 const BbIndexUse *use)
{
	List	   *clauses = NIL;
	Selectivity selectivity;
	double		tuples;
	double		pages;
	double		index_pages;

	for (int i = 0; i < use->nkeys; i++)
		clauses = list_append_unique_ptr(clauses,
										 use->keys[i].condition->clause);
	selectivity = clauselist_selectivity(root, clauses, rel->relid, JOIN_INNER,
										 NULL);
	tuples = part->tuples * selectivity;
	if (use->unique && !has_any(use))
		tuples = Min(tuples, 1);
	tuples = clamp_row_est(tuples);
	pages = index_pages_fetched(tuples, (BlockNumber) part->blocks,
								use->index->blocks, root);
	index_pages = ceil(use->index->blocks * tuples / Max(part->tuples, 1));
	return (pages + index_pages) * random_page_cost +
		tuples *
		(cpu_tuple_cost + cpu_index_tuple_cost +
		 rel->baserestrictcost.per_tuple) +
		50 * cpu_operator_cost;
}

static Cost
total_cost(PlannerInfo *root, RelOptInfo *rel, List *conditions)
{
	Cost		cost = 0;
	ListCell   *cell;

	foreach(cell, (List *) rel->fdw_private)
	{
		const BbPlannedPart *part = lfirst(cell);
		BbIndexUse	use;

		cost += bb_indexuse_best(part->indexes, conditions, part->columns,
								 &use)
			? use_cost(root, rel, part, &use)
			: scan_cost(rel, part->blocks, part->tuples);
	}
	return cost;
}

/* ---- sets of conditions ---- */

/* The conditions that the keys are of, in the order of "conditions". */
static List *
used_by(const BbIndexUse *use, List *conditions)
{
	List	   *used = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		for (int i = 0; i < use->nkeys; i++)
		{
			if (use->keys[i].condition == lfirst(cell))
				used = list_append_unique_ptr(used, lfirst(cell));
		}
	}
	return used;
}

static bool
same_list(const List *a, const List *b)
{
	if (list_length(a) != list_length(b))
		return false;
	for (int i = 0; i < list_length(a); i++)
	{
		if (list_nth(a, i) != list_nth(b, i))
			return false;
	}
	return true;
}

static List *
add_set(List *sets, List *set)
{
	ListCell   *cell;

	foreach(cell, sets)
	{
		if (same_list(lfirst(cell), set))
			return sets;
	}
	return lappend(sets, set);
}

/* Those of the conditions, each set once, that an index of a part serves. */
static List *
find_sets(List *parts, List *conditions)
{
	List	   *sets = NIL;
	ListCell   *i;
	ListCell   *j;

	foreach(i, parts)
	{
		const BbPlannedPart *part = lfirst(i);

		foreach(j, part->indexes)
		{
			BbIndexUse	use;

			if (bb_indexuse_match(lfirst(j), conditions, part->columns, &use))
				sets = add_set(sets, used_by(&use, conditions));
		}
	}
	return sets;
}

/* ---- paths ---- */

static List *
clauses_of(List *conditions)
{
	List	   *clauses = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
		clauses = lappend(clauses, ((BbCondition *) lfirst(cell))->clause);
	return clauses;
}

static bool
has_one_of(List *clauses, List *wanted)
{
	ListCell   *cell;

	foreach(cell, clauses)
	{
		if (list_member_ptr(wanted, lfirst(cell)))
			return true;
	}
	return false;
}

/* Add paths that use the clauses; with "param", also those of a join. */
static void
add_index_paths(PlannerInfo *root, RelOptInfo *rel, List *clauses,
				ParamPathInfo *param)
{
	List	   *conditions = bb_conditions_of(root, rel, clauses);
	Cost		startup = rel->baserestrictcost.startup;
	double		rows = rel->rows;
	ListCell   *cell;

	if (param != NULL)
	{
		param->ppi_rows = bb_planned_rows(rel->fdw_private, conditions,
										  param->ppi_rows);
		rows = param->ppi_rows;
	}
	foreach(cell, find_sets(rel->fdw_private, conditions))
	{
		List	   *used = clauses_of(lfirst(cell));
		Cost		total;

		if (param != NULL && !has_one_of(used, param->ppi_clauses))
			continue;
		total = startup + total_cost(root, rel, lfirst(cell));
		add_path(rel,
				 (Path *) BB_FOREIGNSCAN_PATH(root, rel, rows, startup, total,
											  param != NULL
												  ? param->ppi_req_outer
												  : rel->lateral_relids,
											  used));
	}
}

/* Add a path that scans only the blocks that conditions on ctid name. */
static void
add_range_path(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *clauses = NIL;
	ListCell   *cell;
	Cost		startup = rel->baserestrictcost.startup;
	double		part;

	foreach(cell, bb_conditions_of(root, rel, rel->baserestrictinfo))
	{
		const BbCondition *condition = lfirst(cell);

		if (bb_condition_is_range(condition))
			clauses = lappend(clauses, condition->clause);
	}
	if (clauses == NIL)
		return;
	part = clauselist_selectivity(root, clauses, rel->relid, JOIN_INNER, NULL);
	add_path(rel,
			 (Path *) BB_FOREIGNSCAN_PATH(root, rel, rel->rows, startup,
										  startup +
											  scan_cost(rel,
														ceil(rel->pages *
															 part),
														rel->tuples * part),
										  rel->lateral_relids, clauses));
}

/* ---- joins ---- */

/* Is the member of an equivalence class this column of the relation? */
static bool
is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
		  EquivalenceMember *member, void *arg)
{
	Expr	   *expression = member->em_expr;

	while (IsA(expression, RelabelType))
		expression = ((RelabelType *) expression)->arg;
	return IsA(expression, Var) &&
		((Var *) expression)->varno == (int) rel->relid &&
		((Var *) expression)->varattno == *(AttrNumber *) arg;
}

/* The columns of the foreign table that any index begins with. */
static Bitmapset *
first_columns(const RelOptInfo *rel)
{
	Bitmapset  *columns = NULL;
	ListCell   *i;
	ListCell   *j;

	foreach(i, (List *) rel->fdw_private)
	{
		const BbPlannedPart *part = lfirst(i);

		foreach(j, part->indexes)
		{
			const BbIndex *index = lfirst(j);

			for (int k = 0; k < rel->max_attr; k++)
			{
				if (part->columns[k] == index->columns[0].column)
					columns = bms_add_member(columns, k + 1);
			}
		}
	}
	return columns;
}

/* The clauses of joins, such as a.id = b.id, that a column can be looked up by. */
static List *
join_clauses(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *clauses = NIL;
	Bitmapset  *columns = first_columns(rel);
	ListCell   *cell;
	int			i = -1;

	foreach(cell, rel->joininfo)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (join_clause_is_movable_to(clause, rel))
			clauses = lappend(clauses, clause);
	}
	while (rel->has_eclass_joins && (i = bms_next_member(columns, i)) >= 0)
	{
		AttrNumber	column = i;

		clauses = list_concat(clauses,
							  generate_implied_equalities_for_column(
								  root, rel, is_column, &column,
								  rel->lateral_referencers));
	}
	return clauses;
}

static void
add_join_paths(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *seen = NIL;
	ListCell   *cell;

	foreach(cell, join_clauses(root, rel))
	{
		RestrictInfo *clause = lfirst(cell);
		Relids		outer = bms_union(clause->clause_relids,
									  rel->lateral_relids);
		ParamPathInfo *param;

		outer = bms_del_member(outer, rel->relid);
		if (bms_is_empty(outer) || list_length(seen) >= MAX_OUTER)
			continue;
		/* there is one for each set of outer relations */
		param = get_baserel_parampathinfo(root, rel, outer);
		if (list_member_ptr(seen, param))
			continue;
		seen = lappend(seen, param);
		add_index_paths(root, rel,
						list_concat_copy(rel->baserestrictinfo,
										 param->ppi_clauses),
						param);
	}
}

void
bb_fdw_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	Cost		startup = rel->baserestrictcost.startup;
	Cost		total = startup + scan_cost(rel, rel->pages, rel->tuples);

	add_path(rel,
			 (Path *) BB_FOREIGNSCAN_PATH(root, rel, rel->rows, startup, total,
										  rel->lateral_relids, NIL));
	if (enable_tidscan)
		add_range_path(root, rel);
	add_index_paths(root, rel, rel->baserestrictinfo, NULL);
	add_join_paths(root, rel);
}
