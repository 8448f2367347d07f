/*-------------------------------------------------------------------------
 *
 * cache_internal.h
 *	  The cache of a store elsewhere: whole files in a local directory.
 *
 *	  is the file there? ── yes ────────────────────► read the file
 *		 │ no
 *	  may this request download it?
 *		 │			   ┌─ no other session does: fetch, verify, rename ─┐
 *		 └── is there ─┤												├─► look again
 *			 room?	   └─ another session does: wait ───────────────────┘
 *				│ no
 *				└──────────────────────────────────► read the store by ranges
 *
 *	  cache.c		the operations; permission and waiting
 *	  cache_fetch.c	downloading files
 *	  cache_room.c	the files: their names, listing and evicting them
 *	  cachelock.c	locks: which session uses, fetches or evicts a file
 *
 * Each file calls those below it only.
 *
 * All backends of all servers that name the directory share the cache.  A file
 * was verified when it was downloaded.  It is there as a whole or not at all,
 * whichever process died.  The next session that needs the object, which may
 * be one that is waiting for it, continues a download that ended early.
 *
 * In the directory:
 *
 *	  timelines_main_layers_image-….ID				an object
 *	  .timelines_main_layers_image-….ID.SIZE.part	one that is being fetched,
 *													or was: SIZE bytes are
 *													reserved
 *	  .locks										see cachelock.c
 *
 * A file's modification time is the time of its last use that counts: it is
 * set when the file is opened (never used: 0).  So all servers that share the
 * directory know it, also after a restart.  Access times wouldn't do, because
 * backups of the file system and verification change them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CACHE_INTERNAL_H
#define BB_CACHE_INTERNAL_H

#include "base/resource.h"
#include "objstore/objstore_driver.h"
#include "utils/hsearch.h"

typedef struct BbCacheLocks BbCacheLocks;

typedef struct BbCache
{
	const char *directory;
	BbObjectStore *files; /* the directory, to read from it */
	BbCacheLocks *locks;
	uint64		size;	   /* limit, bytes */
	HTAB	   *permitted; /* ids of objects with bb_object_permit_download's
							* permission; NULL: none so far */
} BbCache;

/* ---- cache_room.c ---- */

/*
 * bb_cache_file - return the name of an object's file, palloc'd.
 * bb_cache_path - return its path, palloc'd.
 * bb_cache_part_path - return the path of its part, palloc'd.
 * bb_cache_is_there - is the whole file there?
 */
extern char *bb_cache_file(const BbWholeObject *object);
extern char *bb_cache_path(const BbCache *cache, const char *file);
extern char *bb_cache_part_path(const BbCache *cache, const char *file,
								uint64 size);
extern bool bb_cache_is_there(const BbCache *cache, const char *file,
							  uint64 size);

/*
 * bb_cache_lock_room - keep other sessions from making room until
 * CurrentMemoryContext is reset.
 */
extern void bb_cache_lock_room(const BbReqCtx *ctx, BbCache *cache);

/*
 * bb_cache_make_room - reserve room for a file by creating its part.
 *
 * Evicts the files that were used longest ago, as far as necessary, and those
 * that have not been used for bbackup.eviction_threshold.  Returns false if
 * there is no room.
 *
 * REQUIRES: bb_cachelock_fetch for this file.
 */
extern bool bb_cache_make_room(const BbReqCtx *ctx, BbCache *cache,
							   const char *part, uint64 size);

/* Operations: see BbCacheOps. */
extern BbEviction bb_cache_evict(BbObjectStore *objects,
								 const BbWholeObject *object);
extern BbEvicted bb_cache_evict_idle(const BbReqCtx *ctx,
									 BbObjectStore *objects,
									 TimestampTz before);
extern BbEvicted bb_cache_relieve(const BbReqCtx *ctx, BbObjectStore *objects,
								  uint64 min_free);
extern void bb_cache_cool(BbObjectStore *objects, const BbWholeObject *object);

/* ---- cache_fetch.c ---- */

typedef enum BbFetchOutcome
{
	BB_FETCH_WANTED,	/* not decided */
	BB_FETCH_DONE,		/* the file is there */
	BB_FETCH_ELSEWHERE, /* another session was fetching it */
	BB_FETCH_NO_ROOM,
	BB_FETCH_WRONG /* the download has another size or CRC */
} BbFetchOutcome;

typedef struct BbDownload BbDownload;

/* An object to fetch.  The caller sets the first two fields, zeros the rest. */
typedef struct BbFetch
{
	const BbWholeObject *object;
	const char *file;
	BbFetchOutcome outcome;
	BbDownload *download; /* NULL: not under way */
} BbFetch;

/*
 * bb_cache_fetch - download those of the objects whose outcome is "wanted", in
 * their order, as far as there is room; several requests are under way at
 * once.
 *
 * Doesn't wait for an object that another session fetches.  Calls "fetched"
 * (may be NULL) for each object that is done.
 */
extern void bb_cache_fetch(const BbReqCtx *ctx, BbObjectStore *objects,
						   BbFetch *fetches, int nfetches, BbFetched fetched,
						   void *arg);

/* ---- cachelock.c ---- */

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

#endif /* BB_CACHE_INTERNAL_H */
