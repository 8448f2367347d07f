/*-------------------------------------------------------------------------
 *
 * call.h
 *	  The request context of an SQL function.
 *
 *	  bb_call_begin -> what is asked for -> bb_reqctx_end
 *
 * A function that returns without bb_reqctx_end ends its call with its memory,
 * which may be long after.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CALL_H
#define BB_CALL_H

#include "base/reqctx.h"
#include "fmgr.h"
#include "stats/calls.h"

/*
 * bb_call_begin - a context for a call of the function that runs.
 *
 * Allocated in CurrentMemoryContext.
 */
extern const BbReqCtx *bb_call_begin(FunctionCallInfo fcinfo, BbTaskKind kind);

/*
 * bb_call_visible - may the user see what a call of "owner" does?
 *
 * One's own calls, and those of roles that one is a member of, are; those of
 * all are for pg_read_all_stats (as pg_stat_get_progress_info).
 */
extern bool bb_call_visible(Oid owner);

#endif /* BB_CALL_H */
