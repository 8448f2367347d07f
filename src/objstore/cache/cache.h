/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  Resident objects: whole files, in a local directory, of what a store
 *	  elsewhere has.
 *
 *	  is it there? ── yes ──────────────────────────► read the file
 *		 │ no
 *	  may this request download it?
 *		 │			   ┌─ nobody does: fetch, verify, rename ─┐
 *		 └── is there ─┤									  ├─► look again
 *			 room?	   └─ somebody does: wait ────────────────┘
 *				│ no
 *				└──────────────────────────────────► read the store by ranges
 *
 * All backends of all servers that name the directory share it.  What is in it
 * was verified when it came; it is there as a whole or not at all, whatever
 * died.  A download that ended early goes on where it was, in whoever needs
 * the object next, those who wait for it among them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CACHE_H
#define BB_CACHE_H

#include "objstore/objstore.h"

typedef struct BbCache BbCache;

/*
 * bb_cache_new - the cache of the store "identity", in a directory of its own
 * below "directory"; it never has more than size_mb megabytes.
 */
extern BbCache *bb_cache_new(const BbReqCtx *ctx, const char *directory,
							 const char *identity, int size_mb);

extern uint64 bb_cache_size(const BbCache *cache);

/*
 * bb_cache_open - open an object for reading, from the cache or the store.
 *
 * A cache of NULL has nothing and no room.  While CurrentMemoryContext lives
 * the file isn't evicted.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (it isn't resident, and the request
 * may not download); DATA_CORRUPTED (what came has another CRC); those of the
 * object store.
 */
extern BbObjectReader *bb_cache_open(const BbReqCtx *ctx, BbCache *cache,
									 BbObjectStore *store,
									 const BbWholeObject *object);

/* The rest: see objstore.h's functions of like names. */
extern const BbWholeObject *bb_cache_hold_all(const BbReqCtx *ctx,
											  BbCache *cache,
											  BbObjectStore *store,
											  List *objects, BbFetched tell,
											  void *arg);
extern void bb_cache_ask_leave(const BbReqCtx *ctx, BbCache *cache,
							   const BbWholeObject *object);
extern bool bb_cache_has(const BbCache *cache, const BbWholeObject *object);
extern BbEviction bb_cache_evict(BbCache *cache, const BbWholeObject *object);
extern void bb_cache_evict_idle(const BbReqCtx *ctx, BbCache *cache,
								TimestampTz before, BbEvicted *evicted);

#endif /* BB_CACHE_H */
