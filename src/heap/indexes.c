/*-------------------------------------------------------------------------
 *
 * indexes.c
 *	  Indexes of a table of the past that this server can search.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "heap/collations.h"
#include "heap/conversion.h"
#include "heap/indexes.h"
#include "heap/syscat.h"
#include "heap/types.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* A row of pg_index, whose vectors have the number of columns that it says. */
typedef struct IndexRow
{
	Oid			oid;
	bool		unique;
	int			natts;
	int			nkeys;
	int16		keys[INDEX_MAX_KEYS];
	int16		options[INDEX_MAX_KEYS];
	Oid			collations[INDEX_MAX_KEYS];
	Oid			classes[INDEX_MAX_KEYS];
} IndexRow;

/*
 * Copy the elements of an int2vector or oidvector, of which n are there at least.
 */
static bool
read_vector(HeapTuple tuple, AttrNumber column, int n, Oid type, Size size,
			void *elements)
{
	bool		isnull;
	Datum		value = bb_syscat_value(tuple, IndexRelationId, column,
										&isnull);
	ArrayType  *array = (ArrayType *) DatumGetPointer(value);

	if (isnull || !VARATT_IS_4B_U(array) ||
		VARSIZE(array) < ARR_OVERHEAD_NONULLS(1) + n * size ||
		ARR_NDIM(array) != 1 || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != type || ARR_DIMS(array)[0] < n)
		return false;
	memcpy(elements, ARR_DATA_PTR(array), n * size);
	return true;
}

static bool
has_value(HeapTuple tuple, AttrNumber column)
{
	bool		isnull;

	(void) bb_syscat_value(tuple, IndexRelationId, column, &isnull);
	return !isnull;
}

/* Read a row of pg_index.  Returns false for an index that is not used. */
static bool
read_row(HeapTuple tuple, IndexRow *index)
{
	Form_pg_index row = BB_SYSCAT_FORM(pg_index, tuple);

	if (!row->indisvalid || !row->indisready || !row->indislive ||
		has_value(tuple, Anum_pg_index_indpred))
		return false;
	index->oid = row->indexrelid;
	index->unique = row->indisunique && row->indimmediate;
	index->natts = row->indnatts;
	index->nkeys = row->indnkeyatts;
	if (index->nkeys < 1 || index->nkeys > index->natts ||
		index->natts > INDEX_MAX_KEYS)
		return false;
	return read_vector(tuple, Anum_pg_index_indkey, index->natts, INT2OID,
					   sizeof(int16), index->keys) &&
		read_vector(tuple, Anum_pg_index_indoption, index->nkeys, INT2OID,
					sizeof(int16), index->options) &&
		read_vector(tuple, Anum_pg_index_indcollation, index->nkeys, OIDOID,
					sizeof(Oid), index->collations) &&
		read_vector(tuple, Anum_pg_index_indclass, index->nkeys, OIDOID,
					sizeof(Oid), index->classes);
}

/* ---- columns ---- */

/* Have values of the type no OIDs of the source in them? */
static const BbType *
plain_type(const BbReqCtx *ctx, BbPast *past, Oid type)
{
	const BbType *base = bb_type_base(ctx, past, type);

	/* regclass and the like may be shown as what has the same name here */
	if (bb_conversion_is_object_id(base->oid) ||
		bb_conversion_is_object_id(base->element))
		return NULL;
	return bb_type_is_fixed(base->oid) && base->kind != TYPTYPE_COMPOSITE &&
			base->kind != TYPTYPE_PSEUDO
		? base
		: NULL;
}

/* What the order of values depends on: a collation, Invalid or "C"; or unknown. */
static bool
order_of(const BbReqCtx *ctx, BbPast *past, const BbType *type, Oid family,
		 Oid there, Oid *here)
{
	Oid			element = OidIsValid(type->element) ? type->element
													: type->oid;

	/* texts in jsonb are in the order of the database, as in jsonb_util.c */
	if (element == JSONBOID)
		return OidIsValid(bb_collation_here(ctx, past, DEFAULT_COLLATION_OID));
	if (!OidIsValid(there))
		return true;
	if (family == TEXT_PATTERN_BTREE_FAM_OID ||
		family == BPCHAR_PATTERN_BTREE_FAM_OID)
		*here = C_COLLATION_OID;
	else
		*here = bb_collation_here(ctx, past, there);
	return OidIsValid(*here);
}

/* Is the index's column of the form that the operator class says? */
static bool
has_form(Form_pg_attribute column, Oid type)
{
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return column->attlen == length && column->attbyval == by_value &&
		column->attalign == align;
}

/*
 * Describe a column of an index.  Returns false if it cannot be searched.
 */
static bool
describe_column(const BbReqCtx *ctx, BbPast *past, TupleDesc table,
				Form_pg_attribute stored, const IndexRow *row, int i,
				BbIndexColumn *column)
{
	Oid			class = row->classes[i];
	HeapTuple	tuple;
	const BbType *type;
	Oid			key_type;

	*column = (BbIndexColumn){.column = row->keys[i]};
	if (column->column <= 0 || column->column > table->natts ||
		TupleDescAttr(table, column->column - 1)->attisdropped ||
		class >= FirstUnpinnedObjectId)
		return false;
	type = plain_type(ctx, past,
					  TupleDescAttr(table, column->column - 1)->atttypid);
	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(class));
	if (type == NULL || !HeapTupleIsValid(tuple))
	{
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		return false;
	}
	column->family = ((Form_pg_opclass) GETSTRUCT(tuple))->opcfamily;
	column->type = ((Form_pg_opclass) GETSTRUCT(tuple))->opcintype;
	key_type = ((Form_pg_opclass) GETSTRUCT(tuple))->opckeytype;
	ReleaseSysCache(tuple);
	column->stored = type->oid;
	if (!OidIsValid(key_type))
		key_type = IsPolymorphicType(column->type) ? type->oid : column->type;
	return has_form(stored, key_type) &&
		order_of(ctx, past, type, column->family, row->collations[i],
				 &column->collation);
}

/* ---- indexes ---- */

static BbIndex *
describe(const BbReqCtx *ctx, BbPast *past, BbTable *table, HeapTuple tuple)
{
	IndexRow	row;
	BbTable	   *relation;
	BbIndex		index = {0};
	BbIndex	   *result;
	TupleDesc	desc;

	if (!read_row(tuple, &row))
		return NULL;
	relation = bb_table_of(ctx, past, row.oid);
	if (relation->kind != RELKIND_INDEX || relation->handler != F_BTHANDLER)
		return NULL;
	desc = bb_table_desc(ctx, past, relation);
	if (desc->natts != row.natts)
		return NULL;
	index.oid = row.oid;
	index.name = relation->name;
	index.unique = row.unique;
	index.nkeys = row.nkeys;
	while (index.ncolumns < row.nkeys &&
		   describe_column(ctx, past, bb_table_desc(ctx, past, table),
						   TupleDescAttr(desc, index.ncolumns), &row,
						   index.ncolumns, &index.columns[index.ncolumns]))
		index.ncolumns++;
	if (index.ncolumns == 0)
		return NULL;
	index.blocks = bb_pages_blocks(ctx, past->pages, relation->relation);
	index.btree.relation = relation->relation;
	index.btree.desc = desc;
	index.btree.optional = true;
	for (int i = 0; i < index.ncolumns; i++)
	{
		index.btree.collations[i] = index.columns[i].collation;
		index.btree.options[i] = row.options[i];
	}
	result = MemoryContextAlloc(past->context, sizeof(BbIndex));
	*result = index;
	result->btree.name = NameStr(result->name);
	return result;
}

static int
by_oid(const ListCell *a, const ListCell *b)
{
	Oid			left = ((const BbIndex *) lfirst(a))->oid;
	Oid			right = ((const BbIndex *) lfirst(b))->oid;

	return left < right ? -1 : left > right;
}

List *
bb_table_indexes(const BbReqCtx *ctx, BbPast *past, BbTable *table)
{
	Datum		value = ObjectIdGetDatum(table->oid);
	List	   *indexes = NIL;
	ListCell   *cell;
	MemoryContext old;

	if (table->has_indexes)
		return table->indexes;
	foreach(cell,
			bb_syscat_find(ctx, past, IndexRelationId, IndexIndrelidIndexId,
						   &value, 1))
	{
		BbIndex	   *index = describe(ctx, past, table, lfirst(cell));

		if (index != NULL)
			indexes = lappend(indexes, index);
	}
	list_sort(indexes, by_oid);
	old = MemoryContextSwitchTo(past->context);
	table->indexes = list_copy(indexes);
	MemoryContextSwitchTo(old);
	table->has_indexes = true;
	return table->indexes;
}
