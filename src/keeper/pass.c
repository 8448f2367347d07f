/*-------------------------------------------------------------------------
 *
 * pass.c
 *	  One pass through the stores of a database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/settings.h"
#include "catalog/pg_foreign_server.h"
#include "keeper/keeper.h"
#include "keeper/keeper_internal.h"
#include "process/standingworker.h"
#include "stores/own_server.h"
#include "stores/store_options.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* How long a pass waits for a lock on a catalog. */
#define LOCK_TIMEOUT "10s"

List *
bb_keeper_stores(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *stores = NIL;
	List	   *names = NIL;
	ForeignDataWrapper *wrapper;
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	row;

	bb_worker_begin_transaction();
	wrapper = GetForeignDataWrapperByName(BB_WRAPPER_NAME, true);
	catalog = table_open(ForeignServerRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (wrapper != NULL &&
		   HeapTupleIsValid(row = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(row);
		BbKeeperStore *store;
		MemoryContext old;

		if (form->srvfdw != wrapper->fdwid)
			continue;
		names = lappend(names, pstrdup(NameStr(form->srvname)));
		if (!bb_storeoptions_upkeep(GetForeignServer(form->oid)))
			continue;
		old = MemoryContextSwitchTo(caller);
		store = palloc(sizeof(BbKeeperStore));
		store->server = form->oid;
		store->name = pstrdup(NameStr(form->srvname));
		stores = lappend(stores, store);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	bb_jobs_forget_stores(names);
	bb_worker_end_transaction();
	return stores;
}

void
bb_keeper_pass_task(const void *payload, size_t length)
{
	TimestampTz until;
	List	   *stores;
	bool		more = true;

	/* a job takes as long as it takes */
	SetConfigOption("bbackup.call_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	stores = bb_keeper_stores();
	until = GetCurrentTimestamp() +
		bb_setting_upkeep_naptime_s * USECS_PER_SEC;
	while (more && GetCurrentTimestamp() < until)
	{
		ListCell   *cell;

		more = false;
		foreach(cell, stores)
			more |= bb_visit_store(lfirst(cell));
	}
}
