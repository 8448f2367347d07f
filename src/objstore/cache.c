/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Resident objects: files in a local directory.
 *
 *	  timelines_main_layers_image-…				 an object
 *	  .timelines_main_layers_image-….SIZE.part	 one that is being fetched, or
 *												 was: SIZE bytes are reserved
 *	  .locks									 see cachelock.h
 *
 * A file is older the longer ago it was opened; its access time says so, which
 * is set at every open.
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
#include "common/hashfn.h"
#include "miscadmin.h"
#include "objstore/cache.h"
#include "objstore/cachelock.h"
#include "objstore/objstore_driver.h"
#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* As much as one request fetches. */
#define FETCH_BYTES (8 * 1024 * 1024)

/* How often who waits for another's download looks whether it is there. */
#define WAIT_MS 20

struct BbCache
{
	char	   *directory;
	BbObjectStore *files; /* the directory, to read from it */
	BbCacheLocks *locks;
	uint64		size; /* bytes, at most */
};

/* A download. */
typedef struct Fetch
{
	BbCache	   *cache;
	BbObjectStore *store;
	const char *name;
	const char *file;
	char	   *part; /* its path while it comes */
	uint64		size;
	uint32		crc;
} Fetch;

typedef enum FetchOutcome
{
	FETCH_DONE,
	FETCH_NO_ROOM,
	FETCH_WRONG /* bytes came that aren't the object's */
} FetchOutcome;

BbCache *
bb_cache_new(const BbReqCtx *ctx, const char *directory, const char *identity,
			 int size_mb)
{
	BbCache	   *cache = palloc0(sizeof(BbCache));
	uint64		hash;

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
	cache->files = bb_objstore_open(ctx,
									psprintf("file://%s", cache->directory),
									NULL);
	cache->locks = bb_cachelocks(cache->directory);
	cache->size = (uint64) size_mb * 1024 * 1024;
	return cache;
}

/* Names that differ in more than '/' and '_' stay different. */
static char *
file_of(const char *name)
{
	char	   *file = pstrdup(name);

	for (char *p = file; *p; p++)
	{
		if (*p == '/')
			*p = '_';
	}
	return file;
}

/* ---- whether it may be downloaded ---- */

static void
ask_leave(const BbReqCtx *ctx, const char *name, uint64 size)
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
							bb_task_kind_name(ctx->task_kind), name),
					 errdetail("It has " UINT64_FORMAT " bytes.", size)));
			break;
		case BB_DOWNLOAD_ERROR:
			BB_COUNT(ctx, downloads_refused, 1);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s would have to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind), name),
					 errdetail("It has " UINT64_FORMAT " bytes and is not "
							   "resident.",
							   size),
					 errhint("Set bbackup.download_behavior to \"download\" "
							 "or \"warn\".")));
	}
}

/* ---- room ---- */

typedef struct CacheFile
{
	char	   *file; /* as the locks know it */
	char	   *path;
	bool		part;
	uint64		size;
	time_t		used;
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
	file->file = pnstrdup(entry + 1, Max(dot - entry - 1, 0));
	file->size = Max(file->size, strtou64(dot + 1, NULL, 10));
	file->part = true;
	return true;
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

		file->path = psprintf("%s/%s", cache->directory, entry->d_name);
		if (stat(file->path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		file->size = st.st_size;
		file->used = st.st_atime;
		file->file = entry->d_name[0] == '.' ? NULL : pstrdup(entry->d_name);
		if (entry->d_name[0] == '.' && !parse_part(entry->d_name, file))
			continue;
		*total += file->size;
		files = lappend(files, file);
	}
	FreeDir(dir);
	list_sort(files, compare_ages);
	return files;
}

/* Remove a file unless somebody uses it, or fetches it. */
static bool
evict(BbCache *cache, const CacheFile *file)
{
	bool		removed;

	if (file->part)
		return bb_cachelock_fetch(cache->locks, file->file) &&
			unlink(file->path) == 0;
	if (!bb_cachelock_evict(cache->locks, file->file))
		return false;
	removed = unlink(file->path) == 0;
	bb_cachelock_unevict(cache->locks, file->file);
	return removed;
}

/*
 * Reserve room: the part is there afterwards, unless false is returned.
 *
 * REQUIRES: the lock of who fetches it.
 */
static bool
make_room(const BbReqCtx *ctx, const Fetch *fetch)
{
	BbCache	   *cache = fetch->cache;
	MemoryContext context;
	MemoryContext old;
	List	   *files;
	ListCell   *cell;
	uint64		total;
	bool		enough;
	struct stat st;
	BbFd	   *fd;

	if (stat(fetch->part, &st) == 0)
		return true;
	if (fetch->size > cache->size)
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup cache room",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	while (!bb_cachelock_fetch(cache->locks, NULL))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
	files = all_files(cache, &total);
	foreach (cell, files)
	{
		CacheFile  *file = lfirst(cell);

		if (total + fetch->size <= cache->size)
			break;
		if (evict(cache, file))
			total -= file->size;
	}
	enough = total + fetch->size <= cache->size;
	if (enough)
	{
		fd = bb_fd_open(fetch->part, O_RDWR | O_CREAT, pg_file_create_mode);
		if (fd == NULL)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create file \"%s\": %m", fetch->part)));
		bb_fd_close(fd);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return enough;
}

/* ---- downloading ---- */

/* The CRC of what is in the part already, and how much that is. */
static uint64
resume(const BbReqCtx *ctx, const Fetch *fetch, int fd, char *buffer,
	   pg_crc32c *crc)
{
	uint64		at = 0;

	INIT_CRC32C(*crc);
	while (at < fetch->size)
	{
		ssize_t		n = pg_pread(fd, buffer,
								 Min(FETCH_BYTES, fetch->size - at),
								 (off_t) at);

		bb_reqctx_check(ctx);
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", fetch->part)));
		if (n == 0)
			break;
		COMP_CRC32C(*crc, buffer, n);
		at += n;
	}
	return at;
}

/*
 * Get what is missing of the part, and make a file of it.
 */
static FetchOutcome
fetch_rest(const BbReqCtx *ctx, const Fetch *fetch)
{
	char	   *buffer = palloc(FETCH_BYTES);
	BbFd	   *fd = bb_fd_open(fetch->part, O_RDWR, 0);
	BbObjectReader *reader;
	pg_crc32c	crc;
	uint64		at;

	if (fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", fetch->part)));
	at = resume(ctx, fetch, bb_fd_number(fd), buffer, &crc);
	reader = bb_object_open(ctx, fetch->store, fetch->name);
	if (bb_object_size(reader) != fetch->size)
		return FETCH_WRONG;
	while (at < fetch->size)
	{
		size_t		n = Min(FETCH_BYTES, fetch->size - at);
		ssize_t		written;

		bb_object_read(ctx, reader, at, buffer, n);
		COMP_CRC32C(crc, buffer, n);
		errno = 0;
		written = pg_pwrite(bb_fd_number(fd), buffer, n, (off_t) at);
		if (written != (ssize_t) n)
		{
			if (errno == 0 || errno == ENOSPC || errno == EDQUOT)
				return FETCH_NO_ROOM;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", fetch->part)));
		}
		at += n;
	}
	FIN_CRC32C(crc);
	bb_fd_close(fd);
	if (crc != fetch->crc)
		return FETCH_WRONG;
	durable_rename(fetch->part,
				   psprintf("%s/%s", fetch->cache->directory, fetch->file),
				   ERROR);
	return FETCH_DONE;
}

/*
 * Download it.	Returns false when there is no room for it.
 *
 * REQUIRES: the lock of who fetches it.
 */
static bool
download(const BbReqCtx *ctx, const Fetch *fetch)
{
	TimestampTz start = GetCurrentTimestamp();

	for (int tries = 1;; tries++)
	{
		if (!make_room(ctx, fetch))
			return false;
		switch (fetch_rest(ctx, fetch))
		{
			case FETCH_DONE:
				BB_COUNT(ctx, layers_downloaded, 1);
				ereport(LOG_SERVER_ONLY,
						(errmsg("%s (call " UINT64_FORMAT
								") downloaded layer \"%s\": " UINT64_FORMAT
								" bytes in %ld ms",
								bb_task_kind_name(ctx->task_kind),
								ctx->call_id, fetch->name, fetch->size,
								TimestampDifferenceMilliseconds(
									start, GetCurrentTimestamp()))));
				return true;
			case FETCH_NO_ROOM:
				(void) unlink(fetch->part);
				ereport(WARNING,
						(errcode(ERRCODE_DISK_FULL),
						 errmsg("no space left in cache directory \"%s\"",
								fetch->cache->directory),
						 errdetail("Layer \"%s\" is read without being kept.",
								   fetch->name)));
				return false;
			case FETCH_WRONG:
				/* what was there before may have been at fault */
				(void) unlink(fetch->part);
				if (tries == 2)
					ereport(ERROR,
							(errcode(ERRCODE_DATA_CORRUPTED),
							 errmsg("layer \"%s\" is not what the manifest "
									"says",
									fetch->name),
							 errdetail("It has another size, or not the "
									   "CRC-32C %08X.",
									   fetch->crc),
							 errhint("Restore this object from a copy of the "
									 "page store.")));
				break;
		}
	}
}

/* The reader of a resident file; NULL when it isn't there. */
static BbObjectReader *
open_file(const BbReqCtx *ctx, BbCache *cache, const char *file, uint64 size)
{
	char	   *path = psprintf("%s/%s", cache->directory, file);
	struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	struct stat st;

	if (stat(path, &st) < 0 || st.st_size != (off_t) size)
		return NULL;
	(void) utimensat(AT_FDCWD, path, now, 0);
	return bb_object_open(ctx, cache->files, file);
}

BbObjectReader *
bb_cache_open(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
			  const char *name, uint64 size, uint32 crc)
{
	Fetch		fetch = {.cache = cache,
						 .store = store,
						 .name = name,
						 .size = size,
						 .crc = crc};
	TimestampTz start = 0;
	bool		room = cache != NULL;
	bool		used = false;

	if (cache != NULL)
	{
		fetch.file = file_of(name);
		fetch.part = psprintf("%s/.%s." UINT64_FORMAT ".part",
							  cache->directory, fetch.file, size);
	}

	for (;;)
	{
		MemoryContext context;
		MemoryContext old;
		BbObjectReader *reader = NULL;

		if (cache != NULL && !used)
			used = bb_cachelock_use(cache->locks, fetch.file);
		if (used)
			reader = open_file(ctx, cache, fetch.file, size);
		if (reader == NULL)
		{
			if (start == 0)
			{
				ask_leave(ctx, name, size);
				start = GetCurrentTimestamp();
			}
			if (!room)
				reader = bb_object_open(ctx, store, name);
		}
		if (reader != NULL)
		{
			if (start != 0)
				BB_COUNT(ctx, download_wait_us, GetCurrentTimestamp() - start);
			return reader;
		}

		context = AllocSetContextCreate(CurrentMemoryContext,
										"bbackup download",
										ALLOCSET_SMALL_SIZES);
		old = MemoryContextSwitchTo(context);
		if (bb_cachelock_fetch(cache->locks, fetch.file))
		{
			struct stat st;

			/* it may have come just now */
			if (stat(psprintf("%s/%s", cache->directory, fetch.file), &st) <
					0 ||
				st.st_size != (off_t) size)
				room = download(ctx, &fetch);
		}
		else
		{
			bb_reqctx_check(ctx);
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 WAIT_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
}
