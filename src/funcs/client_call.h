/*-------------------------------------------------------------------------
 *
 * client_call.h
 *	  Procedures that exchange a COPY stream with the client.
 *
 * The protocol allows a COPY stream only as the result of a statement that the
 * client sent, so the client must have sent the CALL.  A CALL in a function,
 * procedure or DO block is refused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_CALL_H
#define BB_CLIENT_CALL_H

#include "fmgr.h"

/*
 * bb_client_call_check - check that the client has sent this CALL.
 *
 * name: of the procedure; hint: what to call instead.
 *
 * Errors: FEATURE_NOT_SUPPORTED.
 */
extern void bb_client_call_check(FunctionCallInfo fcinfo, const char *name,
								 const char *hint);

/*
 * bb_client_call_context - return a memory context for the call.
 *
 * It is below the portal's, and is deleted as soon as the portal fails.  In a
 * transaction block, the portal's context itself stays.
 */
extern MemoryContext bb_client_call_context(void);

/*
 * bb_client_call_release_snapshot - release the snapshot, as at a COMMIT in a
 * procedure, since the call may run for long.
 *
 * The active snapshot is the portal's.  A transaction block keeps its own.
 */
extern void bb_client_call_release_snapshot(void);

#endif /* BB_CLIENT_CALL_H */
