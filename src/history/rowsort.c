/*-------------------------------------------------------------------------
 *
 * rowsort.c
 *	  Sorting, in work_mem and a temporary file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "base/compat.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "history/rowsort.h"
#include "miscadmin.h"
#include "utils/tuplesort.h"

/* Two sorts are used at once, beside layers. */
#define SORT_MAX_KB (8 * 1024)

struct BbNumberSort
{
	int			ncolumns;
	Tuplesortstate *state;
	TupleTableSlot *slot; /* to add */
	TupleTableSlot *result;
};

BbNumberSort *
bb_numbersort_new(int ncolumns, int nkeys)
{
	BbNumberSort *sort = palloc0(sizeof(BbNumberSort));
	TupleDesc	desc = CreateTemplateTupleDesc(ncolumns);
	AttrNumber	columns[BB_NUMBERS_MAX];
	Oid			operators[BB_NUMBERS_MAX];
	Oid			collations[BB_NUMBERS_MAX] = {0};
	bool		nulls_first[BB_NUMBERS_MAX] = {0};

	Assert(ncolumns <= BB_NUMBERS_MAX);
	for (int i = 0; i < ncolumns; i++)
	{
		TupleDescInitBuiltinEntry(desc, i + 1, "n", INT8OID, -1, 0);
		columns[i] = i + 1;
		operators[i] = Int8LessOperator;
	}
	TupleDescFinalize(desc);
	sort->ncolumns = ncolumns;
	sort->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	sort->result = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	sort->state = tuplesort_begin_heap(desc, nkeys, columns, operators,
									   collations, nulls_first,
									   Min(work_mem, SORT_MAX_KB), NULL,
									   TUPLESORT_NONE);
	return sort;
}

void
bb_numbersort_add(BbNumberSort *sort, const int64 *row)
{
	TupleTableSlot *slot = sort->slot;

	ExecClearTuple(slot);
	for (int i = 0; i < sort->ncolumns; i++)
	{
		slot->tts_values[i] = Int64GetDatum(row[i]);
		slot->tts_isnull[i] = false;
	}
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(sort->state, slot);
}

void
bb_numbersort_finish(BbNumberSort *sort)
{
	tuplesort_performsort(sort->state);
}

bool
bb_numbersort_next(BbNumberSort *sort, int64 *row)
{
	if (!tuplesort_gettupleslot(sort->state, true, false, sort->result, NULL))
		return false;
	slot_getallattrs(sort->result);
	for (int i = 0; i < sort->ncolumns; i++)
		row[i] = DatumGetInt64(sort->result->tts_values[i]);
	return true;
}

void
bb_numbersort_close(BbNumberSort *sort)
{
	ExecDropSingleTupleTableSlot(sort->slot);
	ExecDropSingleTupleTableSlot(sort->result);
	tuplesort_end(sort->state);
	pfree(sort);
}

/* ---- changes ---- */

struct BbRowSort
{
	BbNumberSort *sort;
};

BbRowSort *
bb_rowsort_new(void)
{
	BbRowSort  *sort = palloc(sizeof(BbRowSort));

	sort->sort = bb_numbersort_new(10, 1);
	return sort;
}

static int64
pack(uint32 high, uint32 low)
{
	return (int64) ((uint64) high << 32 | low);
}

void
bb_rowsort_add(BbRowSort *sort, const BbRowChange *change)
{
	bb_numbersort_add(sort->sort,
					  (int64[10]){(int64) change->lsn, change->action,
								  change->xid, change->origin,
								  pack(BB_LOCATOR_SPC(change->relation),
									   BB_LOCATOR_DB(change->relation)),
								  pack(BB_LOCATOR_REL(change->relation),
									   change->block),
								  change->old_block, change->old_offset,
								  change->nrows, change->offset});
}

void
bb_rowsort_finish(BbRowSort *sort)
{
	bb_numbersort_finish(sort->sort);
}

bool
bb_rowsort_next(BbRowSort *sort, BbRowChange *change)
{
	int64		row[10];

	if (!bb_numbersort_next(sort->sort, row))
		return false;
	*change = (BbRowChange){
		.lsn = (XLogRecPtr) row[0],
		.action = (BbRowAction) row[1],
		.xid = (TransactionId) row[2],
		.origin = (RepOriginId) row[3],
		.relation = BB_REL_LOCATOR((Oid) ((uint64) row[4] >> 32), (Oid) row[4],
								   (Oid) ((uint64) row[5] >> 32)),
		.block = (BlockNumber) row[5],
		.old_block = (BlockNumber) row[6],
		.old_offset = (OffsetNumber) row[7],
		.nrows = (int) row[8],
		.offset = (OffsetNumber) row[9],
	};
	return true;
}

void
bb_rowsort_close(BbRowSort *sort)
{
	bb_numbersort_close(sort->sort);
	pfree(sort);
}
