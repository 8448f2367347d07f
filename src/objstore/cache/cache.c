/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Resident objects: files in a local directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "base/settings.h"
#include "common/file_perm.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "objstore/cache/cache_internal.h"
#include "pgstat.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How often who waits for another's download looks whether it is there. */
#define WAIT_MS 20

/* The path without symbolic links; of what isn't there, its directory's. */
static bool
resolve(const char *path, char *resolved)
{
	char		existing[MAXPGPATH];

	strlcpy(existing, path, sizeof(existing));
	while (realpath(existing, resolved) == NULL)
	{
		if (errno != ENOENT || strcmp(existing, "/") == 0)
			return false; /* using it will tell why */
		get_parent_directory(existing);
	}
	return true;
}

void
bb_objstore_check_cache_directory(const char *directory)
{
	char		cache[PATH_MAX];
	char		data[PATH_MAX];

	if (resolve(directory, cache) && resolve(DataDir, data) &&
		path_is_prefix_of_path(data, cache))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache directory \"%s\" is in the server's data "
						"directory",
						directory),
				 errdetail("A base backup of this server would contain the "
						   "cache."),
				 errhint("Choose a directory elsewhere.")));
}

BbCache *
bb_cache_new(const BbReqCtx *ctx, const char *directory, const char *identity,
			 int size_mb)
{
	BbCache	   *cache = palloc0(sizeof(BbCache));
	struct stat st;
	uint64		hash;

	bb_objstore_check_cache_directory(directory);
	hash = hash_bytes_extended((const unsigned char *) identity,
							   (int) strlen(identity), 0);
	cache->directory = psprintf("%s/%016llx", directory,
								(unsigned long long) hash);
	if (pg_mkdir_p(pstrdup(cache->directory), pg_dir_create_mode) < 0 &&
		errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create cache directory \"%s\": %m",
						cache->directory)));
	/* bbackup made this directory; those above may be links */
	if (lstat(cache->directory, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat cache directory \"%s\": %m",
						cache->directory)));
	if (!S_ISDIR(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not a directory", cache->directory),
				 errhint("Remove it, or choose another cache_directory.")));
	cache->files = bb_objstore_open(ctx,
									psprintf("file://%s", cache->directory),
									NULL);
	cache->locks = bb_cachelocks(cache->directory);
	cache->size = (uint64) size_mb * 1024 * 1024;
	return cache;
}

uint64
bb_cache_size(const BbCache *cache)
{
	return cache->size;
}

char *
bb_cache_file(const BbWholeObject *object)
{
	char	   *file = psprintf("%s.%016llx", object->name,
								(unsigned long long) object->id);

	for (char *p = file; *p; p++)
	{
		if (*p == '/')
			*p = '_';
	}
	return file;
}

char *
bb_cache_path(const BbCache *cache, const char *file)
{
	return psprintf("%s/%s", cache->directory, file);
}

char *
bb_cache_part_path(const BbCache *cache, const char *file, uint64 size)
{
	return psprintf("%s/.%s." UINT64_FORMAT ".part", cache->directory, file,
					size);
}

bool
bb_cache_is_there(const BbCache *cache, const char *file, uint64 size)
{
	struct stat st;

	return lstat(bb_cache_path(cache, file), &st) == 0 &&
		S_ISREG(st.st_mode) && st.st_size == (off_t) size;
}

bool
bb_cache_has(const BbCache *cache, const BbWholeObject *object)
{
	return bb_cache_is_there(cache, bb_cache_file(object), object->size);
}

/* ---- whether it may be downloaded ---- */

static void
ask_leave(const BbReqCtx *ctx, const BbWholeObject *object)
{
	BbDownloadBehavior behavior = ctx->download_behavior;

	if (behavior == BB_DOWNLOAD_ERROR && bb_setting_download_error_as_warn)
		behavior = BB_DOWNLOAD_WARN;
	switch (behavior)
	{
		case BB_DOWNLOAD_ALLOW:
			break;
		case BB_DOWNLOAD_WARN:
			BB_COUNT(ctx, downloads_warned, 1);
			ereport(WARNING,
					(errmsg("%s needs to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind),
							object->name),
					 errdetail("It has " UINT64_FORMAT " bytes.",
							   object->size)));
			break;
		case BB_DOWNLOAD_ERROR:
			BB_COUNT(ctx, downloads_refused, 1);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s would have to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind),
							object->name),
					 errdetail("It has " UINT64_FORMAT " bytes and is not "
							   "resident.",
							   object->size),
					 errhint("Set bbackup.download_behavior to \"download\" "
							 "or \"warn\", or call bb_prefetch() before.")));
	}
}

void
bb_cache_ask_leave(const BbReqCtx *ctx, BbCache *cache,
				   const BbWholeObject *object)
{
	HASHCTL		control = {.keysize = sizeof(uint64),
						   .entrysize = sizeof(uint64),
						   .hcxt = GetMemoryChunkContext(cache)};

	ask_leave(ctx, object);
	if (cache->granted == NULL)
		cache->granted = hash_create("bbackup cache grants", 64, &control,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	(void) hash_search(cache->granted, &object->id, HASH_ENTER, NULL);
}

/* Was leave asked before?	That is good for one time. */
static bool
take_grant(BbCache *cache, const BbWholeObject *object)
{
	return cache->granted != NULL &&
		hash_search(cache->granted, &object->id, HASH_REMOVE, NULL) != NULL;
}

/* ---- using ---- */

/* It is used, if that counts. */
static void
renew(const BbReqCtx *ctx, const BbCache *cache, const char *file)
{
	struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};

	if (!ctx->uncounted)
		(void) utimensat(AT_FDCWD, bb_cache_path(cache, file), now,
						 AT_SYMLINK_NOFOLLOW);
}

/*
 * Download it, or give another some time to.  Returns false when there is no
 * room for it.
 */
static bool
fetch_or_wait(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
			  const BbWholeObject *object, const char *file, int *wrong)
{
	BbFetch		fetch = {.object = object, .file = file};

	bb_cache_fetch(ctx, cache, store, &fetch, 1, NULL, NULL);
	switch (fetch.outcome)
	{
		case BB_FETCH_WANTED:
		case BB_FETCH_DONE:
			break;
		case BB_FETCH_NO_ROOM:
			return false;
		case BB_FETCH_WRONG:
			/* the first time, what was there before may have been at fault */
			if (++*wrong == 2)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("layer \"%s\" is not what the manifest says",
								object->name),
						 errdetail("It has another size, or not the CRC-32C "
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
 * Have it there and in use; "may" it be downloaded without asking?  Returns
 * false when there is no room for it.
 */
static bool
need(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
	 const BbWholeObject *object, bool may)
{
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
			if (!may && !take_grant(cache, object))
				ask_leave(ctx, object);
			start = GetCurrentTimestamp();
		}
		room = fetch_or_wait(ctx, cache, store, object, file, &wrong);
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

/* Those of the objects that are not there; the others are in use now. */
static int
list_missing(BbCache *cache, List *objects, BbFetch *fetches)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, objects)
	{
		const BbWholeObject *object = lfirst(cell);
		const char *file = bb_cache_file(object);

		/* the lock first, so that what is seen then stays */
		if (!bb_cachelock_use(cache->locks, file) ||
			!bb_cache_is_there(cache, file, object->size))
			fetches[n++] = (BbFetch){.object = object, .file = file};
	}
	return n;
}

const BbWholeObject *
bb_cache_hold_all(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
				  List *objects, BbFetched tell, void *arg)
{
	BbFetch	   *fetches = MemoryContextAllocHuge(CurrentMemoryContext,
												 Max(list_length(objects), 1) *
													 sizeof(BbFetch));
	int			n = list_missing(cache, objects, fetches);
	TimestampTz start = GetCurrentTimestamp();

	for (int i = 0; i < n; i++)
		ask_leave(ctx, fetches[i].object);
	bb_cache_fetch(ctx, cache, store, fetches, n, tell, arg);
	if (n > 0)
		BB_COUNT(ctx, download_wait_us, GetCurrentTimestamp() - start);
	for (int i = 0; i < n; i++)
	{
		/* it is in use then, and whatever went wrong is tried once more */
		if (fetches[i].outcome == BB_FETCH_NO_ROOM ||
			!need(ctx, cache, store, fetches[i].object, true))
			return fetches[i].object;
		if (fetches[i].outcome != BB_FETCH_DONE && tell != NULL)
			tell(ctx, fetches[i].object, arg);
	}
	return NULL;
}

BbObjectReader *
bb_cache_open(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
			  const BbWholeObject *object)
{
	if (cache == NULL)
		ask_leave(ctx, object);
	else if (need(ctx, cache, store, object, false))
		return bb_object_open(ctx, cache->files, bb_cache_file(object));
	return bb_object_open(ctx, store, object->name);
}
