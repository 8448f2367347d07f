/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Searching the indexes of a table's parts for what conditions want.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "catalog/pg_operator.h"
#include "executor/executor.h"
#include "fdw/probe.h"
#include "nodes/nodeFuncs.h"
#include "stores/table_options.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* The value of a condition; of ANY, all of them that are not NULL. */
typedef struct Value
{
	int			n;
	Datum	   *datums;
} Value;

/* A part that was searched, and may be again. */
typedef struct Use
{
	Oid			part; /* key of the hash table */
	bool		found;
	BbIndexUse	use;
} Use;

struct BbProbe
{
	const BbReqCtx *ctx;
	BbPast	   *past;
	Relation	local;
	List	   *conditions;
	List	   *states; /* ExprState * of values */
	ExprContext *econtext;
	MemoryContext context;
	HTAB	   *uses; /* of parts */
	uint64		npages;
	/* values, until the next restart */
	MemoryContext value_context;
	bool		has_values;
	bool		nothing; /* a value is NULL: no row fits */
	Value	   *values;
	/* the part at hand */
	const BbIndexUse *use;
	Value		sorted[BB_INDEXUSE_MAX_KEYS]; /* for ANY: each value once */
	int			at[BB_INDEXUSE_MAX_KEYS];
	BbBtreeKey	keys[BB_INDEXUSE_MAX_KEYS];
	bool		ended;
	BbBtreeScan *scan; /* for the combination of values at hand */
	MemoryContext scan_context;
};

BbProbe *
bb_probe_new(const BbReqCtx *ctx, BbPast *past, Relation local,
			 List *conditions, List *values, ExprContext *econtext)
{
	BbProbe	   *probe = palloc0(sizeof(BbProbe));
	HASHCTL		info = {.keysize = sizeof(Oid),
						.entrysize = sizeof(Use),
						.hcxt = CurrentMemoryContext};

	probe->ctx = ctx;
	probe->past = past;
	probe->local = local;
	probe->conditions = conditions;
	probe->states = values;
	probe->econtext = econtext;
	probe->context = CurrentMemoryContext;
	probe->uses = hash_create("bbackup indexes of a scan", 16, &info,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	probe
		->value_context = AllocSetContextCreate(CurrentMemoryContext,
												"bbackup values of conditions",
												ALLOCSET_SMALL_SIZES);
	probe->scan_context = AllocSetContextCreate(
		CurrentMemoryContext, "bbackup index scan of the past",
		ALLOCSET_SMALL_SIZES);
	return probe;
}

void
bb_probe_restart(BbProbe *probe)
{
	probe->has_values = false;
	probe->scan = NULL;
	probe->ended = true;
}

uint64
bb_probe_pages(const BbProbe *probe)
{
	return probe->npages;
}

/* ---- which index ---- */

void
bb_probe_columns(const BbReqCtx *ctx, BbPast *past, BbTable *part,
				 Relation local, AttrNumber *columns)
{
	TupleDesc	here = RelationGetDescr(local);
	TupleDesc	there = bb_table_desc(ctx, past, part);

	for (int i = 0; i < here->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(here, i);
		char	   *name;

		columns[i] = 0;
		if (column->attisdropped)
			continue;
		name = bb_tableoptions_column(RelationGetRelid(local), i + 1,
									  NameStr(column->attname));
		for (int j = 0; j < there->natts && columns[i] == 0; j++)
		{
			if (!TupleDescAttr(there, j)->attisdropped &&
				namestrcmp(&TupleDescAttr(there, j)->attname, name) == 0)
				columns[i] = j + 1;
		}
	}
}

static const BbIndexUse *
use_of(BbProbe *probe, BbTable *part)
{
	bool		known;
	Use		   *use;
	MemoryContext old;

	use = hash_search(probe->uses, &part->oid, HASH_FIND, &known);
	if (!known)
	{
		BbIndexUse	best;
		bool		found;
		AttrNumber *columns;

		old = MemoryContextSwitchTo(probe->context);
		columns = palloc(
			RelationGetDescr(probe->local)->natts * sizeof(AttrNumber) + 1);
		bb_probe_columns(probe->ctx, probe->past, part, probe->local, columns);
		found = bb_indexuse_best(bb_table_indexes(probe->ctx, probe->past,
												  part),
								 probe->conditions, columns, &best);
		pfree(columns);
		MemoryContextSwitchTo(old);
		use = hash_search(probe->uses, &part->oid, HASH_ENTER, NULL);
		use->found = found;
		use->use = best;
	}
	return use->found ? &use->use : NULL;
}

const BbIndex *
bb_probe_index(BbProbe *probe, BbTable *part)
{
	const BbIndexUse *use = use_of(probe, part);

	return use == NULL ? NULL : use->index;
}

/* ---- values ---- */

static void
set_array(Value *value, Datum datum)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	int16		length;
	bool		by_value;
	char		align;
	bool	   *nulls;
	int			n = 0;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align,
					  &value->datums, &nulls, &value->n);
	for (int i = 0; i < value->n; i++)
	{
		if (!nulls[i])
			value->datums[n++] = value->datums[i];
	}
	value->n = n;
}

/* Operators of operator families are strict: with NULL, no row fits. */
static void
compute_value(BbProbe *probe, const BbCondition *condition)
{
	Value	   *value = &probe->values[condition->value];
	ExprState  *state = list_nth(probe->states, condition->value);
	bool		isnull;
	Datum		datum = ExecEvalExpr(state, probe->econtext, &isnull);

	value->n = 0;
	if (!isnull && condition->kind == BB_CONDITION_ANY)
		set_array(value, datum);
	else if (!isnull)
	{
		Oid			type = exprType((Node *) state->expr);
		int16		length;
		bool		by_value;

		get_typlenbyval(type, &length, &by_value);
		value->n = 1;
		value->datums = palloc(sizeof(Datum));
		/* it is compared many times */
		value->datums[0] = length == -1
			? PointerGetDatum(PG_DETOAST_DATUM_COPY(datum))
			: datumCopy(datum, by_value, length);
	}
	if (value->n == 0)
		probe->nothing = true;
}

static void
compute_values(BbProbe *probe)
{
	MemoryContext old;
	ListCell   *cell;

	MemoryContextReset(probe->value_context);
	old = MemoryContextSwitchTo(probe->value_context);
	probe->nothing = false;
	probe->values = palloc0(list_length(probe->states) * sizeof(Value) + 1);
	foreach(cell, probe->conditions)
	{
		const BbCondition *condition = lfirst(cell);

		if (condition->value >= 0)
			compute_value(probe, condition);
	}
	MemoryContextSwitchTo(old);
	probe->has_values = true;
}

/* ---- the values of ANY ---- */

typedef struct Order
{
	FmgrInfo	compare;
	Oid			collation;
} Order;

static int
compare_datums(const void *a, const void *b, void *arg)
{
	Order	   *order = arg;

	return DatumGetInt32(FunctionCall2Coll(&order->compare, order->collation,
										   *(const Datum *) a,
										   *(const Datum *) b));
}

/* Each value once, or else rows would come twice. */
static Value
sort_values(const BbProbe *probe, const BbIndexUseKey *key)
{
	const Value *value = &probe->values[key->condition->value];
	Order		order = {
		.collation = probe->use->index->columns[key->column].collation};
	Value		sorted = {.n = 0};

	sorted.datums = palloc(value->n * sizeof(Datum) + 1);
	memcpy(sorted.datums, value->datums, value->n * sizeof(Datum));
	fmgr_info(key->compare_values, &order.compare);
	qsort_arg(sorted.datums, value->n, sizeof(Datum), compare_datums, &order);
	for (int i = 0; i < value->n; i++)
	{
		if (i == 0 ||
			compare_datums(&sorted.datums[i], &sorted.datums[sorted.n - 1],
						   &order) != 0)
			sorted.datums[sorted.n++] = sorted.datums[i];
	}
	return sorted;
}

/* Go to the next combination of values.  Returns false if that was the last. */
static bool
next_combination(BbProbe *probe)
{
	for (int i = probe->use->nkeys - 1; i >= 0; i--)
	{
		if (++probe->at[i] < probe->sorted[i].n)
			return true;
		probe->at[i] = 0;
	}
	return false;
}

/* ---- keys ---- */

static void
begin_keys(BbProbe *probe)
{
	for (int i = 0; i < probe->use->nkeys; i++)
	{
		const BbIndexUseKey *key = &probe->use->keys[i];

		probe->keys[i] = (BbBtreeKey){.column = key->column,
									  .strategy = key->strategy};
		probe->at[i] = 0;
		probe->sorted[i] = (Value){.n = 1};
		if (key->condition->value < 0)
			continue;
		fmgr_info(key->compare, &probe->keys[i].compare);
		probe->sorted[i] = key->condition->kind == BB_CONDITION_ANY
			? sort_values(probe, key)
			: probe->values[key->condition->value];
	}
}

static void
begin_scan(BbProbe *probe)
{
	MemoryContext old;

	MemoryContextReset(probe->scan_context);
	old = MemoryContextSwitchTo(probe->scan_context);
	for (int i = 0; i < probe->use->nkeys; i++)
	{
		if (probe->sorted[i].datums != NULL)
			probe->keys[i].value = probe->sorted[i].datums[probe->at[i]];
	}
	probe->scan = bb_btreescan_new(probe->ctx, probe->past->pages,
								   &probe->use->index->btree, probe->keys,
								   probe->use->nkeys, &probe->npages);
	MemoryContextSwitchTo(old);
}

/* ---- ranges of blocks ---- */

/* The blocks that the values of a condition on ctid are in, or lie beyond. */
static void
limit_blocks(const BbCondition *condition, const Value *value,
			 BlockNumber *from, BlockNumber *until)
{
	BlockNumber first = InvalidBlockNumber;
	BlockNumber last = 0;

	for (int i = 0; i < value->n; i++)
	{
		ItemPointer tid = (ItemPointer) DatumGetPointer(value->datums[i]);
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);

		first = Min(first, block);
		last = Max(last, block);
	}
	if (condition->opno != TIDLessOperator &&
		condition->opno != TIDLessEqOperator)
		*from = Max(*from, first);
	if (condition->opno != TIDGreaterOperator &&
		condition->opno != TIDGreaterEqOperator && last < *until)
		*until = last + 1;
}

bool
bb_probe_has_range(const BbProbe *probe)
{
	ListCell   *cell;

	foreach(cell, probe->conditions)
	{
		if (bb_condition_is_range(lfirst(cell)))
			return true;
	}
	return false;
}

void
bb_probe_blocks(BbProbe *probe, BlockNumber blocks, BlockNumber *from,
				BlockNumber *until)
{
	ListCell   *cell;

	*from = 0;
	*until = blocks;
	if (!probe->has_values)
		compute_values(probe);
	foreach(cell, probe->conditions)
	{
		const BbCondition *condition = lfirst(cell);

		if (bb_condition_is_range(condition) && !probe->nothing)
			limit_blocks(condition, &probe->values[condition->value], from,
						 until);
	}
	if (probe->nothing || *from >= *until)
		*from = *until = 0;
}

/* ---- the search ---- */

void
bb_probe_begin(BbProbe *probe, BbTable *part)
{
	MemoryContext old;

	if (!probe->has_values)
		compute_values(probe);
	probe->use = use_of(probe, part);
	probe->scan = NULL;
	probe->ended = probe->nothing;
	if (probe->ended)
		return;
	old = MemoryContextSwitchTo(probe->value_context);
	begin_keys(probe);
	MemoryContextSwitchTo(old);
	begin_scan(probe);
}

bool
bb_probe_next(BbProbe *probe, ItemPointer tid)
{
	while (!probe->ended)
	{
		if (bb_btreescan_next(probe->ctx, probe->scan, tid))
			return true;
		if (next_combination(probe))
			begin_scan(probe);
		else
			probe->ended = true;
	}
	return false;
}
