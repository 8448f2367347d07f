/*-------------------------------------------------------------------------
 *
 * client_call.c
 *	  Procedures that exchange a COPY stream with the client.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcs/client_call.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

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

void
bb_client_call_check(FunctionCallInfo fcinfo, const char *name,
					 const char *hint)
{
	if (whereToSendOutput != DestRemote)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s() needs a client", name),
				 errdetail("It exchanges a COPY stream with the client.")));
	if (!called_by_portal(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s() can only be called by a CALL that the client sends",
						name),
				 errdetail("It exchanges a COPY stream with the client, which functions, procedures and DO blocks can't do."),
				 errhint("Use %s() instead.", hint)));
}

MemoryContext
bb_client_call_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "bbackup copy",
								 ALLOCSET_DEFAULT_SIZES);
}

void
bb_client_call_release_snapshot(void)
{
	ForgetPortalSnapshots();
	InvalidateCatalogSnapshot();
}
