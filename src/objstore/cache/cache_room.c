/*-------------------------------------------------------------------------
 *
 * cache_room.c
 *	  The files of a cache directory: their names; evicting them, to make room
 *	  for a download or on request.
 *
 * The files that were used longest ago are evicted first.  A file in use is
 * never evicted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/settings.h"
#include "common/file_perm.h"
#include "objstore/cache/cache_internal.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Digits of the object's id in the name of its file. */
#define ID_DIGITS 16

typedef struct CacheFile
{
	char	   *file; /* as the locks know it */
	char	   *path;
	bool		part;
	uint64		size;
	uint64		id; /* in the statistics; 0 for a part */
	TimestampTz used;
} CacheFile;

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

/* Parse "FILE.ID", as bb_cache_file makes it.  Returns false if it isn't. */
static bool
parse_file(const char *entry, CacheFile *file)
{
	const char *dot = strrchr(entry, '.');

	if (dot == NULL || strlen(dot + 1) != ID_DIGITS ||
		strspn(dot + 1, "0123456789abcdef") != ID_DIGITS)
		return false;
	file->file = pstrdup(entry);
	file->id = strtou64(dot + 1, NULL, 16);
	return true;
}

/* Parse ".FILE.SIZE.part".  Returns false if it isn't. */
static bool
parse_part(const char *entry, CacheFile *file)
{
	size_t		length = strlen(entry);
	const char *dot;

	if (length < 8 || strcmp(entry + length - 5, ".part") != 0)
		return false;
	for (dot = entry + length - 6; dot > entry && *dot != '.'; dot--)
		;
	if (dot == entry ||
		!parse_file(pnstrdup(entry + 1, dot - entry - 1), file))
		return false;
	file->size = Max(file->size, strtou64(dot + 1, NULL, 10));
	file->part = true;
	return true;
}

static int
compare_ages(const ListCell *a, const ListCell *b)
{
	const CacheFile *left = lfirst(a);
	const CacheFile *right = lfirst(b);

	/* abandoned downloads are evicted first */
	if (left->part != right->part)
		return left->part ? -1 : 1;
	return left->used < right->used ? -1 : left->used > right->used;
}

/*
 * Return CacheFiles of all objects and parts, and in *total their size.  Parts
 * come first, then objects by the time of their last use.  Other files in the
 * directory are ignored.
 */
static List *
list_files(const BbCache *cache, uint64 *total)
{
	List	   *files = NIL;
	DIR		   *dir = AllocateDir(cache->directory);
	struct dirent *entry;

	*total = 0;
	while ((entry = ReadDir(dir, cache->directory)) != NULL)
	{
		CacheFile  *file = palloc0(sizeof(CacheFile));
		struct stat st;

		file->path = bb_cache_path(cache, entry->d_name);
		if (lstat(file->path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		file->size = st.st_size;
		file->used = time_t_to_timestamptz(st.st_mtim.tv_sec) +
			st.st_mtim.tv_nsec / 1000;
		if (entry->d_name[0] != '.' ? !parse_file(entry->d_name, file)
									: !parse_part(entry->d_name, file))
			continue;
		*total += file->size;
		files = lappend(files, file);
	}
	FreeDir(dir);
	list_sort(files, compare_ages);
	return files;
}

/* ---- eviction ---- */

/* Check the result of unlink(2).  Returns false if the file was gone already. */
static bool
is_removed(const CacheFile *file, int result)
{
	if (result < 0 && errno != ENOENT)
		bb_report_file("could not remove file \"%s\": %m", file->path);
	return result == 0;
}

static BbEviction
evict_object(BbCache *cache, const CacheFile *file)
{
	int			result;
	int			save_errno;

	if (!bb_cachelock_evict(cache->locks, file->file))
		return BB_EVICTION_IN_USE;
	result = unlink(file->path);
	save_errno = errno;
	bb_cachelock_unevict(cache->locks, file->file);
	errno = save_errno;
	if (!is_removed(file, result))
		return BB_EVICTION_NOT_RESIDENT;
	bb_layerstats_evicted(file->id);
	return BB_EVICTED;
}

/* Remove a file unless a session uses or fetches it. */
static bool
evict(BbCache *cache, const CacheFile *file)
{
	if (!file->part)
		return evict_object(cache, file) == BB_EVICTED;
	return !bb_cachelock_is_fetching(cache->locks, file->file) &&
		bb_cachelock_fetch(cache->locks, file->file) &&
		is_removed(file, unlink(file->path));
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
	TimestampTz idle = DT_NOBEGIN; /* evict what was last used before */
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
	foreach(cell, list_files(cache, &total))
	{
		const CacheFile *file = lfirst(cell);

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
			bb_report_file("could not create file \"%s\": %m", part);
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

	foreach(cell, list_files(objects->cache, &total))
	{
		const CacheFile *file = lfirst(cell);

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

/* Bytes that are free in the file system of the cache. */
static uint64
free_space(const BbCache *cache)
{
	struct statvfs st;

	if (statvfs(cache->directory, &st) < 0)
		bb_report_file("could not find the free space of directory \"%s\": %m",
					   cache->directory);
	return (uint64) st.f_bavail * st.f_frsize;
}

BbEvicted
bb_cache_relieve(const BbReqCtx *ctx, BbObjectStore *objects, uint64 min_free)
{
	BbCache	   *cache = objects->cache;
	MemoryContext context;
	MemoryContext old;
	BbEvicted	evicted = {0};
	ListCell   *cell;
	uint64		total;

	if (free_space(cache) >= min_free)
		return evicted;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup cache relief",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	foreach(cell, list_files(cache, &total))
	{
		const CacheFile *file = lfirst(cell);

		bb_reqctx_check(ctx);
		/* others write to the file system, too */
		if (free_space(cache) >= min_free)
			break;
		if (!evict(cache, file))
			continue;
		evicted.bytes += file->size;
		if (!file->part)
			evicted.objects++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return evicted;
}

void
bb_cache_cool(BbObjectStore *objects, const BbWholeObject *object)
{
	struct timespec never[2] = {{.tv_nsec = UTIME_OMIT}, {0}};

	/* the next use warms it again */
	(void) utimensat(AT_FDCWD,
					 bb_cache_path(objects->cache, bb_cache_file(object)),
					 never, AT_SYMLINK_NOFOLLOW);
}

BbEviction
bb_cache_evict(BbObjectStore *objects, const BbWholeObject *object)
{
	BbCache	   *cache = objects->cache;
	CacheFile	file = {.file = bb_cache_file(object), .id = object->id};

	file.path = bb_cache_path(cache, file.file);
	/* a session that waits for a download locks a file that isn't there */
	return bb_cache_is_there(cache, file.file, object->size)
		? evict_object(cache, &file)
		: BB_EVICTION_NOT_RESIDENT;
}
