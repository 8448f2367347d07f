/*-------------------------------------------------------------------------
 *
 * prefetch_call.h
 *	  Prefetching a page store's layers in a background worker.
 *
 *	  bb_prefetch_call				   bb_prefetch_task: a detached child
 *	  permissions, cache? ───────────► store, LSN, layers, do they fit?
 *	  return, or wait for the end ◄─── call_id of the worker's call
 *									   downloads
 *
 * An error that occurs before the downloads is raised in the caller, too.
 * The caller itself reads no layer, since it might not be allowed to download.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PREFETCH_CALL_H
#define BB_PREFETCH_CALL_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"

/*
 * bb_prefetch_call - start to download all that a backup at lsn (Invalid: the
 * end of the timeline) reads.
 *
 * Returns the call_id of the worker's call once the download has begun, or with
 * "wait", once it is complete.
 *
 * Errors: those of store_access.h, bb_store_need_cache, bb_prefetch_new and
 * bb_timeline_name_check.
 */
extern uint64 bb_prefetch_call(const BbReqCtx *ctx, const char *server,
							   const char *timeline, XLogRecPtr lsn, bool full,
							   bool wait);

/* The task BB_PREFETCH_TASK of a background worker. */
#define BB_PREFETCH_TASK "prefetch"

extern void bb_prefetch_task(const void *payload, size_t length);

#endif /* BB_PREFETCH_CALL_H */
