/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  Tables of the past: pg_class, pg_attribute and what belongs to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc_details.h"
#include "access/tupmacs.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "heap/deform.h"
#include "heap/syscat.h"
#include "heap/tables.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

pg_noreturn static void
report_contradiction(const BbPast *past, Oid relation, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("catalogs of database \"%s\" contradict each other at " BB_LSN_FORMAT,
					past->database, LSN_FORMAT_ARGS(past->snapshot.lsn)),
			 errdetail("Relation %u %s.", relation, what)));
}

/* ---- schemas ---- */

Oid
bb_table_schema(const BbReqCtx *ctx, BbPast *past, const char *name)
{
	NameData	key;
	Datum		value = NameGetDatum(&key);
	List	   *rows;

	namestrcpy(&key, name);
	rows = bb_syscat_find(ctx, past, NamespaceRelationId, NamespaceNameIndexId,
						  &value, 1);
	return rows == NIL ? InvalidOid
					   : BB_SYSCAT_FORM(pg_namespace, linitial(rows))->oid;
}

char *
bb_table_schema_name(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	HeapTuple	row = bb_syscat_find_oid(ctx, past, NamespaceRelationId,
										 NamespaceOidIndexId, oid);

	return row == NULL
		? NULL
		: pstrdup(NameStr(BB_SYSCAT_FORM(pg_namespace, row)->nspname));
}

/* ---- tables ---- */

static HTAB *
tables_of(BbPast *past)
{
	HASHCTL		info = {.keysize = sizeof(Oid),
						.entrysize = sizeof(BbTable),
						.hcxt = past->context};

	if (past->tables == NULL)
		past->tables = hash_create("bbackup tables of the past", 32, &info,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return past->tables;
}

/* The handlers of built-in methods are those of this server. */
static Oid
handler_of(const BbReqCtx *ctx, BbPast *past, Oid method)
{
	HeapTuple	row;

	if (method == HEAP_TABLE_AM_OID)
		return F_HEAP_TABLEAM_HANDLER;
	if (method == BTREE_AM_OID)
		return F_BTHANDLER;
	if (!OidIsValid(method))
		return InvalidOid;
	row = bb_syscat_find_oid(ctx, past, AccessMethodRelationId, AmOidIndexId,
							 method);
	return row == NULL ? InvalidOid : BB_SYSCAT_FORM(pg_am, row)->amhandler;
}

static BbTable *
enter(const BbReqCtx *ctx, BbPast *past, HeapTuple tuple)
{
	Form_pg_class row = BB_SYSCAT_FORM(pg_class, tuple);
	BbTable		table = {
		.oid = row->oid,
		.name = row->relname,
		.schema = row->relnamespace,
		.kind = row->relkind,
		.persistence = row->relpersistence,
		.handler = handler_of(ctx, past, row->relam),
		.populated = row->relispopulated,
		.has_children = row->relhassubclass,
		.is_partition = row->relispartition,
		.ncolumns = row->relnatts,
		.toast = row->reltoastrelid,
		.tuples = row->reltuples,
		.pages = (BlockNumber) row->relpages,
		.relation = bb_syscat_locate(past, tuple),
	};
	bool		found;
	BbTable	   *entry = hash_search(tables_of(past), &table.oid, HASH_ENTER,
									&found);

	if (!found)
		*entry = table;
	return entry;
}

BbTable *
bb_table_find(const BbReqCtx *ctx, BbPast *past, Oid schema, const char *name)
{
	NameData	key;
	Datum		values[] = {NameGetDatum(&key), ObjectIdGetDatum(schema)};
	List	   *rows;

	namestrcpy(&key, name);
	rows = bb_syscat_find(ctx, past, RelationRelationId, ClassNameNspIndexId,
						  values, lengthof(values));
	return rows == NIL ? NULL : enter(ctx, past, linitial(rows));
}

BbTable *
bb_table_of(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	BbTable	   *table = hash_search(tables_of(past), &oid, HASH_FIND, NULL);
	HeapTuple	row;

	if (table != NULL)
		return table;
	row = bb_syscat_find_oid(ctx, past, RelationRelationId, ClassOidIndexId,
							 oid);
	if (row == NULL)
		report_contradiction(past, oid, "is not in pg_class");
	return enter(ctx, past, row);
}

List *
bb_table_children(const BbReqCtx *ctx, BbPast *past, const BbTable *table)
{
	Datum		value = ObjectIdGetDatum(table->oid);
	List	   *children = NIL;
	ListCell   *cell;

	if (!table->has_children)
		return NIL;
	foreach(cell,
			bb_syscat_find(ctx, past, InheritsRelationId,
						   InheritsParentIndexId, &value, 1))
	{
		Form_pg_inherits row = BB_SYSCAT_FORM(pg_inherits, lfirst(cell));

		if (!row->inhdetachpending)
			children = lappend_oid(children, row->inhrelid);
	}
	return children;
}

/* ---- columns ---- */

static bool
is_possible(Form_pg_attribute column)
{
	switch (column->attalign)
	{
		case TYPALIGN_CHAR:
		case TYPALIGN_SHORT:
		case TYPALIGN_INT:
		case TYPALIGN_DOUBLE:
			break;
		default:
			return false;
	}
	if (column->attbyval)
		return column->attlen == 1 || column->attlen == 2 ||
			column->attlen == 4 || column->attlen == sizeof(Datum);
	return column->attlen >= -2 && column->attlen != 0;
}

/*
 * The value that rows have which are older than the column: the only element of
 * an array.
 */
static void
set_missing(const BbPast *past, TupleDesc desc, HeapTuple tuple,
			Form_pg_attribute column)
{
	bool		isnull;
	Datum		value = bb_syscat_value(tuple, AttributeRelationId,
										Anum_pg_attribute_attmissingval,
										&isnull);
	AttrMissing *missing;
	ArrayType  *array;

	if (isnull)
		return;
	array = DatumGetArrayTypePCopy(value);
	if (VARSIZE(array) < ARR_OVERHEAD_NONULLS(1) || ARR_NDIM(array) != 1 ||
		ARR_DIMS(array)[0] != 1 || ARR_HASNULL(array) ||
		bb_deform_length(column, ARR_DATA_PTR(array),
						 (char *) array + VARSIZE(array)) == 0)
		report_contradiction(past, column->attrelid,
							 "has an impossible missing value");
	if (desc->constr == NULL)
		desc->constr = palloc0(sizeof(TupleConstr));
	if (desc->constr->missing == NULL)
		desc->constr->missing = palloc0(desc->natts * sizeof(AttrMissing));
	missing = &desc->constr->missing[column->attnum - 1];
	missing->am_present = true;
	missing->am_value = datumCopy(fetchatt(column, ARR_DATA_PTR(array)),
								  column->attbyval, column->attlen);
	pfree(array);
}

/* Of the rows of pg_attribute. */
static TupleDesc
make_desc(const BbPast *past, BbTable *table, List *rows)
{
	TupleDesc	desc = CreateTemplateTupleDesc(table->ncolumns);
	bool	   *seen = palloc0(table->ncolumns * sizeof(bool) + 1);
	int			found = 0;
	ListCell   *cell;

	foreach(cell, rows)
	{
		HeapTuple	tuple = lfirst(cell);
		Form_pg_attribute row = BB_SYSCAT_FORM(pg_attribute, tuple);
		Form_pg_attribute column;

		if (row->attnum <= 0)
			continue;
		if (row->attnum > table->ncolumns || !is_possible(row))
			report_contradiction(past, table->oid, "has an impossible column");
		if (seen[row->attnum - 1])
			report_contradiction(past, table->oid, "has a column twice");
		seen[row->attnum - 1] = true;
		column = TupleDescAttr(desc, row->attnum - 1);
		memcpy(column, row, ATTRIBUTE_FIXED_PART_SIZE);
		bb_compat_attribute_set(desc, row->attnum - 1);
		if (row->atthasmissing && !row->attisdropped)
		{
			set_missing(past, desc, tuple, column);
			table->has_missing = true;
		}
		found++;
	}
	pfree(seen);
	if (found != table->ncolumns)
		report_contradiction(past, table->oid, "lacks a column");
	TupleDescFinalize(desc);
	return desc;
}

TupleDesc
bb_table_desc(const BbReqCtx *ctx, BbPast *past, BbTable *table)
{
	Datum		value = ObjectIdGetDatum(table->oid);
	MemoryContext old;
	List	   *rows;

	if (table->desc != NULL)
		return table->desc;
	if (table->ncolumns < 0 || table->ncolumns > MaxHeapAttributeNumber)
		report_contradiction(past, table->oid,
							 "has an impossible number of columns");
	rows = bb_syscat_find(ctx, past, AttributeRelationId,
						  AttributeRelidNumIndexId, &value, 1);
	old = MemoryContextSwitchTo(past->context);
	table->desc = make_desc(past, table, rows);
	MemoryContextSwitchTo(old);
	return table->desc;
}

/* ---- indexes of TOAST tables ---- */

/* Of (chunk_id oid, chunk_seq int4), as create_toast_table makes it. */
static BbBtree *
make_toast_index(const BbTable *index)
{
	BbBtree	   *btree = palloc0(sizeof(BbBtree));

	btree->name = NameStr(index->name);
	btree->relation = index->relation;
	btree->desc = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(btree->desc, 1, "chunk_id", OIDOID, -1, 0);
	TupleDescInitEntry(btree->desc, 2, "chunk_seq", INT4OID, -1, 0);
	TupleDescFinalize(btree->desc);
	return btree;
}

const BbBtree *
bb_table_toast_index(const BbReqCtx *ctx, BbPast *past, BbTable *toast)
{
	Datum		value = ObjectIdGetDatum(toast->oid);
	ListCell   *cell;

	if (toast->toast_index != NULL)
		return toast->toast_index;
	foreach(cell,
			bb_syscat_find(ctx, past, IndexRelationId, IndexIndrelidIndexId,
						   &value, 1))
	{
		Form_pg_index row = BB_SYSCAT_FORM(pg_index, lfirst(cell));
		const BbTable *index;
		MemoryContext old;

		/* another one may be there that REINDEX CONCURRENTLY builds */
		if (!row->indisvalid)
			continue;
		index = bb_table_of(ctx, past, row->indexrelid);
		old = MemoryContextSwitchTo(past->context);
		toast->toast_index = make_toast_index(index);
		MemoryContextSwitchTo(old);
		return toast->toast_index;
	}
	report_contradiction(past, toast->oid, "has no valid index");
}
