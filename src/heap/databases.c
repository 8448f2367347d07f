/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  Which databases a backup has, by their names in pg_database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/compat.h"
#include "catalog/pg_database.h"
#include "catalog/pg_tablespace_d.h"
#include "heap/databases.h"
#include "heap/deform.h"
#include "heap/relmap.h"
#include "heap/syscat.h"
#include "storage/checksum.h"

static bool
is_named(const List *names, const char *name)
{
	const ListCell *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* The OIDs of databases that are not named. */
static List *
find_others(const BbReqCtx *ctx, BbPast *past, const List *names)
{
	BbTupleScan *scan = bb_syscat_scan(ctx, past, DatabaseRelationId);
	List	   *found = NIL;
	List	   *others = NIL;
	HeapTuple	tuple;
	const ListCell *cell;

	while ((tuple = bb_tuplescan_next(ctx, scan)) != NULL)
	{
		Form_pg_database row = BB_SYSCAT_FORM(pg_database, tuple);

		if (is_named(names, NameStr(row->datname)))
			found = lappend(found, pstrdup(NameStr(row->datname)));
		else if (row->oid >= FirstNormalObjectId)
			others = lappend_oid(others, row->oid);
	}
	bb_tuplescan_close(scan);
	foreach(cell, names)
	{
		if (!is_named(found, lfirst(cell)))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_DATABASE),
					 errmsg("database \"%s\" does not exist at " BB_LSN_FORMAT,
							(const char *) lfirst(cell),
							LSN_FORMAT_ARGS(past->snapshot.lsn))));
	}
	return others;
}

/* Mark the rows of databases on a page; false: it has none. */
static bool
mark_page(Page page, const List *others)
{
	OffsetNumber end = PageGetMaxOffsetNumber(page);
	bool		marked = false;

	for (OffsetNumber i = FirstOffsetNumber; i <= end; i++)
	{
		ItemId		item = PageGetItemId(page, i);
		HeapTupleData tuple;
		Form_pg_database row;

		if (!ItemIdIsNormal(item) || !bb_item_is_sound(page, item))
			continue;
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		if (!bb_tuple_is_sound(tuple.t_data, tuple.t_len))
			continue;
		row = BB_SYSCAT_FORM(pg_database, &tuple);
		if (!list_member_oid(others, row->oid))
			continue;
		row->datconnlimit = DATCONNLIMIT_INVALID_DB;
		marked = true;
	}
	return marked;
}

static List *
mark_others(const BbReqCtx *ctx, BbPast *past, const List *others)
{
	BbRelLocator relation = BB_REL_LOCATOR(GLOBALTABLESPACE_OID, InvalidOid,
										   bb_relmap_find(past->shared_map,
														  DatabaseRelationId));
	BlockNumber blocks = bb_pages_blocks(ctx, past->pages, relation);
	List	   *marked = NIL;

	for (BlockNumber i = 0; i < blocks; i++)
	{
		BbPartialBlock *block = palloc(sizeof(BbPartialBlock));
		char	   *page = palloc(BLCKSZ);

		memcpy(page, bb_pages_get(ctx, past->pages, relation, i), BLCKSZ);
		if (!mark_page(page, others))
			continue;
		/* it is 0 only in a cluster without checksums */
		if (((PageHeader) page)->pd_checksum != 0)
			((PageHeader) page)->pd_checksum = pg_checksum_page(page, i);
		block->key = bb_key_rel_block(GLOBALTABLESPACE_OID, InvalidOid,
									  BB_LOCATOR_REL(relation), MAIN_FORKNUM,
									  i);
		block->page = (const uint8 *) page;
		marked = lappend(marked, block);
	}
	return marked;
}

BbPartial *
bb_databases_only(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				  const List *names)
{
	BbPast	   *past = bb_past_shared(ctx, snapshot);
	BbPartial  *partial = palloc0(sizeof(BbPartial));

	partial->left_out = find_others(ctx, past, names);
	partial->blocks = mark_others(ctx, past, partial->left_out);
	bb_past_close(past);
	return partial;
}
