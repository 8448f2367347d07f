/*-------------------------------------------------------------------------
 *
 * prefetch.h
 *	  Having resident what a backup reads, before it is made.
 *
 *	  new:  which layers ── do they fit? ──► an error that says so
 *	  run:  fetch them, then list the backup, which reads all but relation
 *			data; of a thin one's the little that it has
 *
 * What was fetched stays in use, and so resident, until the prefetch goes with
 * its memory context: it doesn't evict its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PREFETCH_H
#define BB_PREFETCH_H

#include "members/filelist.h"
#include "objstore/objstore.h"

typedef struct BbPrefetch BbPrefetch;

/*
 * bb_prefetch_objects - BbWholeObjects that a backup of "store" at lsn reads,
 * in the order in which it does; but for relation data of a thin one.
 */
extern List *bb_prefetch_objects(const BbReqCtx *ctx, BbPageStore *store,
								 XLogRecPtr lsn, bool full);

/*
 * bb_prefetch_new - find out which objects a backup of "store" at lsn reads.
 *
 * REQUIRES: the page store has an object store with a cache; lsn is from
 * bb_pagestore_check_lsn.
 *
 * Errors: CONFIGURATION_LIMIT_EXCEEDED (the cache is too small).
 */
extern BbPrefetch *bb_prefetch_new(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr lsn, bool full);

/*
 * bb_prefetch_run - fetch it.
 *
 * Errors: those of bb_objects_hold and of filelist.h; INSUFFICIENT_RESOURCES
 * (what others use in the cache leaves too little room); as bb_prefetch_new.
 */
extern void bb_prefetch_run(const BbReqCtx *ctx, BbPrefetch *prefetch);

#endif /* BB_PREFETCH_H */
