/*-------------------------------------------------------------------------
 *
 * call.h
 *	  The request context of an SQL function.
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
#include "stats/calls.h"

/*
 * bb_call_begin - create the request context for a call of an SQL function.
 *
 * Allocated in CurrentMemoryContext.
 */
extern const BbReqCtx *bb_call_begin(const char *function, BbTaskKind kind);

/*
 * bb_call_visible - may the user see what a call of "owner" does?
 *
 * One's own calls, and those of roles that one is a member of, are; those of
 * all are for pg_read_all_stats (as pg_stat_get_progress_info).
 */
extern bool bb_call_visible(Oid owner);

#endif /* BB_CALL_H */
