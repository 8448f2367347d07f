/*-------------------------------------------------------------------------
 *
 * syscat.c
 *	  Rows of system catalogs at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_tablespace.h"
#include "heap/btree.h"
#include "heap/deform.h"
#include "heap/relmap.h"
#include "heap/syscat.h"
#include "utils/rel.h"

/* ---- columns ---- */

static void
report_short(const char *catalog)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a row of %s in the page store is too short", catalog)));
}

void *
bb_syscat_form(HeapTuple tuple, Size size, const char *catalog)
{
	/* a struct may end with padding, which the row lacks */
	if (MAXALIGN(tuple->t_len) < tuple->t_data->t_hoff + size)
		report_short(catalog);
	return GETSTRUCT(tuple);
}

Datum
bb_syscat_value(HeapTuple tuple, Oid catalog, AttrNumber column, bool *isnull)
{
	Relation	local = table_open(catalog, AccessShareLock);
	Datum		values[MaxTupleAttributeNumber];
	bool		nulls[MaxTupleAttributeNumber];

	if (!bb_deform_heap(tuple, RelationGetDescr(local), column, values, nulls))
		report_short(RelationGetRelationName(local));
	table_close(local, AccessShareLock);
	*isnull = nulls[column - 1];
	return values[column - 1];
}

/* ---- where catalogs are ---- */

static BbRelLocator
locate(const BbPast *past, bool shared, Oid tablespace, Oid file)
{
	if (shared)
		return BB_REL_LOCATOR(GLOBALTABLESPACE_OID, InvalidOid, file);
	return BB_REL_LOCATOR(OidIsValid(tablespace) ? tablespace
												 : past->db_tablespace,
						  past->db, file);
}

static Oid
mapped_file(const BbPast *past, bool shared, Oid relation)
{
	Oid			file = bb_relmap_find(shared ? past->shared_map : past->map,
									  relation);

	if (!OidIsValid(file))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation %u is not in the relation map at " BB_LSN_FORMAT,
						relation, LSN_FORMAT_ARGS(past->snapshot.lsn))));
	return file;
}

BbRelLocator
bb_syscat_locate(const BbPast *past, HeapTuple tuple)
{
	Form_pg_class row = BB_SYSCAT_FORM(pg_class, tuple);
	Oid			file = row->relfilenode;

	if (!OidIsValid(file) && RELKIND_HAS_STORAGE(row->relkind))
		file = mapped_file(past, row->relisshared, row->oid);
	return locate(past, row->relisshared, row->reltablespace, file);
}

/* A catalog, or an index of one. */
typedef struct Catalog
{
	Oid			oid;
	BbRelLocator locator;
} Catalog;

static HTAB *
catalogs_of(BbPast *past)
{
	HASHCTL		info = {.keysize = sizeof(Oid),
						.entrysize = sizeof(Catalog),
						.hcxt = past->context};

	if (past->catalogs == NULL)
		past->catalogs = hash_create("bbackup catalogs of the past", 32, &info,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return past->catalogs;
}

/* By pg_class, which is mapped itself. */
static BbRelLocator
find_catalog(const BbReqCtx *ctx, BbPast *past, Relation local)
{
	Oid			oid = RelationGetRelid(local);
	HeapTuple	row;
	Catalog	   *entry = hash_search(catalogs_of(past), &oid, HASH_FIND, NULL);
	BbRelLocator locator;

	if (entry != NULL)
		return entry->locator;
	row = bb_syscat_find_oid(ctx, past, RelationRelationId, ClassOidIndexId,
							 oid);
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("catalog \"%s\" is not in pg_class at " BB_LSN_FORMAT,
						RelationGetRelationName(local),
						LSN_FORMAT_ARGS(past->snapshot.lsn))));
	locator = bb_syscat_locate(past, row);
	entry = hash_search(catalogs_of(past), &oid, HASH_ENTER, NULL);
	entry->locator = locator;
	return locator;
}

/* The local relation of a catalog, or of an index of one, has the same OID. */
static BbRelLocator
locate_catalog(const BbReqCtx *ctx, BbPast *past, Relation local)
{
	bool		shared = local->rd_rel->relisshared;

	if (!RelationIsMapped(local))
		return find_catalog(ctx, past, local);
	return locate(past, shared, InvalidOid,
				  mapped_file(past, shared, RelationGetRelid(local)));
}

/* ---- rows ---- */

BbTupleScan *
bb_syscat_scan(const BbReqCtx *ctx, BbPast *past, Oid catalog)
{
	Relation	local = table_open(catalog, AccessShareLock);
	BbRelLocator locator = locate_catalog(ctx, past, local);

	table_close(local, AccessShareLock);
	return bb_tuplescan_new(ctx, past->pages, past->xacts, locator, 0,
							bb_pages_blocks(ctx, past->pages, locator), NULL);
}

/* Describe a system index of this server for a search in the store. */
static void
describe_index(const BbReqCtx *ctx, BbPast *past, Relation local,
			   const Datum *values, int nvalues, BbBtree *index,
			   BbBtreeKey *keys)
{
	memset(index, 0, sizeof(*index));
	index->name = pstrdup(RelationGetRelationName(local));
	index->relation = locate_catalog(ctx, past, local);
	index->desc = CreateTupleDescCopy(RelationGetDescr(local));
	for (int i = 0; i < nvalues; i++)
	{
		index->collations[i] = local->rd_indcollation[i];
		index->options[i] = local->rd_indoption[i];
		keys[i].column = i;
		keys[i].strategy = BTEqualStrategyNumber;
		keys[i].value = values[i];
		keys[i].compare = *index_getprocinfo(local, i + 1, BTORDER_PROC);
	}
}

List *
bb_syscat_find(const BbReqCtx *ctx, BbPast *past, Oid catalog, Oid index_oid,
			   const Datum *values, int nvalues)
{
	Relation	local = table_open(catalog, AccessShareLock);
	Relation	local_index = index_open(index_oid, AccessShareLock);
	BbRelLocator heap = locate_catalog(ctx, past, local);
	BbBtree		index;
	BbBtreeKey	keys[INDEX_MAX_KEYS];
	BbBtreeScan *scan;
	ItemPointerData tid;
	List	   *rows = NIL;

	describe_index(ctx, past, local_index, values, nvalues, &index, keys);
	scan = bb_btreescan_new(ctx, past->pages, &index, keys, nvalues, NULL);
	while (bb_btreescan_next(ctx, scan, &tid))
	{
		HeapTuple	row = bb_tuple_fetch(ctx, past->pages, past->xacts, heap,
										 &tid, BB_TUPLE_VISIBLE);

		if (row != NULL)
			rows = lappend(rows, row);
	}
	index_close(local_index, AccessShareLock);
	table_close(local, AccessShareLock);
	return rows;
}

HeapTuple
bb_syscat_find_oid(const BbReqCtx *ctx, BbPast *past, Oid catalog, Oid index,
				   Oid oid)
{
	Datum		value = ObjectIdGetDatum(oid);
	List	   *rows = bb_syscat_find(ctx, past, catalog, index, &value, 1);

	return rows == NIL ? NULL : linitial(rows);
}
