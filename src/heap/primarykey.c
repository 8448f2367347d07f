/*-------------------------------------------------------------------------
 *
 * primarykey.c
 *	  The columns of a primary key of the past.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_index.h"
#include "heap/primarykey.h"
#include "heap/syscat.h"

static int
columns_of(const BbPast *past, const BbTable *table, HeapTuple tuple,
		   AttrNumber *columns)
{
	int			n = BB_SYSCAT_FORM(pg_index, tuple)->indnkeyatts;
	bool		isnull;
	const int2vector *keys = (const int2vector *) DatumGetPointer(
		bb_syscat_value(tuple, IndexRelationId, Anum_pg_index_indkey,
						&isnull));

	if (isnull || n < 1 || n > INDEX_MAX_KEYS || VARATT_IS_EXTENDED(keys) ||
		VARSIZE(keys) < offsetof(int2vector, values) + n * sizeof(int16))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("primary key of table \"%s\" is impossible at " BB_LSN_FORMAT,
						NameStr(table->name),
						LSN_FORMAT_ARGS(past->snapshot.lsn))));
	for (int i = 0; i < n; i++)
		columns[i] = keys->values[i];
	return n;
}

int
bb_primarykey_columns(const BbReqCtx *ctx, BbPast *past, const BbTable *table,
					  AttrNumber *columns)
{
	Datum		value = ObjectIdGetDatum(table->oid);
	ListCell   *cell;

	foreach(cell,
			bb_syscat_find(ctx, past, IndexRelationId, IndexIndrelidIndexId,
						   &value, 1))
	{
		if (BB_SYSCAT_FORM(pg_index, lfirst(cell))->indisprimary)
			return columns_of(past, table, lfirst(cell), columns);
	}
	return 0;
}
