/*-------------------------------------------------------------------------
 *
 * indexuse.c
 *	  Which conditions an index of the past serves, and which index is best.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "fdw/indexuse.h"
#include "heap/collations.h"
#include "utils/lsyscache.h"

/*
 * May the operator's collation and the index's differ in nothing that matters?
 * Equality in deterministic collations is one of bytes.
 */
static bool
collation_fits(const BbIndexColumn *column, const BbCondition *condition,
			   int strategy)
{
	if (!OidIsValid(column->collation) || !OidIsValid(condition->collation))
		return OidIsValid(column->collation) ==
			OidIsValid(condition->collation);
	if (strategy == BTEqualStrategyNumber)
		return get_collation_isdeterministic(condition->collation);
	return bb_collation_canonical(condition->collation) == column->collation;
}

/* The key of an index's column that the condition gives. */
static bool
match_column(const BbIndex *index, int i, const BbCondition *condition,
			 BbIndexUseKey *key)
{
	const BbIndexColumn *column = &index->columns[i];
	Oid			left;
	Oid			right;

	*key = (BbIndexUseKey){.column = i, .condition = condition};
	if (condition->kind == BB_CONDITION_NULL)
	{
		key->strategy = BB_BTREE_IS_NULL;
		return true;
	}
	if (condition->kind == BB_CONDITION_NOT_NULL)
	{
		key->strategy = BB_BTREE_IS_NOT_NULL;
		return true;
	}
	key->strategy = get_op_opfamily_strategy(condition->opno, column->family);
	if (key->strategy == 0 ||
		!collation_fits(column, condition, key->strategy))
		return false;
	op_input_types(condition->opno, &left, &right);
	/* arrays of different types aren't compared */
	if (left != column->type ||
		(IsPolymorphicType(left) && condition->type != column->stored))
		return false;
	key->compare = get_opfamily_proc(column->family, left, right,
									 BTORDER_PROC);
	if (condition->kind == BB_CONDITION_ANY)
	{
		key->compare_values = get_opfamily_proc(column->family, right, right,
												BTORDER_PROC);
		return key->strategy == BTEqualStrategyNumber &&
			OidIsValid(key->compare) && OidIsValid(key->compare_values);
	}
	return OidIsValid(key->compare);
}

static bool
is_equality(const BbIndexUseKey *key)
{
	return key->strategy == BTEqualStrategyNumber ||
		key->strategy == BB_BTREE_IS_NULL;
}

/* One value is better than NULL, which is not unique, or several values. */
static int
preference(const BbIndexUseKey *key)
{
	if (!is_equality(key))
		return 0;
	if (key->strategy == BB_BTREE_IS_NULL)
		return 2;
	return key->condition->kind == BB_CONDITION_ANY ? 1 : 3;
}

/* The keys of a column: one equality, or bounds.  Returns how many. */
static int
match_conditions(const BbIndex *index, int i, List *conditions,
				 const AttrNumber *columns, BbIndexUseKey *keys)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		const BbCondition *condition = lfirst(cell);
		BbIndexUseKey key;

		if (condition->column <= 0 ||
			columns[condition->column - 1] != index->columns[i].column ||
			!match_column(index, i, condition, &key))
			continue;
		if (n > 0 && is_equality(&keys[0]))
		{
			if (preference(&key) > preference(&keys[0]))
				keys[0] = key;
		}
		else if (is_equality(&key))
		{
			keys[0] = key;
			n = 1;
		}
		else if (n < BB_INDEXUSE_MAX_BOUNDS)
			keys[n++] = key;
	}
	return n;
}

bool
bb_indexuse_match(const BbIndex *index, List *conditions,
				  const AttrNumber *columns, BbIndexUse *use)
{
	int			equal = 0;

	use->index = index;
	use->nkeys = 0;
	use->unique = index->unique;
	for (int i = 0; i < index->ncolumns; i++)
	{
		BbIndexUseKey *keys = &use->keys[use->nkeys];
		int			n = match_conditions(index, i, conditions, columns, keys);

		use->nkeys += n;
		if (n == 0 || !is_equality(&keys[0]))
			break;
		equal++;
		if (keys[0].strategy != BTEqualStrategyNumber)
			use->unique = false;
	}
	use->unique = use->unique && equal == index->nkeys;
	return use->nkeys > 0;
}

/* Is the first one better?  The smaller index is, if they serve as much. */
static bool
is_better(const BbIndexUse *a, const BbIndexUse *b)
{
	if (a->unique != b->unique)
		return a->unique;
	if (a->nkeys != b->nkeys)
		return a->nkeys > b->nkeys;
	return a->index->blocks < b->index->blocks;
}

bool
bb_indexuse_best(List *indexes, List *conditions, const AttrNumber *columns,
				 BbIndexUse *use)
{
	bool		found = false;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		BbIndexUse	other;

		if (!bb_indexuse_match(lfirst(cell), conditions, columns, &other) ||
			(found && !is_better(&other, use)))
			continue;
		*use = other;
		found = true;
	}
	return found;
}
