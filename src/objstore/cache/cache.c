/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The cache of a store elsewhere: its operations.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/file_perm.h"
#include "miscadmin.h"
#include "objstore/cache/cache_internal.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How often to look whether another session's download is complete. */
#define WAIT_MS 20

/*
 * Does this session have permission from bb_object_permit_download?  It is
 * good for one download.
 */
static bool
take_permission(BbCache *cache, const BbWholeObject *object)
{
	return cache->permitted != NULL &&
		hash_search(cache->permitted, &object->id, HASH_REMOVE, NULL) != NULL;
}

static void
cache_permit_download(const BbReqCtx *ctx, BbObjectStore *objects,
					  const BbWholeObject *object)
{
	BbCache	   *cache = objects->cache;
	HASHCTL		control = {.keysize = sizeof(uint64),
						   .entrysize = sizeof(uint64),
						   .hcxt = GetMemoryChunkContext(cache)};

	bb_download_check(ctx, object);
	if (cache->permitted == NULL)
		cache->permitted = hash_create("bbackup permitted downloads", 64,
									   &control,
									   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	(void) hash_search(cache->permitted, &object->id, HASH_ENTER, NULL);
}

/* Record that the file was used, if this call's use counts. */
static void
renew(const BbReqCtx *ctx, const BbCache *cache, const char *file)
{
	struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};

	if (!ctx->uncounted)
		(void) utimensat(AT_FDCWD, bb_cache_path(cache, file), now,
						 AT_SYMLINK_NOFOLLOW);
}

/*
 * Download an object, or wait a moment while another session does.  Returns
 * false if there is no room for it.
 */
static bool
fetch_or_wait(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbWholeObject *object, const char *file, int *wrong)
{
	BbFetch		fetch = {.object = object, .file = file};

	bb_cache_fetch(ctx, objects, &fetch, 1, NULL, NULL);
	switch (fetch.outcome)
	{
		case BB_FETCH_WANTED:
		case BB_FETCH_DONE:
			break;
		case BB_FETCH_NO_ROOM:
			return false;
		case BB_FETCH_WRONG:
			/* the first time, an old part may have been the cause */
			if (++*wrong == 2)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("layer \"%s\" is not what the manifest says",
								object->name),
						 errdetail("Its size is wrong, or its CRC-32C is not "
								   "%08X.",
								   object->crc),
						 errhint("Restore this object from a copy of the "
								 "page store.")));
			break;
		case BB_FETCH_ELSEWHERE:
			bb_reqctx_check(ctx);
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 WAIT_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			break;
	}
	return true;
}

/*
 * Make an object resident and mark it as used.  "permitted": the permission to
 * download it has been checked.  Returns false if there is no room for it.
 */
static bool
need(const BbReqCtx *ctx, BbObjectStore *objects, const BbWholeObject *object,
	 bool permitted)
{
	BbCache	   *cache = objects->cache;
	const char *file = bb_cache_file(object);
	TimestampTz start = 0;
	bool		used = false;
	bool		room = true;
	int			wrong = 0;

	while (room)
	{
		used = used || bb_cachelock_use(cache->locks, file);
		if (used && bb_cache_is_there(cache, file, object->size))
			break;
		if (start == 0)
		{
			if (!permitted && !take_permission(cache, object))
				bb_download_check(ctx, object);
			start = GetCurrentTimestamp();
		}
		room = fetch_or_wait(ctx, objects, object, file, &wrong);
	}
	if (room)
		renew(ctx, cache, file);
	if (start != 0)
	{
		BB_COUNT(ctx, download_wait_us, GetCurrentTimestamp() - start);
		bb_reqctx_publish(ctx);
	}
	return room;
}

/* Collect the objects that are missing; the others are in use afterwards. */
static int
list_missing(BbCache *cache, List *wanted, BbFetch *fetches)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, wanted)
	{
		const BbWholeObject *object = lfirst(cell);
		const char *file = bb_cache_file(object);

		/* the lock comes first, so that a file that is seen then stays */
		if (!bb_cachelock_use(cache->locks, file) ||
			!bb_cache_is_there(cache, file, object->size))
			fetches[n++] = (BbFetch){.object = object, .file = file};
	}
	return n;
}

static const BbWholeObject *
cache_hold(const BbReqCtx *ctx, BbObjectStore *objects, List *wanted,
		   BbFetched fetched, void *arg)
{
	BbFetch	   *fetches = MemoryContextAllocHuge(CurrentMemoryContext,
												 Max(list_length(wanted), 1) *
													 sizeof(BbFetch));
	int			n = list_missing(objects->cache, wanted, fetches);
	TimestampTz start = GetCurrentTimestamp();

	for (int i = 0; i < n; i++)
		bb_download_check(ctx, fetches[i].object);
	bb_cache_fetch(ctx, objects, fetches, n, fetched, arg);
	if (n > 0)
		BB_COUNT(ctx, download_wait_us, GetCurrentTimestamp() - start);
	for (int i = 0; i < n; i++)
	{
		/* marks the file as used, and tries once more what went wrong */
		if (fetches[i].outcome == BB_FETCH_NO_ROOM ||
			!need(ctx, objects, fetches[i].object, true))
			return fetches[i].object;
		if (fetches[i].outcome != BB_FETCH_DONE && fetched != NULL)
			fetched(ctx, fetches[i].object, arg);
	}
	return NULL;
}

/* Does the call read every object once, as nobody else does soon? */
static bool
is_passing(const BbReqCtx *ctx)
{
	return ctx->uncounted &&
		(ctx->task_kind == BB_TASK_UPKEEP ||
		 ctx->task_kind == BB_TASK_VERIFY || ctx->task_kind == BB_TASK_COPY);
}

/* Mark an object as used, if it is resident. */
static bool
is_at_hand(BbCache *cache, const BbWholeObject *object)
{
	const char *file = bb_cache_file(object);

	return bb_cachelock_use(cache->locks, file) &&
		bb_cache_is_there(cache, file, object->size);
}

static BbObjectReader *
cache_open_resident(const BbReqCtx *ctx, BbObjectStore *objects,
					const BbWholeObject *object)
{
	BbObjectReader *reader;

	if (is_passing(ctx) && !is_at_hand(objects->cache, object))
	{
		bb_download_check(ctx, object);
		return bb_object_open(ctx, objects, object->name);
	}
	if (!need(ctx, objects, object, false))
		return bb_object_open(ctx, objects, object->name);
	reader = bb_object_open(ctx, objects->cache->files, bb_cache_file(object));
	reader->copy = true;
	return reader;
}

static bool
cache_is_resident(const BbObjectStore *objects, const BbWholeObject *object)
{
	return bb_cache_is_there(objects->cache, bb_cache_file(object),
							 object->size);
}

static uint64
cache_size(const BbObjectStore *objects)
{
	return objects->cache->size;
}

static const BbCacheOps cache_ops = {
	.open_resident = cache_open_resident,
	.is_resident = cache_is_resident,
	.size = cache_size,
	.hold = cache_hold,
	.permit_download = cache_permit_download,
	.evict = bb_cache_evict,
	.evict_idle = bb_cache_evict_idle,
	.relieve = bb_cache_relieve,
	.cool = bb_cache_cool,
};

void
bb_cache_attach(BbObjectStore *objects, BbObjectStore *files, int size_mb)
{
	BbCache	   *cache = palloc0(sizeof(BbCache));
	struct stat st;

	cache->files = files;
	cache->directory = files->directory;
	if (pg_mkdir_p(pstrdup(cache->directory), pg_dir_create_mode) < 0 &&
		errno != EEXIST)
		bb_report_file("could not create cache directory \"%s\": %m",
					   cache->directory);
	/* no link is accepted here, only in the path above this directory */
	if (lstat(cache->directory, &st) < 0)
		bb_report_file("could not stat cache directory \"%s\": %m",
					   cache->directory);
	if (!S_ISDIR(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not a directory", cache->directory),
				 errhint("Remove it, or choose another cache_directory.")));
	cache->locks = bb_cachelocks(cache->directory);
	cache->size = (uint64) size_mb * 1024 * 1024;
	objects->cache = cache;
	objects->cache_ops = &cache_ops;
}
