/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  CALL bb_copy(): a base backup to the client, as a COPY stream.
 *
 * The protocol allows a COPY stream only as the result of a statement that the
 * client sent, so the client must have sent this CALL.  A CALL in a function,
 * procedure or DO block is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "base/foreigntext.h"
#include "funcs/backup_arguments.h"
#include "nodes/parsenodes.h"
#include "sinks/destinations.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

BB_SQL_FUNCTION(bb_sql_copy);

/* The names of the server's internal portals (CreateNewPortal, portalmem.c). */
#define INTERNAL_PORTAL "<unnamed portal "

/*
 * Is the statement that the client sent a CALL of this procedure?
 */
static bool
portal_calls(Portal portal, Oid procedure)
{
	PlannedStmt *planned;
	Node	   *statement;

	if (portal == NULL || list_length(portal->stmts) != 1 ||
		strncmp(portal->name, INTERNAL_PORTAL, strlen(INTERNAL_PORTAL)) == 0)
		return false;
	planned = linitial_node(PlannedStmt, portal->stmts);
	statement = planned->utilityStmt;
	return statement != NULL && IsA(statement, CallStmt) &&
		castNode(CallStmt, statement)->funcexpr->funcid == procedure;
}

/*
 * Is it this call, and not a call by a function in its arguments?  Such a call
 * runs in another memory context.
 */
static bool
called_by_portal(FunctionCallInfo fcinfo)
{
	return fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		portal_calls(ActivePortal, fcinfo->flinfo->fn_oid) &&
		CurrentMemoryContext == ActivePortal->portalContext;
}

static void
check_caller(FunctionCallInfo fcinfo)
{
	if (whereToSendOutput != DestRemote)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("bb_copy() needs a client to send a backup to")));
	if (!called_by_portal(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("bb_copy() can only be called by a CALL that the "
						"client sends"),
				 errdetail("It sends a COPY stream, which functions, procedures "
						   "and DO blocks can't do."),
				 errhint("Use bb_basebackup_stream() instead.")));
}

/*
 * CALL bb_copy(lsn, …): see backup_arguments.h
 *
 * The backup has a memory context below the portal's, which is deleted as soon
 * as the portal fails.  In a transaction block, the portal's context itself
 * stays.
 */
static Datum
bb_sql_copy_body(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext caller;
	BbBackupCall call;

	check_caller(fcinfo);
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup copy",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	call = bb_backup_call_of(fcinfo);
	/*
	 * Release the snapshot, as at a COMMIT in a procedure, since the backup may
	 * run for long.  The active snapshot is the portal's.  A transaction block
	 * keeps its own snapshot.
	 */
	ForgetPortalSnapshots();
	InvalidateCatalogSnapshot();
	bb_backup_call_run(&call, BB_FORM_TAR, bb_sink_copy_new());
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
