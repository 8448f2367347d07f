/*-------------------------------------------------------------------------
 *
 * store_list.c
 *	  All page stores of a database that a user may use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/caught.h"
#include "base/compat.h"
#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "stores/own_server.h"
#include "stores/store_list.h"
#include "utils/acl.h"
#include "utils/memutils.h"

List *
bb_store_list(void)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapperByName(BB_WRAPPER_NAME,
															  true);
	Relation	catalog = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, ForeignServerNameIndexId,
										  true, NULL, 0, NULL);
	HeapTuple	row;
	List	   *names = NIL;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Form_pg_foreign_server server = (Form_pg_foreign_server) GETSTRUCT(
			row);

		if (wrapper != NULL && server->srvfdw == wrapper->fdwid &&
			bb_compat_server_usage(server->oid, GetUserId()) == ACLCHECK_OK)
			names = lappend(names, pstrdup(NameStr(server->srvname)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return names;
}

/*
 * Read a store; an error of it becomes a WARNING that the store is skipped: one
 * must not hide the others.
 */
static void
try_store(const char *server,
		  void (*read_store) (const char *server, void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		read_store(server, arg);
	}
	PG_CATCH();
	{
		ErrorData  *error = bb_caught(context);

		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("skipping page store \"%s\": %s", server,
						error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 error->hint ? errhint("%s", error->hint) : 0));
	}
	PG_END_TRY();
}

void
bb_store_each(const char *server,
			  void (*read_store) (const char *server, void *arg), void *arg)
{
	MemoryContext context;
	ListCell   *cell;

	if (server != NULL)
	{
		read_store(server, arg);
		return;
	}
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup store",
									ALLOCSET_DEFAULT_SIZES);
	foreach(cell, bb_store_list())
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		try_store(lfirst(cell), read_store, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}
