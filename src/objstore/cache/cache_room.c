/*-------------------------------------------------------------------------
 *
 * cache_room.c
 *	  Room in the cache: what was used longest ago makes it.
 *
 * Files are evicted one by one, for one that comes, because nobody has used
 * them for long, or because somebody wants it; never while they are in use.
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
#include "miscadmin.h"
#include "objstore/cache/cache_internal.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Of an object's id in the name of its file. */
#define ID_DIGITS 16

typedef struct CacheFile
{
	char	   *file; /* as the locks know it */
	char	   *path;
	bool		part;
	uint64		size;
	uint64		id; /* as statistics know it; not of parts */
	TimestampTz used;
} CacheFile;

static int
compare_ages(const ListCell *a, const ListCell *b)
{
	const CacheFile *left = lfirst(a);
	const CacheFile *right = lfirst(b);

	/* what nobody goes on with goes first */
	if (left->part != right->part)
		return left->part ? -1 : 1;
	return left->used < right->used ? -1 : left->used > right->used;
}

/* "FILE.ID", as bb_cache_file makes it?  Others' files aren't evicted. */
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

/* ".FILE.SIZE.part"? */
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

static TimestampTz
modified(const struct stat *st)
{
	return time_t_to_timestamptz(st->st_mtim.tv_sec) +
		st->st_mtim.tv_nsec / 1000;
}

static List *
all_files(BbCache *cache, uint64 *total)
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
		file->used = modified(&st);
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

/* A file could not be removed; no harm if it was gone already. */
static void
complain_unless_gone(const CacheFile *file, int error)
{
	errno = error;
	if (errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", file->path)));
}

static BbEviction
evict_object(BbCache *cache, const CacheFile *file)
{
	int			error;

	if (!bb_cachelock_evict(cache->locks, file->file))
		return BB_EVICTION_IN_USE;
	error = unlink(file->path) < 0 ? errno : 0;
	bb_cachelock_unevict(cache->locks, file->file);
	if (error != 0)
	{
		complain_unless_gone(file, error);
		return BB_EVICTION_NOT_RESIDENT;
	}
	bb_layerstats_evicted(file->id);
	return BB_EVICTED;
}

static bool
evict_part(BbCache *cache, const CacheFile *file)
{
	if (bb_cachelock_is_fetching(cache->locks, file->file) ||
		!bb_cachelock_fetch(cache->locks, file->file))
		return false;
	if (unlink(file->path) < 0)
	{
		complain_unless_gone(file, errno);
		return false;
	}
	return true;
}

/* Remove a file unless somebody uses it, or fetches it. */
static bool
evict(BbCache *cache, const CacheFile *file)
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
	TimestampTz idle = DT_NOBEGIN; /* what was used before that goes */
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
	foreach(cell, all_files(cache, &total))
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
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create file \"%s\": %m", part)));
		bb_fd_close(fd);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return enough;
}

void
bb_cache_evict_idle(const BbReqCtx *ctx, BbCache *cache, TimestampTz before,
					BbEvicted *evicted)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup cache eviction",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *cell;
	uint64		total;

	foreach(cell, all_files(cache, &total))
	{
		const CacheFile *file = lfirst(cell);

		bb_reqctx_check(ctx);
		if (file->used >= before || !evict(cache, file))
			continue;
		evicted->bytes += file->size;
		if (!file->part)
			evicted->objects++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

BbEviction
bb_cache_evict(BbCache *cache, const BbWholeObject *object)
{
	CacheFile	file = {.file = bb_cache_file(object), .id = object->id};

	file.path = bb_cache_path(cache, file.file);
	/* who waits for a download has the lock of a file that isn't there */
	return bb_cache_has(cache, object) ? evict_object(cache, &file)
									   : BB_EVICTION_NOT_RESIDENT;
}
