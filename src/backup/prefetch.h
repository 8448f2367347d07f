/*-------------------------------------------------------------------------
 *
 * prefetch.h
 *	  Fetching everything that a backup reads, before it is made.
 *
 *	  new:  which layers ── do they fit? ──► an error if they don't
 *	  run:  fetch them, then list the backup, which reads everything but
 *			relation data; then fetch the part of it that a thin backup has
 *
 * What was fetched stays in use, and so resident, until the memory context of
 * the prefetch is deleted: a prefetch doesn't evict what it has fetched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PREFETCH_H
#define BB_PREFETCH_H

#include "members/filelist.h"
#include "objstore/objstore.h"

typedef struct BbPrefetch BbPrefetch;

/*
 * bb_prefetch_objects - return the objects (BbWholeObject *) that a backup of
 * the snapshot reads, in the order in which it reads them, except the relation
 * data of a thin backup.
 */
extern List *bb_prefetch_objects(const BbReqCtx *ctx,
								 const BbSnapshot *snapshot, bool full);

/*
 * bb_prefetch_hold - bb_objects_hold, for objects that the snapshot needs.
 *
 * Sets hold->homeless to what that returns, and returns true.  Returns false if
 * upkeep has removed one of the objects, and what reads of the snapshot need now
 * is known: list it, and call again.
 *
 * Errors: those of bb_objects_hold, of which UNDEFINED_FILE says that an object
 * is missing that is needed still; those of bb_pagestore_reload.
 */
typedef struct BbHold
{
	const BbSnapshot *snapshot;
	BbFetched	fetched; /* may be NULL */
	void	   *arg;
	int			tries; /* that have failed */
	const BbWholeObject *homeless;
} BbHold;

extern bool bb_prefetch_hold(const BbReqCtx *ctx, BbHold *hold, List *needed);

/*
 * bb_prefetch_new - find out which objects a backup of the snapshot reads.
 *
 * REQUIRES: the page store has an object store with a cache.
 *
 * Errors: CONFIGURATION_LIMIT_EXCEEDED (the cache is too small).
 */
extern BbPrefetch *bb_prefetch_new(const BbReqCtx *ctx,
								   const BbSnapshot *snapshot, bool full);

/*
 * bb_prefetch_run - fetch them.
 *
 * Errors: those of bb_prefetch_hold, plan.h and filelist.h; INSUFFICIENT_RESOURCES
 * (others use so much of the cache that there is too little room); as
 * bb_prefetch_new.
 */
extern void bb_prefetch_run(const BbReqCtx *ctx, BbPrefetch *prefetch);

#endif /* BB_PREFETCH_H */
