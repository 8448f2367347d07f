/*-------------------------------------------------------------------------
 *
 * store_cache.h
 *	  The layers of a page store in its cache.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_CACHE_H
#define BB_STORE_CACHE_H

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

#endif /* BB_STORE_CACHE_H */
