/*-------------------------------------------------------------------------
 *
 * call.h
 *	  A call of an SQL function: its request context, what its user may do.
 *
 *	  bb_call_begin -> the work -> bb_reqctx_end
 *
 * If a function returns without bb_reqctx_end, its call ends when its memory
 * context is deleted, which may be much later.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CALL_H
#define BB_CALL_H

#include "base/reqctx.h"

/*
 * bb_call_begin - create the request context of a call of an SQL function.
 *
 * Allocated in CurrentMemoryContext.
 */
extern const BbReqCtx *bb_call_begin(const char *function, BbTaskKind kind);

/*
 * bb_call_visible - may the user see what a call of the role "owner" does?
 *
 * Users see the calls of roles of which they are members.  Members of
 * pg_read_all_stats see all calls (as pg_stat_get_progress_info).
 */
extern bool bb_call_visible(Oid owner);

/*
 * bb_call_need_role - check that the user is a member of a predefined role, or
 * a superuser.  "what" is what the user wants: "import a data directory".
 *
 * Errors: INSUFFICIENT_PRIVILEGE.
 */
extern void bb_call_need_role(Oid role, const char *role_name,
							  const char *what);

#endif /* BB_CALL_H */
