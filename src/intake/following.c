/*-------------------------------------------------------------------------
 *
 * following.c
 *	  The table bb_following: which timelines follow which sources.
 *
 * Who may change it is decided by bb_follow and bb_unfollow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "intake/follow.h"
#include "stores/extension_table.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#define TABLE "bb_following"

enum
{
	AT_STORE,
	AT_TIMELINE,
	AT_SOURCE,
	AT_OWNER,
	AT_SLOT,
	AT_CHECKPOINT,
	AT_MAX_RATE,
	AT_IMPORTED,
	COLUMNS
};

static Relation
open_table(LOCKMODE lock)
{
	return bb_extension_table_open(TABLE, COLUMNS, lock);
}

static void *
following_of(HeapTuple row, TupleDesc desc)
{
	BbFollowing *following = palloc0(sizeof(BbFollowing));
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	heap_deform_tuple(row, desc, values, nulls);
	following->store = pstrdup(NameStr(*DatumGetName(values[AT_STORE])));
	following->timeline = TextDatumGetCString(values[AT_TIMELINE]);
	following->source = pstrdup(NameStr(*DatumGetName(values[AT_SOURCE])));
	following->owner = DatumGetObjectId(values[AT_OWNER]);
	following->slot = pstrdup(NameStr(*DatumGetName(values[AT_SLOT])));
	following->checkpoint = TextDatumGetCString(values[AT_CHECKPOINT]);
	if (!nulls[AT_MAX_RATE])
		following->max_rate_kb = DatumGetInt32(values[AT_MAX_RATE]);
	following->imported = DatumGetBool(values[AT_IMPORTED]);
	following->row = row->t_self;
	return following;
}

List *
bb_following_all(void)
{
	return bb_extension_table_rows(TABLE, COLUMNS, following_of);
}

BbFollowing *
bb_following_find(const char *store, const char *timeline)
{
	ListCell   *cell;

	foreach(cell, bb_following_all())
	{
		BbFollowing *following = lfirst(cell);

		if (strcmp(following->store, store) == 0 &&
			strcmp(following->timeline, timeline) == 0)
			return following;
	}
	return NULL;
}

void
bb_following_lock(void)
{
	table_close(open_table(ShareRowExclusiveLock), NoLock);
}

static HeapTuple
row_of(Relation table, const BbFollowing *following)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {0};
	NameData	store;
	NameData	source;
	NameData	slot;

	namestrcpy(&store, following->store);
	namestrcpy(&source, following->source);
	namestrcpy(&slot, following->slot);
	values[AT_STORE] = NameGetDatum(&store);
	values[AT_TIMELINE] = CStringGetTextDatum(following->timeline);
	values[AT_SOURCE] = NameGetDatum(&source);
	values[AT_OWNER] = ObjectIdGetDatum(following->owner);
	values[AT_SLOT] = NameGetDatum(&slot);
	values[AT_CHECKPOINT] = CStringGetTextDatum(following->checkpoint);
	values[AT_MAX_RATE] = Int32GetDatum(following->max_rate_kb);
	nulls[AT_MAX_RATE] = following->max_rate_kb == 0;
	values[AT_IMPORTED] = BoolGetDatum(following->imported);
	return heap_form_tuple(RelationGetDescr(table), values, nulls);
}

void
bb_following_add(const BbFollowing *following)
{
	Relation	table = open_table(RowExclusiveLock);

	CatalogTupleInsert(table, row_of(table, following));
	table_close(table, NoLock);
	CommandCounterIncrement();
}

void
bb_following_remove(const BbFollowing *following)
{
	Relation	table = open_table(RowExclusiveLock);
	ItemPointerData row = following->row;

	CatalogTupleDelete(table, &row);
	table_close(table, NoLock);
	CommandCounterIncrement();
}

void
bb_following_set_imported(const BbFollowing *following)
{
	Relation	table = open_table(RowExclusiveLock);
	BbFollowing now = *following;
	ItemPointerData row = following->row;

	now.imported = true;
	CatalogTupleUpdate(table, &row, row_of(table, &now));
	table_close(table, NoLock);
	CommandCounterIncrement();
}
