/*-------------------------------------------------------------------------
 *
 * cache_room.c
 *	  Evicting files, to make room for a download or on request.
 *
 * The files that were used longest ago are evicted first.  A file in use is
 * never evicted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "base/settings.h"
#include "common/file_perm.h"
#include "objstore/cache/cache_internal.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Report that a file could not be removed, unless it was gone already. */
static void
report_unless_gone(const BbCacheFile *file, int error)
{
	errno = error;
	if (errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", file->path)));
}

static BbEviction
evict_object(BbCache *cache, const BbCacheFile *file)
{
	int			error;

	if (!bb_cachelock_evict(cache->locks, file->file))
		return BB_EVICTION_IN_USE;
	error = unlink(file->path) < 0 ? errno : 0;
	bb_cachelock_unevict(cache->locks, file->file);
	if (error != 0)
	{
		report_unless_gone(file, error);
		return BB_EVICTION_NOT_RESIDENT;
	}
	bb_layerstats_evicted(file->id);
	return BB_EVICTED;
}

static bool
evict_part(BbCache *cache, const BbCacheFile *file)
{
	if (bb_cachelock_is_fetching(cache->locks, file->file) ||
		!bb_cachelock_fetch(cache->locks, file->file))
		return false;
	if (unlink(file->path) < 0)
	{
		report_unless_gone(file, errno);
		return false;
	}
	return true;
}

/* Remove a file unless a session uses or fetches it. */
static bool
evict(BbCache *cache, const BbCacheFile *file)
{
	if (file->part)
		return evict_part(cache, file);
	return evict_object(cache, file) == BB_EVICTED;
}

void
bb_cache_lock_room(const BbReqCtx *ctx, BbCache *cache)
{
	while (!bb_cachelock_fetch(cache->locks, NULL))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
}

bool
bb_cache_make_room(const BbReqCtx *ctx, BbCache *cache, const char *part,
				   uint64 size)
{
	MemoryContext context;
	MemoryContext old;
	ListCell   *cell;
	uint64		total;
	TimestampTz
		idle = DT_NOBEGIN; /* files last used before this are evicted */
	bool		enough;
	struct stat st;
	BbFd	   *fd;

	if (lstat(part, &st) == 0)
		return true;
	if (size > cache->size)
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup cache room",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	bb_cache_lock_room(ctx, cache);
	if (bb_setting_eviction_threshold_s > 0)
		idle = GetCurrentTimestamp() -
			bb_setting_eviction_threshold_s * USECS_PER_SEC;
	foreach(cell, bb_cache_list(cache, &total))
	{
		const BbCacheFile *file = lfirst(cell);

		if ((total + size > cache->size || file->used < idle) &&
			evict(cache, file))
			total -= file->size;
	}
	enough = total + size <= cache->size;
	if (enough)
	{
		fd = bb_fd_open(part, O_RDWR | O_CREAT | O_NOFOLLOW,
						pg_file_create_mode);
		if (fd == NULL)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create file \"%s\": %m", part)));
		bb_fd_close(fd);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return enough;
}

BbEvicted
bb_cache_evict_idle(const BbReqCtx *ctx, BbObjectStore *objects,
					TimestampTz before)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup cache eviction",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbEvicted	evicted = {0};
	ListCell   *cell;
	uint64		total;

	foreach(cell, bb_cache_list(objects->cache, &total))
	{
		const BbCacheFile *file = lfirst(cell);

		bb_reqctx_check(ctx);
		if (file->used >= before || !evict(objects->cache, file))
			continue;
		evicted.bytes += file->size;
		if (!file->part)
			evicted.objects++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return evicted;
}

BbEviction
bb_cache_evict(BbObjectStore *objects, const BbWholeObject *object)
{
	BbCache	   *cache = objects->cache;
	BbCacheFile file = {.file = bb_cache_file(object), .id = object->id};

	file.path = bb_cache_path(cache, file.file);
	/* a session that waits for a download locks a file that isn't there */
	return bb_cache_is_there(cache, file.file, object->size)
		? evict_object(cache, &file)
		: BB_EVICTION_NOT_RESIDENT;
}
