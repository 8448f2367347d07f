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
 *	  cache_room.c	evicting files, to make room or on request
 *	  cache_files.c	the names of the files, and a listing of them
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
 *	  .locks										see cachelock.h
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

#include "objstore/cache/cachelock.h"
#include "objstore/objstore_driver.h"
#include "utils/hsearch.h"

typedef struct BbCache
{
	const char *directory;
	BbObjectStore *files; /* the directory, to read from it */
	BbCacheLocks *locks;
	uint64		size;	   /* limit, bytes */
	HTAB	   *permitted; /* ids of objects with bb_object_permit_download's
							* permission; NULL: none so far */
} BbCache;

/* ---- cache_files.c ---- */

typedef struct BbCacheFile
{
	char	   *file; /* as the locks know it */
	char	   *path;
	bool		part;
	uint64		size;
	uint64		id; /* in the statistics; 0 for a part */
	TimestampTz used;
} BbCacheFile;

/*
 * bb_cache_file - return the name of an object's file, palloc'd.
 * bb_cache_path - return its path, palloc'd.
 * bb_cache_part_path - return the path of its part, palloc'd.
 */
extern char *bb_cache_file(const BbWholeObject *object);
extern char *bb_cache_path(const BbCache *cache, const char *file);
extern char *bb_cache_part_path(const BbCache *cache, const char *file,
								uint64 size);

/*
 * bb_cache_is_there - is the whole file there?
 */
extern bool bb_cache_is_there(const BbCache *cache, const char *file,
							  uint64 size);

/*
 * bb_cache_list - return BbCacheFiles of all objects and parts, and in *total
 * their size.  Parts come first, then objects by the time of their last use.
 *
 * Other files in the directory are ignored.
 */
extern List *bb_cache_list(const BbCache *cache, uint64 *total);

/* ---- cache_room.c ---- */

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

/* Operations: see BbResidencyOps. */
extern BbEviction bb_cache_evict(BbObjectStore *objects,
								 const BbWholeObject *object);
extern BbEvicted bb_cache_evict_idle(const BbReqCtx *ctx,
									 BbObjectStore *objects,
									 TimestampTz before);

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

#endif /* BB_CACHE_INTERNAL_H */
