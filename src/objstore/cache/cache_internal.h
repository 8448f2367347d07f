/*-------------------------------------------------------------------------
 *
 * cache_internal.h
 *	  The cache, as its files share it.
 *
 *	  cache.c		what is there, and who may have what isn't
 *	  cache_fetch.c	getting that
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

#include "objstore/cache/cache.h"
#include "objstore/cache/cachelock.h"
#include "utils/hsearch.h"

struct BbCache
{
	char	   *directory;
	BbObjectStore *files; /* the directory, to read from it */
	BbCacheLocks *locks;
	uint64		size;	 /* bytes, at most */
	HTAB	   *granted; /* ids of what leave was asked for; NULL: none yet */
};

/* What an object is called in the directory, palloc'd; as locks know it. */
extern char *bb_cache_file(const BbWholeObject *object);
/* Is a file there, as a whole? */
extern bool bb_cache_is_there(const BbCache *cache, const char *file,
							  uint64 size);
/* The path of a file, palloc'd. */
extern char *bb_cache_path(const BbCache *cache, const char *file);
extern char *bb_cache_part_path(const BbCache *cache, const char *file,
								uint64 size);

/* ---- cache_fetch.c ---- */

typedef enum BbFetchOutcome
{
	BB_FETCH_WANTED,	/* as yet */
	BB_FETCH_DONE,		/* it is there */
	BB_FETCH_ELSEWHERE, /* another was fetching it */
	BB_FETCH_NO_ROOM,
	BB_FETCH_WRONG /* bytes came that aren't the object's */
} BbFetchOutcome;

typedef struct BbDownload BbDownload;

/* What is to be fetched; zeros behind the file. */
typedef struct BbFetch
{
	const BbWholeObject *object;
	const char *file;
	BbFetchOutcome outcome;
	BbDownload *download; /* NULL: not under way */
} BbFetch;

/*
 * bb_cache_fetch - download what is wanted of these, in their order, as far as
 * there is room; several requests are under way at once.
 *
 * Nobody waits for what another fetches.  "tell" is called for each that is
 * done.
 */
extern void bb_cache_fetch(const BbReqCtx *ctx, BbCache *cache,
						   BbObjectStore *store, BbFetch *fetches,
						   int nfetches, BbFetched tell, void *arg);

/* ---- cache_room.c ---- */

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
