/*-------------------------------------------------------------------------
 *
 * store_cache.h
 *	  The layers of a page store in its cache: prefetch and eviction.
 *
 *	  bb_store_prefetch				   bb_prefetch_task: a detached child
 *	  permissions, cache? ───────────► store, LSN, layers, do they fit?
 *	  return, or wait for the end ◄─── call_id of the worker's call
 *									   downloads
 *
 * An error that occurs before the downloads is raised in the caller, too.
 * The caller itself reads no layer, since it might not be allowed to download.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_CACHE_H
#define BB_STORE_CACHE_H

#include "access/xlogdefs.h"
#include "objstore/objstore.h"

/*
 * bb_store_need_cache - check that the store has a cache.  A local store can't
 * have one.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void bb_store_need_cache(const BbObjectStore *objects,
								const char *server);

/*
 * bb_store_evict - remove a layer of a timeline from the cache, by its name in
 * bb_layers(), or by the name of its object, which is the one in messages.
 *
 * Returns false if it wasn't there.
 *
 * Errors: UNDEFINED_OBJECT (no such timeline, no such layer); OBJECT_IN_USE.
 */
extern bool bb_store_evict(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *timeline, const char *layer);

/*
 * bb_store_prefetch - start to download all that a backup at lsn (Invalid: the
 * end of the timeline) reads.
 *
 * Returns the call_id of the worker's call once the download has begun, or with
 * "wait", once it is complete.
 *
 * Errors: those of store_access.h, bb_store_need_cache, bb_prefetch_new and
 * bb_timeline_name_check.
 */
extern uint64 bb_store_prefetch(const BbReqCtx *ctx, const char *server,
								const char *timeline, XLogRecPtr lsn,
								bool full, bool wait);

/* The task of its background worker. */
#define BB_PREFETCH_TASK "prefetch"

extern void bb_prefetch_task(const void *payload, size_t length);

#endif /* BB_STORE_CACHE_H */
