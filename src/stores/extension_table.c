/*-------------------------------------------------------------------------
 *
 * extension_table.c
 *	  The extension's own tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "stores/extension_table.h"
#include "stores/own_server.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Returns the schema of an extension.  (get_extension_schema, static in 15) */
static Oid
schema_of_extension(Oid extension)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	Oid			schema = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1,
							  &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		schema = ((Form_pg_extension) GETSTRUCT(row))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return schema;
}

Relation
bb_extension_table_try(const char *name, int columns, LOCKMODE lock)
{
	Oid			extension = get_extension_oid(BB_EXTENSION_NAME, true);
	Oid			table = InvalidOid;
	Relation	relation;

	if (OidIsValid(extension))
		table = get_relname_relid(name, schema_of_extension(extension));
	if (!OidIsValid(table))
		return NULL;
	relation = try_relation_open(table, lock);
	if (relation != NULL &&
		(relation->rd_rel->relkind != RELKIND_RELATION ||
		 RelationGetNumberOfAttributes(relation) != columns))
	{
		relation_close(relation, lock);
		return NULL;
	}
	return relation;
}

Relation
bb_extension_table_open(const char *name, int columns, LOCKMODE lock)
{
	Relation	table = bb_extension_table_try(name, columns, lock);

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" of the extension \"" BB_EXTENSION_NAME
						"\" does not exist",
						name)));
	return table;
}

List *
bb_extension_table_rows(const char *name, int columns,
						void *(*read_row) (HeapTuple row, TupleDesc desc))
{
	Relation	table = bb_extension_table_try(name, columns, AccessShareLock);
	List	   *rows = NIL;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	row;

	if (table == NULL)
		return NIL;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		rows = lappend(rows, read_row(row, RelationGetDescr(table)));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return rows;
}
