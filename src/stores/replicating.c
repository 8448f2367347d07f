/*-------------------------------------------------------------------------
 *
 * replicating.c
 *	  The table bb_replicating.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "stores/extension_table.h"
#include "stores/replicating.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#define TABLE "bb_replicating"

enum
{
	AT_TIMELINE,
	AT_FROM_STORE,
	AT_TO_STORE,
	AT_OWNER,
	COLUMNS
};

static void *
replicating_of(HeapTuple row, TupleDesc desc)
{
	BbReplicating *replicating = palloc0(sizeof(BbReplicating));
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	heap_deform_tuple(row, desc, values, nulls);
	replicating->timeline = TextDatumGetCString(values[AT_TIMELINE]);
	replicating->from_store = pstrdup(
		NameStr(*DatumGetName(values[AT_FROM_STORE])));
	replicating->to_store = pstrdup(
		NameStr(*DatumGetName(values[AT_TO_STORE])));
	replicating->owner = DatumGetObjectId(values[AT_OWNER]);
	replicating->row = row->t_self;
	return replicating;
}

List *
bb_replicating_all(void)
{
	return bb_extension_table_rows(TABLE, COLUMNS, replicating_of);
}

/* The rows of a timeline with that from_store and to_store; NULL: with any. */
static List *
rows_of(const char *timeline, const char *from_store, const char *to_store)
{
	List	   *rows = NIL;
	ListCell   *cell;

	foreach(cell, bb_replicating_all())
	{
		BbReplicating *row = lfirst(cell);

		if (strcmp(row->timeline, timeline) == 0 &&
			(from_store == NULL || strcmp(row->from_store, from_store) == 0) &&
			(to_store == NULL || strcmp(row->to_store, to_store) == 0))
			rows = lappend(rows, row);
	}
	return rows;
}

BbReplicating *
bb_replicating_find(const char *timeline, const char *from_store,
					const char *to_store)
{
	List	   *rows = rows_of(timeline, from_store, to_store);

	return rows != NIL ? linitial(rows) : NULL;
}

List *
bb_replicating_from(const char *store, const char *timeline)
{
	return rows_of(timeline, store, NULL);
}

List *
bb_replicating_to(const char *store, const char *timeline)
{
	return rows_of(timeline, NULL, store);
}

void
bb_replicating_add(const BbReplicating *replicating)
{
	Relation	table = bb_extension_table_open(TABLE, COLUMNS,
												RowExclusiveLock);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {0};
	NameData	from_store;
	NameData	to_store;

	namestrcpy(&from_store, replicating->from_store);
	namestrcpy(&to_store, replicating->to_store);
	values[AT_TIMELINE] = CStringGetTextDatum(replicating->timeline);
	values[AT_FROM_STORE] = NameGetDatum(&from_store);
	values[AT_TO_STORE] = NameGetDatum(&to_store);
	values[AT_OWNER] = ObjectIdGetDatum(replicating->owner);
	CatalogTupleInsert(table,
					   heap_form_tuple(RelationGetDescr(table), values,
									   nulls));
	table_close(table, NoLock);
	CommandCounterIncrement();
}

void
bb_replicating_remove(const BbReplicating *replicating)
{
	Relation	table = bb_extension_table_open(TABLE, COLUMNS,
												RowExclusiveLock);
	ItemPointerData row = replicating->row;

	CatalogTupleDelete(table, &row);
	table_close(table, NoLock);
	CommandCounterIncrement();
}
