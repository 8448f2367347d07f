/*-------------------------------------------------------------------------
 *
 * replicating.c
 *	  The table bb_replicating.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "stores/extension_table.h"
#include "stores/replicating.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define TABLE "bb_replicating"

enum
{
	AT_TIMELINE,
	AT_FROM_STORE,
	AT_TO_STORE,
	AT_OWNER,
	COLUMNS
};

static BbReplicating *
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
	Relation	table = bb_extension_table_try(TABLE, COLUMNS,
											   AccessShareLock);
	List	   *all = NIL;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	row;

	if (table == NULL)
		return NIL;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		all = lappend(all, replicating_of(row, RelationGetDescr(table)));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return all;
}

BbReplicating *
bb_replicating_find(const char *timeline, const char *from_store,
					const char *to_store)
{
	ListCell   *cell;

	foreach(cell, bb_replicating_all())
	{
		BbReplicating *row = lfirst(cell);

		if (strcmp(row->timeline, timeline) == 0 &&
			strcmp(row->from_store, from_store) == 0 &&
			strcmp(row->to_store, to_store) == 0)
			return row;
	}
	return NULL;
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
