/*-------------------------------------------------------------------------
 *
 * cachelock.h
 *	  Locks on the files of a cache directory, among all who use it.
 *
 * A scan may use more files than a process may have open, so they aren't locks
 * on the files themselves but on bytes of one file ".locks": open file
 * description locks (fcntl(2)), which die with the process.  Each file has a
 * byte, by the hash of its name, in each class of lock; two that share one
 * only get in each other's way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CACHELOCK_H
#define BB_CACHELOCK_H

#include "base/reqctx.h"

typedef struct BbCacheLocks BbCacheLocks;

/* The session's, for a directory that is there. */
extern BbCacheLocks *bb_cachelocks(const char *directory);

/*
 * bb_cachelock_use - use a file until CurrentMemoryContext is reset; many may.
 * Returns false when it is being evicted right now.
 */
extern bool bb_cachelock_use(BbCacheLocks *locks, const char *file);

/*
 * bb_cachelock_evict - nobody uses it, and nobody will until unevict.  Returns
 * false when it is used.
 */
extern bool bb_cachelock_evict(BbCacheLocks *locks, const char *file);
extern void bb_cachelock_unevict(BbCacheLocks *locks, const char *file);

/*
 * bb_cachelock_fetch - be the one who downloads it, or, for NULL, the one who
 * makes room, until CurrentMemoryContext is reset.  Returns false when another
 * does.
 */
extern bool bb_cachelock_fetch(BbCacheLocks *locks, const char *file);

/* Is this session the one who downloads it? */
extern bool bb_cachelock_is_fetching(BbCacheLocks *locks, const char *file);

#endif /* BB_CACHELOCK_H */
