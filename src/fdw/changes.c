/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  The rows of a table that differ between two LSNs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_control.h"
#include "executor/executor.h"
#include "fdw/changes.h"
#include "fdw/parts.h"
#include "fdw/rows.h"
#include "heap/changedblocks.h"
#include "heap/deform.h"
#include "heap/primarykey.h"
#include "heap/sameform.h"
#include "heap/toast.h"
#include "utils/memutils.h"

/* So many OIDs are logged ahead (VAR_OID_PREFETCH in varsup.c). */
#define OIDS_AHEAD 8192

/* One of the two LSNs. */
typedef struct Side
{
	BbPast	   *past;
	bool		plus;
	List	   *parts;
	BbRows	   *rows;
	Oid			next_oid;
	/* of the present part */
	BbTupleScan *scan;
	BlockNumber blocks;
	/* of the present page; those that are compared are taken out */
	int			ntuples;
	HeapTupleData tuples[MaxHeapTuplesPerPage];
} Side;

typedef struct Comparison
{
	const BbReqCtx *ctx;
	Side		sides[2];
	BbUndecided undecided;
	TupleTableSlot *slot;
	MemoryContext row_context;
	BbBagDifference *difference;
} Comparison;

/* ---- rows ---- */

static void
add_row(Comparison *comparison, Side *side, int part, HeapTuple tuple)
{
	MemoryContext old = MemoryContextSwitchTo(comparison->row_context);

	bb_rows_store(side->rows, part, tuple, comparison->slot);
	bb_bagdifference_add(comparison->difference, side->plus, comparison->slot);
	ExecClearTuple(comparison->slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(comparison->row_context);
}

static BbTable *
table_of(const Side *side, int part)
{
	return list_nth(side->parts, part);
}

static void
begin_scan(Comparison *comparison, Side *side, int part)
{
	BbPast	   *past = side->past;
	BbRelLocator relation = table_of(side, part)->relation;

	side->blocks = bb_pages_blocks(comparison->ctx, past->pages, relation);
	side->scan = bb_tuplescan_new(comparison->ctx, past->pages, past->xacts,
								  relation, 0, side->blocks, NULL);
}

static void
end_scan(Side *side)
{
	bb_tuplescan_close(side->scan);
	side->scan = NULL;
}

static void
add_all(Comparison *comparison, Side *side, int part)
{
	HeapTuple	tuple;

	begin_scan(comparison, side, part);
	while ((tuple = bb_tuplescan_next(comparison->ctx, side->scan)) != NULL)
		add_row(comparison, side, part, tuple);
	end_scan(side);
}

/* ---- pages ---- */

/*
 * May a TOAST value of that ID have been made between the LSNs?  Then one that was
 * there before, after which the counter of OIDs has gone round, is another value.
 */
static bool
is_new_oid(const Comparison *comparison, Oid oid)
{
	Oid			first = comparison->sides[0].next_oid - OIDS_AHEAD;

	return oid - first < comparison->sides[1].next_oid - first;
}

/* Does one of the values out of line have an ID that may be another value's? */
static bool
has_new_values(const Comparison *comparison, int part, HeapTuple tuple)
{
	const Side *side = &comparison->sides[0];
	BbTable	   *table = table_of(side, part);
	TupleDesc	desc = bb_table_desc(comparison->ctx, side->past, table);
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));
	bool		found;

	found = !bb_deform_heap(tuple, desc, desc->natts, values, isnull);
	for (int i = 0; i < desc->natts && !found; i++)
	{
		varatt_external pointer;

		if (isnull[i] || TupleDescAttr(desc, i)->attlen != -1 ||
			!bb_toast_is_pointer(values[i]))
			continue;
		VARATT_EXTERNAL_GET_POINTER(pointer, DatumGetPointer(values[i]));
		found = is_new_oid(comparison, pointer.va_valueid);
	}
	pfree(values);
	pfree(isnull);
	return found;
}

static bool
same_bytes(const Comparison *comparison, int part, HeapTuple a, HeapTuple b)
{
	HeapTupleHeader left = a->t_data;
	HeapTupleHeader right = b->t_data;
	Size		length = a->t_len - left->t_hoff;

	if (HeapTupleHeaderGetNatts(left) != HeapTupleHeaderGetNatts(right) ||
		HeapTupleHasNulls(a) != HeapTupleHasNulls(b) ||
		length != b->t_len - right->t_hoff ||
		memcmp((char *) left + left->t_hoff, (char *) right + right->t_hoff,
			   length) != 0)
		return false;
	if (HeapTupleHasNulls(a) &&
		memcmp(left->t_bits, right->t_bits,
			   BITMAPLEN(HeapTupleHeaderGetNatts(left))) != 0)
		return false;
	return !HeapTupleHasExternal(a) || !has_new_values(comparison, part, a);
}

static void
read_page(Comparison *comparison, Side *side, BlockNumber block)
{
	HeapTuple	tuple;

	side->ntuples = 0;
	if (block >= side->blocks ||
		!bb_tuplescan_page(comparison->ctx, side->scan))
		return;
	while ((tuple = bb_tuplescan_on_page(comparison->ctx, side->scan)) != NULL)
	{
		if (side->ntuples == MaxHeapTuplesPerPage)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("block %u of a table has more than %d rows at " BB_LSN_FORMAT,
							block, MaxHeapTuplesPerPage,
							LSN_FORMAT_ARGS(side->past->snapshot.lsn))));
		side->tuples[side->ntuples++] = *tuple;
	}
}

static OffsetNumber
offset_of(const HeapTupleData *tuple)
{
	return ItemPointerGetOffsetNumberNoCheck(&tuple->t_self);
}

/* Add the rows of a block, but those that are at the same place at both LSNs. */
static void
compare_block(Comparison *comparison, const int *parts, BlockNumber block)
{
	Side	   *from = &comparison->sides[0];
	Side	   *until = &comparison->sides[1];
	int			j = 0;

	read_page(comparison, from, block);
	read_page(comparison, until, block);
	for (int i = 0; i < from->ntuples; i++)
	{
		HeapTuple	tuple = &from->tuples[i];

		for (; j < until->ntuples &&
			 offset_of(&until->tuples[j]) < offset_of(tuple);
			 j++)
			add_row(comparison, until, parts[1], &until->tuples[j]);
		if (j < until->ntuples &&
			offset_of(&until->tuples[j]) == offset_of(tuple) &&
			same_bytes(comparison, parts[0], tuple, &until->tuples[j]))
			j++;
		else
			add_row(comparison, from, parts[0], tuple);
	}
	for (; j < until->ntuples; j++)
		add_row(comparison, until, parts[1], &until->tuples[j]);
}

static void
compare_range(Comparison *comparison, const int *parts, BbBlockRange range)
{
	for (int i = 0; i < lengthof(comparison->sides); i++)
	{
		Side	   *side = &comparison->sides[i];

		if (range.start < side->blocks)
			bb_tuplescan_range(side->scan, range.start,
							   Min(range.end, side->blocks));
	}
	for (BlockNumber block = range.start; block < range.end &&
		 (block < comparison->sides[0].blocks ||
		  block < comparison->sides[1].blocks);
		 block++)
		compare_block(comparison, parts, block);
}

static void
compare_blocks(Comparison *comparison, const int *parts)
{
	Side	   *from = &comparison->sides[0];
	Side	   *until = &comparison->sides[1];
	int			n;
	BbBlockRange *ranges;

	ranges = bb_changedblocks_find(comparison->ctx, from->past, until->past,
								   &comparison->undecided,
								   table_of(from, parts[0])->relation, &n);
	begin_scan(comparison, from, parts[0]);
	begin_scan(comparison, until, parts[1]);
	for (int i = 0; i < n; i++)
		compare_range(comparison, parts, ranges[i]);
	end_scan(from);
	end_scan(until);
	pfree(ranges);
}

/* ---- parts ---- */

static int
part_of_oid(const Side *side, Oid oid)
{
	for (int i = 0; i < list_length(side->parts); i++)
		if (table_of(side, i)->oid == oid)
			return i;
	return -1;
}

/* Do the same bytes of a part make the same row at both LSNs? */
static bool
same_form(Comparison *comparison, const int *parts)
{
	Side	   *from = &comparison->sides[0];
	Side	   *until = &comparison->sides[1];
	TupleDesc	desc = comparison->slot->tts_tupleDescriptor;

	for (int i = 0; i < desc->natts; i++)
	{
		AttrNumber	column = bb_rows_column(from->rows, parts[0], i);

		if (column != bb_rows_column(until->rows, parts[1], i))
			return false;
		if (column != 0 &&
			!bb_sameform_column(comparison->ctx, from->past,
								table_of(from, parts[0]), until->past,
								table_of(until, parts[1]), column))
			return false;
	}
	return true;
}

static bool
by_blocks(Comparison *comparison, const int *parts)
{
	BbTable	   *from = table_of(&comparison->sides[0], parts[0]);
	BbTable	   *until = table_of(&comparison->sides[1], parts[1]);

	return comparison->undecided.known &&
		BB_LOCATOR_EQUALS(from->relation, until->relation) &&
		same_form(comparison, parts);
}

static Oid
next_oid_at(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, snapshot, &key,
										  sizeof(CheckPoint));
	CheckPoint	checkpoint;

	memcpy(&checkpoint, value.data, sizeof(checkpoint));
	return checkpoint.nextOid;
}

static void
open_side(Comparison *comparison, Side *side, BbPast *past,
		  const BbTableOptions *options, Relation local, const bool *needed)
{
	side->past = past;
	side->plus = side == &comparison->sides[1];
	side->parts = bb_parts_of(comparison->ctx, past,
							  bb_parts_table(comparison->ctx, past, options),
							  options->only);
	side->rows = bb_rows_new(comparison->ctx, past, local, side->parts, needed,
							 false);
	side->next_oid = next_oid_at(comparison->ctx, &past->snapshot);
}

void
bb_changes_read(const BbReqCtx *ctx, BbPast *from, BbPast *until,
				const BbTableOptions *options, Relation local,
				BbBagDifference *difference)
{
	Comparison *comparison = palloc0(sizeof(Comparison));
	TupleDesc	desc = RelationGetDescr(local);
	bool	   *needed = palloc(desc->natts * sizeof(bool) + 1);

	memset(needed, true, desc->natts * sizeof(bool));
	comparison->ctx = ctx;
	comparison->difference = difference;
	comparison->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	comparison->row_context = AllocSetContextCreate(CurrentMemoryContext,
													"bbackup row",
													ALLOCSET_DEFAULT_SIZES);
	open_side(comparison, &comparison->sides[0], from, options, local, needed);
	open_side(comparison, &comparison->sides[1], until, options, local,
			  needed);
	comparison->undecided = bb_undecided_find(ctx, until->snapshot.store,
											  from->snapshot.lsn,
											  until->snapshot.lsn);

	for (int i = 0; i < list_length(comparison->sides[0].parts); i++)
	{
		int			parts[] =
			{i,
			 part_of_oid(&comparison->sides[1],
						 table_of(&comparison->sides[0], i)->oid)};

		if (parts[1] >= 0 && by_blocks(comparison, parts))
			compare_blocks(comparison, parts);
		else
		{
			add_all(comparison, &comparison->sides[0], i);
			if (parts[1] >= 0)
				add_all(comparison, &comparison->sides[1], parts[1]);
		}
	}
	for (int i = 0; i < list_length(comparison->sides[1].parts); i++)
	{
		if (part_of_oid(&comparison->sides[0],
						table_of(&comparison->sides[1], i)->oid) < 0)
			add_all(comparison, &comparison->sides[1], i);
	}
	ExecDropSingleTupleTableSlot(comparison->slot);
}

/* ---- keys ---- */

static AttrNumber
column_that_shows(Relation local, const char *name)
{
	TupleDesc	desc = RelationGetDescr(local);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped &&
			strcmp(bb_tableoptions_column(RelationGetRelid(local), i + 1,
										  NameStr(column->attname)),
				   name) == 0)
			return i + 1;
	}
	return 0;
}

int
bb_changes_key(const BbReqCtx *ctx, BbPast *past,
			   const BbTableOptions *options, Relation local,
			   AttrNumber *columns)
{
	BbTable	   *table = bb_parts_table(ctx, past, options);
	TupleDesc	desc = bb_table_desc(ctx, past, table);
	int			n = bb_primarykey_columns(ctx, past, table, columns);

	for (int i = 0; i < n; i++)
	{
		if (columns[i] < 1 || columns[i] > desc->natts)
			return 0;
		columns[i] = column_that_shows(local,
									   NameStr(
										   TupleDescAttr(desc, columns[i] - 1)
											   ->attname));
		if (columns[i] == 0)
			return 0;
	}
	return n;
}
