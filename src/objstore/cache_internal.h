/*-------------------------------------------------------------------------
 *
 * cache_internal.h
 *	  The cache, as its files share it.
 *
 *	  cache.c		what is there, and getting what isn't
 *	  cache_room.c	room for what comes: what was there goes
 *	  cachelock.c	who uses, fetches or evicts a file
 *
 * In the directory:
 *
 *	  timelines_main_layers_image-….ID				an object
 *	  .timelines_main_layers_image-….ID.SIZE.part	one that is being fetched,
 *													or was: SIZE bytes are
 *													reserved
 *	  .locks										see cachelock.h
 *
 * A file's modification time says when it was used last, by whom that counts
 * for: it is set when the file is opened (never used: 0).  So all servers
 * that share the directory know it, also after a restart.  Access times
 * wouldn't do: backups of the file system, and verification, move them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CACHE_INTERNAL_H
#define BB_CACHE_INTERNAL_H

#include "objstore/cache.h"
#include "objstore/cachelock.h"

struct BbCache
{
	char	   *directory;
	BbObjectStore *files; /* the directory, to read from it */
	BbCacheLocks *locks;
	uint64		size; /* bytes, at most */
};

/* What an object is called in the directory, palloc'd; as locks know it. */
extern char *bb_cache_file(const BbWholeObject *object);
/* The path of a file, palloc'd. */
extern char *bb_cache_path(const BbCache *cache, const char *file);
extern char *bb_cache_part_path(const BbCache *cache, const char *file,
								uint64 size);

/*
 * bb_cache_lock_room - nobody else makes room until CurrentMemoryContext is
 * reset.
 */
extern void bb_cache_lock_room(const BbReqCtx *ctx, BbCache *cache);

/*
 * bb_cache_make_room - reserve room for a file: its part is there afterwards,
 * unless false is returned.
 *
 * Also evicts what has not been used for bbackup.eviction_threshold.
 *
 * REQUIRES: the lock of who fetches it.
 */
extern bool bb_cache_make_room(const BbReqCtx *ctx, BbCache *cache,
							   const char *part, uint64 size);

#endif /* BB_CACHE_INTERNAL_H */
