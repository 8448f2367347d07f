/*-------------------------------------------------------------------------
 *
 * own_server.c
 *	  The extension's own foreign server, which is the default page store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/extension.h"
#include "foreign/foreign.h"
#include "stores/own_server.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static object_access_hook_type previous_hook = NULL;

bool
bb_own_server_is(Oid server)
{
	Oid			extension = getExtensionOfObject(ForeignServerRelationId,
												 server);

	return OidIsValid(extension) &&
		extension == get_extension_oid(BB_EXTENSION_NAME, true);
}

void
bb_own_server_refuse(Oid server, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("server \"%s\" of the extension \"" BB_EXTENSION_NAME
					"\" can have no %s",
					GetForeignServer(server)->servername, what),
			 errdetail("pg_dump would not dump them, since the server is a "
					   "member of the extension."),
			 errhint("For a page store with options or user mappings, use "
					 "CREATE SERVER name FOREIGN DATA WRAPPER " BB_WRAPPER_NAME
					 ".")));
}

/*
 * Return the row of a catalog with an OID, as the statement that calls the hook
 * has just changed it; NULL if there is none.
 */
static HeapTuple
get_new_row(Relation catalog, Oid index, AttrNumber oid_column, Oid oid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, oid_column, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	scan = systable_beginscan(catalog, index, true, SnapshotSelf, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		row = heap_copytuple(row);
	systable_endscan(scan);
	return row;
}

static bool
has_options(Oid server)
{
	Relation	catalog = table_open(ForeignServerRelationId, AccessShareLock);
	HeapTuple	row = get_new_row(catalog, ForeignServerOidIndexId,
								  Anum_pg_foreign_server_oid, server);
	bool		none = true;

	if (HeapTupleIsValid(row))
		(void) heap_getattr(row, Anum_pg_foreign_server_srvoptions,
							RelationGetDescr(catalog), &none);
	table_close(catalog, AccessShareLock);
	return !none;
}

static Oid
server_of_mapping(Oid mapping)
{
	Relation	catalog = table_open(UserMappingRelationId, AccessShareLock);
	HeapTuple	row = get_new_row(catalog, UserMappingOidIndexId,
								  Anum_pg_user_mapping_oid, mapping);
	Oid			server = InvalidOid;

	if (HeapTupleIsValid(row))
		server = ((Form_pg_user_mapping) GETSTRUCT(row))->umserver;
	table_close(catalog, AccessShareLock);
	return server;
}

static void
look_at_statement(ObjectAccessType access, Oid class, Oid object, int part,
				  void *arg)
{
	Oid			server;

	if (previous_hook != NULL)
		previous_hook(access, class, object, part, arg);
	if (access != OAT_POST_CREATE && access != OAT_POST_ALTER)
		return;
	/* a server that is being created isn't a member of the extension yet */
	if (class == ForeignServerRelationId && access == OAT_POST_ALTER &&
		has_options(object) && bb_own_server_is(object))
		bb_own_server_refuse(object, "options");
	if (class == UserMappingRelationId &&
		OidIsValid(server = server_of_mapping(object)) &&
		bb_own_server_is(server))
		bb_own_server_refuse(server, "user mappings");
}

void
bb_own_server_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = look_at_statement;
}
