/*-------------------------------------------------------------------------
 *
 * cachelock.h
 *	  Locks on the files of a cache directory, among all its users.
 *
 * A scan may use more files than a process may have open.  So the locks aren't
 * on the files themselves but on bytes of one file ".locks": open file
 * description locks (fcntl(2)), which the kernel releases when the process
 * dies.  In each class of lock, a file has the byte that the hash of its name
 * selects.  Two files may share a byte; then a lock on one is a lock on both,
 * which costs time but nothing else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CACHELOCK_H
#define BB_CACHELOCK_H

#include "base/reqctx.h"

typedef struct BbCacheLocks BbCacheLocks;

/*
 * bb_cachelocks - return this session's locks in an existing directory.  They
 * are kept until the session ends.
 */
extern BbCacheLocks *bb_cachelocks(const char *directory);

/*
 * bb_cachelock_use - mark a file as used until CurrentMemoryContext is reset;
 * several sessions can use a file.  Returns false while it is being evicted.
 */
extern bool bb_cachelock_use(BbCacheLocks *locks, const char *file);

/*
 * bb_cachelock_evict - keep others from using a file until
 * bb_cachelock_unevict.  Returns false if the file is in use.
 */
extern bool bb_cachelock_evict(BbCacheLocks *locks, const char *file);
extern void bb_cachelock_unevict(BbCacheLocks *locks, const char *file);

/*
 * bb_cachelock_fetch - become the only session that downloads a file, or, for
 * NULL, the only one that makes room, until CurrentMemoryContext is reset.
 * Returns false if another session does.
 */
extern bool bb_cachelock_fetch(BbCacheLocks *locks, const char *file);

/* Is this session downloading the file? */
extern bool bb_cachelock_is_fetching(BbCacheLocks *locks, const char *file);

#endif /* BB_CACHELOCK_H */
