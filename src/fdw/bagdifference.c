/*-------------------------------------------------------------------------
 *
 * bagdifference.c
 *	  Rows that two bags of rows do not share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "fdw/bagdifference.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

/* The columns by which contents are sorted. */
enum
{
	CONTENT_HASH,
	CONTENT_IMAGE,
	CONTENT_PLUS,
	CONTENT_COLUMNS
};

/* Equal rows: how many more there are of one bag. */
typedef struct EqualRows
{
	bool		there;
	int64		hash;
	Datum		image; /* palloc'd */
	int64		surplus;
} EqualRows;

typedef struct RowSort
{
	Tuplesortstate *state;
	TupleTableSlot *in;
	TupleTableSlot *out;
} RowSort;

struct BbBagDifference
{
	MemoryContext context;
	MemoryContext row_context;
	TupleDesc	desc;
	RowSort		contents;
	EqualRows	group;
	TupleTableSlot *pending; /* the first row of the next group, or NULL */
	bool		ended;
	/* with keys */
	int			nkeys;
	AttrNumber	keys[INDEX_MAX_KEYS];
	RowSort		result; /* keys, plus, image */
};

/* ---- sorts ---- */

/* A column for an image: as long as it is, at an alignment of rows. */
static void
add_image_column(TupleDesc desc, AttrNumber column)
{
	TupleDescInitEntry(desc, column, "image", RECORDOID, -1, 0);
	TupleDescAttr(desc, column - 1)->attstorage = TYPSTORAGE_PLAIN;
	bb_compat_attribute_set(desc, column - 1);
}

static Oid
less_operator(Oid type)
{
	return lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr;
}

static RowSort
begin_sort(TupleDesc desc, int nkeys, AttrNumber *columns, Oid *operators,
		   Oid *collations)
{
	bool		nulls_first[INDEX_MAX_KEYS + CONTENT_COLUMNS] = {false};
	RowSort		sort;

	sort.state = tuplesort_begin_heap(desc, nkeys, columns, operators,
									  collations, nulls_first, work_mem, NULL,
									  0);
	sort.in = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	sort.out = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	return sort;
}

static void
end_sort(RowSort *sort)
{
	if (sort->state == NULL)
		return;
	ExecDropSingleTupleTableSlot(sort->in);
	ExecDropSingleTupleTableSlot(sort->out);
	tuplesort_end(sort->state);
	sort->state = NULL;
}

static void
put(RowSort *sort)
{
	ExecStoreVirtualTuple(sort->in);
	tuplesort_puttupleslot(sort->state, sort->in);
	ExecClearTuple(sort->in);
}

static bool
get(RowSort *sort)
{
	CHECK_FOR_INTERRUPTS();
	return tuplesort_gettupleslot(sort->state, true, false, sort->out, NULL);
}

static Datum
value_of(TupleTableSlot *slot, int column)
{
	bool		isnull;

	return slot_getattr(slot, column + 1, &isnull);
}

static void
begin_contents(BbBagDifference *difference)
{
	TupleDesc	desc = CreateTemplateTupleDesc(CONTENT_COLUMNS);
	AttrNumber	columns[] = {CONTENT_HASH + 1, CONTENT_IMAGE + 1};
	Oid			operators[] = {less_operator(INT8OID),
							   less_operator(BYTEAOID)};
	Oid			collations[] = {InvalidOid, InvalidOid};

	TupleDescInitEntry(desc, CONTENT_HASH + 1, "hash", INT8OID, -1, 0);
	add_image_column(desc, CONTENT_IMAGE + 1);
	TupleDescInitEntry(desc, CONTENT_PLUS + 1, "plus", BOOLOID, -1, 0);
	TupleDescFinalize(desc);
	/* an image is compared as the bytes that it is */
	difference->contents = begin_sort(desc, lengthof(columns), columns,
									  operators, collations);
}

static void
begin_result(BbBagDifference *difference)
{
	int			nkeys = difference->nkeys;
	TupleDesc	desc = CreateTemplateTupleDesc(nkeys + 2);
	AttrNumber	columns[INDEX_MAX_KEYS + 1];
	Oid			operators[INDEX_MAX_KEYS + 1];
	Oid			collations[INDEX_MAX_KEYS + 1];

	for (int i = 0; i < nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(difference->desc,
											  difference->keys[i] - 1);

		TupleDescCopyEntry(desc, i + 1, difference->desc, difference->keys[i]);
		columns[i] = i + 1;
		operators[i] = less_operator(key->atttypid);
		collations[i] = key->attcollation;
	}
	TupleDescInitEntry(desc, nkeys + 1, "plus", BOOLOID, -1, 0);
	columns[nkeys] = nkeys + 1;
	operators[nkeys] = less_operator(BOOLOID);
	collations[nkeys] = InvalidOid;
	add_image_column(desc, nkeys + 2);
	TupleDescFinalize(desc);
	difference->result = begin_sort(desc, nkeys + 1, columns, operators,
									collations);
}

BbBagDifference *
bb_bagdifference_new(TupleDesc desc, const AttrNumber *keys, int nkeys)
{
	BbBagDifference *difference = palloc0(sizeof(BbBagDifference));

	difference->context = CurrentMemoryContext;
	difference->row_context = AllocSetContextCreate(CurrentMemoryContext,
													"bbackup difference",
													ALLOCSET_DEFAULT_SIZES);
	difference->desc = desc;
	for (int i = 0; i < nkeys; i++)
	{
		Oid			type = TupleDescAttr(desc, keys[i] - 1)->atttypid;

		if (OidIsValid(less_operator(type)))
			difference->keys[difference->nkeys++] = keys[i];
	}
	begin_contents(difference);
	return difference;
}

/* ---- rows ---- */

/* Equal rows have equal bytes. */
Datum
bb_bagdifference_image(TupleDesc desc, TupleTableSlot *row)
{
	Datum	   *values = palloc(desc->natts * sizeof(Datum) + 1);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		values[i] = row->tts_values[i];
		if (!row->tts_isnull[i] && column->attlen == -1)
			values[i] = PointerGetDatum(PG_DETOAST_DATUM(values[i]));
	}
	return heap_copy_tuple_as_datum(heap_form_tuple(desc, values,
													row->tts_isnull),
									desc);
}

static int64
hash_image(Datum image)
{
	const char *bytes = VARDATA(DatumGetPointer(image));

	return (int64) hash_bytes_extended((const unsigned char *) bytes,
									   (int) VARSIZE(DatumGetPointer(image)) -
										   VARHDRSZ,
									   0);
}

void
bb_bagdifference_add(BbBagDifference *difference, bool plus,
					 TupleTableSlot *row)
{
	MemoryContext old = MemoryContextSwitchTo(difference->row_context);
	Datum		image = bb_bagdifference_image(difference->desc, row);
	TupleTableSlot *in = difference->contents.in;

	ExecClearTuple(in);
	memset(in->tts_isnull, 0, CONTENT_COLUMNS * sizeof(bool));
	in->tts_values[CONTENT_HASH] = Int64GetDatum(hash_image(image));
	in->tts_values[CONTENT_IMAGE] = image;
	in->tts_values[CONTENT_PLUS] = BoolGetDatum(plus);
	put(&difference->contents);
	MemoryContextSwitchTo(old);
	MemoryContextReset(difference->row_context);
}

/* ---- the difference ---- */

static bool
in_group(const EqualRows *group, int64 hash, Datum image)
{
	Size		size = VARSIZE(DatumGetPointer(image));

	return group->hash == hash &&
		VARSIZE(DatumGetPointer(group->image)) == size &&
		memcmp(DatumGetPointer(group->image), DatumGetPointer(image), size) ==
		0;
}

/* Read the next rows that are equal into the group.  False: there are none. */
static bool
next_group(BbBagDifference *difference)
{
	EqualRows  *group = &difference->group;
	RowSort	   *sort = &difference->contents;

	if (group->there)
		pfree(DatumGetPointer(group->image));
	group->there = false;
	while (!difference->ended)
	{
		int64		hash;
		Datum		image;

		/* the row that ended the group before is still in the slot */
		if (difference->pending == NULL && !get(sort))
		{
			difference->ended = true;
			break;
		}
		difference->pending = NULL;
		hash = DatumGetInt64(value_of(sort->out, CONTENT_HASH));
		image = value_of(sort->out, CONTENT_IMAGE);
		if (!group->there)
		{
			Size		size = VARSIZE(DatumGetPointer(image));

			group->image = PointerGetDatum(
				MemoryContextAlloc(difference->context, size));
			memcpy(DatumGetPointer(group->image), DatumGetPointer(image),
				   size);
			group->hash = hash;
			group->surplus = 0;
			group->there = true;
		}
		else if (!in_group(group, hash, image))
		{
			difference->pending = sort->out;
			break;
		}
		group->surplus += DatumGetBool(value_of(sort->out, CONTENT_PLUS)) ? 1
																		  : -1;
	}
	return group->there;
}

/* Take one row out of the group, or out of a group after it. */
static bool
next_survivor(BbBagDifference *difference, bool *plus, Datum *row)
{
	EqualRows  *group = &difference->group;

	while (!group->there || group->surplus == 0)
	{
		if (!next_group(difference))
			return false;
	}
	*plus = group->surplus > 0;
	group->surplus -= *plus ? 1 : -1;
	*row = group->image;
	return true;
}

static void
put_result(BbBagDifference *difference, bool plus, Datum row)
{
	int			nkeys = difference->nkeys;
	TupleTableSlot *in = difference->result.in;
	HeapTupleData tuple = {0};

	tuple.t_data = DatumGetHeapTupleHeader(row);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ExecClearTuple(in);
	for (int i = 0; i < nkeys; i++)
		in->tts_values[i] = heap_getattr(&tuple, difference->keys[i],
										 difference->desc, &in->tts_isnull[i]);
	in->tts_values[nkeys] = BoolGetDatum(plus);
	in->tts_isnull[nkeys] = false;
	in->tts_values[nkeys + 1] = row;
	in->tts_isnull[nkeys + 1] = false;
	put(&difference->result);
}

void
bb_bagdifference_finish(BbBagDifference *difference)
{
	bool		plus;
	Datum		row;

	tuplesort_performsort(difference->contents.state);
	if (difference->nkeys == 0)
		return;
	begin_result(difference);
	while (next_survivor(difference, &plus, &row))
		put_result(difference, plus, row);
	end_sort(&difference->contents);
	tuplesort_performsort(difference->result.state);
}

bool
bb_bagdifference_next(BbBagDifference *difference, bool *plus, Datum *row)
{
	TupleTableSlot *out = difference->result.out;

	if (difference->nkeys == 0)
		return next_survivor(difference, plus, row);
	if (!get(&difference->result))
		return false;
	*plus = DatumGetBool(value_of(out, difference->nkeys));
	*row = value_of(out, difference->nkeys + 1);
	return true;
}

void
bb_bagdifference_close(BbBagDifference *difference)
{
	end_sort(&difference->contents);
	end_sort(&difference->result);
}
