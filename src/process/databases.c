/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  A static worker's way into the databases.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "catalog/pg_database.h"
#include "process/databases.h"
#include "process/standingworker.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

List *
bb_databases_find(bool connectable)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	row;

	bb_worker_begin_transaction();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(row = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(row);
		MemoryContext old = MemoryContextSwitchTo(caller);

		if (database->datallowconn || !connectable)
			databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	bb_worker_end_transaction();
	return databases;
}

void
bb_databases_visit(const char *task, long timeout_ms, const char *what)
{
	List	   *databases = bb_databases_find(true);
	ListCell   *cell;

	foreach(cell, databases)
	{
		BbStandingWorker worker = {.task = task, .database = lfirst_oid(cell)};
		bool		in_time;
		const char *shortage = bb_standingworker_run(&worker, timeout_ms,
													 &in_time);

		if (shortage != NULL)
		{
			ereport(LOG,
					(errmsg("could not %s", what),
					 errdetail_internal("%s", shortage),
					 errhint("Raise max_worker_processes.")));
			break;
		}
		if (!in_time)
			ereport(LOG,
					(errmsg("could not %s in database %u within %ld seconds",
							what, worker.database, timeout_ms / 1000),
					 errhint("Another session may have locked a table there.")));
	}
}

void
bb_databases_wait(long wait_ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													wait_ms);
	long		left_ms = wait_ms;

	while (left_ms > 0)
	{
		bb_standingworker_wait(left_ms);
		left_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												  until);
	}
}
