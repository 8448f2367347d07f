/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Resident objects: files in a local directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/resource.h"
#include "base/settings.h"
#include "common/file_perm.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "objstore/cache_internal.h"
#include "pgstat.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * As much as one request fetches, and how many are under way at once: object
 * storage gives each connection a share only.
 */
#define PIECE_BYTES (4 * 1024 * 1024)
#define PIECES 4

/* How often who waits for another's download looks whether it is there. */
#define WAIT_MS 20

/* A download. */
typedef struct Fetch
{
	BbCache	   *cache;
	BbObjectStore *store;
	const BbWholeObject *object;
	char	   *file;
	char	   *part; /* its path while it comes */
} Fetch;

/* What one request fetches of it. */
typedef struct Piece
{
	BbObjectPart *part; /* NULL: none is under way */
	char	   *data;	/* PIECE_BYTES; NULL: not needed yet */
	size_t		length;
} Piece;

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

static bool
is_there(const BbCache *cache, const char *file, uint64 size)
{
	struct stat st;

	return stat(bb_cache_path(cache, file), &st) == 0 &&
		st.st_size == (off_t) size;
}

bool
bb_cache_has(const BbCache *cache, const BbWholeObject *object)
{
	return is_there(cache, bb_cache_file(object), object->size);
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

/* ---- downloading ---- */

/* The CRC of what is in the part already, and how much that is. */
static uint64
resume(const BbReqCtx *ctx, const Fetch *fetch, int fd, pg_crc32c *crc)
{
	char	   *buffer = palloc(PIECE_BYTES);
	uint64		at = 0;

	INIT_CRC32C(*crc);
	while (at < fetch->object->size)
	{
		ssize_t		n = pg_pread(fd, buffer,
								 Min(PIECE_BYTES, fetch->object->size - at),
								 (off_t) at);

		bb_reqctx_check(ctx);
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", fetch->part)));
		if (n == 0)
			break;
		*crc = bb_crc32c(*crc, buffer, n);
		at += n;
	}
	pfree(buffer);
	return at;
}

/* Ask for the piece that begins at "at", unless the object ends there. */
static void
ask_for(const BbReqCtx *ctx, const Fetch *fetch, Piece *piece, uint64 at)
{
	piece->part = NULL;
	if (at >= fetch->object->size)
		return;
	if (piece->data == NULL)
		piece->data = palloc(PIECE_BYTES);
	piece->length = Min(PIECE_BYTES, fetch->object->size - at);
	piece->part = bb_object_begin_part(ctx, fetch->store, fetch->object, at,
									   piece->data, piece->length);
}

/*
 * Get what is missing of the part, from "at" on, into its file.
 */
static FetchOutcome
fetch_rest(const BbReqCtx *ctx, const Fetch *fetch, int fd, uint64 at,
		   pg_crc32c *crc)
{
	Piece		pieces[PIECES] = {0}; /* a ring */

	for (int i = 0; i < PIECES; i++)
		ask_for(ctx, fetch, &pieces[i], at + i * (uint64) PIECE_BYTES);
	for (int i = 0; at < fetch->object->size; i = (i + 1) % PIECES)
	{
		Piece	   *piece = &pieces[i];
		ssize_t		written;

		if (!bb_object_end_part(ctx, piece->part))
			return FETCH_WRONG;
		*crc = bb_crc32c(*crc, piece->data, piece->length);
		errno = 0;
		written = pg_pwrite(fd, piece->data, piece->length, (off_t) at);
		if (written != (ssize_t) piece->length)
		{
			if (errno == 0 || errno == ENOSPC || errno == EDQUOT)
				return FETCH_NO_ROOM;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", fetch->part)));
		}
		at += piece->length;
		ask_for(ctx, fetch, piece,
				at + (PIECES - 1) * (uint64) PIECE_BYTES);
	}
	return FETCH_DONE;
}

/*
 * Have the part be whole, and make a file of it: durable before it has its
 * name.  If that is lost, the part is there yet, for who needs it next.
 */
static FetchOutcome
fetch_file(const BbReqCtx *ctx, const Fetch *fetch)
{
	BbFd	   *fd = bb_fd_open(fetch->part, O_RDWR, 0);
	struct timespec never[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 0}};
	char	   *path = bb_cache_path(fetch->cache, fetch->file);
	FetchOutcome outcome;
	pg_crc32c	crc;
	uint64		at;

	if (fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", fetch->part)));
	at = resume(ctx, fetch, bb_fd_number(fd), &crc);
	outcome = fetch_rest(ctx, fetch, bb_fd_number(fd), at, &crc);
	if (outcome != FETCH_DONE)
		return outcome;
	FIN_CRC32C(crc);
	if (crc != fetch->object->crc)
		return FETCH_WRONG;
	if (ctx->uncounted)
		(void) futimens(bb_fd_number(fd), never);
	/* which takes long, so before the lock */
	if (pg_fsync(bb_fd_number(fd)) < 0)
	{
		if (errno == ENOSPC || errno == EDQUOT)
			return FETCH_NO_ROOM;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", fetch->part)));
	}
	bb_fd_close(fd);
	/* who lists the directory in the meantime might see neither name */
	bb_cache_lock_room(ctx, fetch->cache);
	if (rename(fetch->part, path) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						fetch->part, path)));
	return FETCH_DONE;
}

static FetchOutcome
make_file(const BbReqCtx *ctx, const Fetch *fetch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup fetch",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FetchOutcome outcome = fetch_file(ctx, fetch);

	/* what wasn't waited for ends here */
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return outcome;
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
		if (!bb_cache_make_room(ctx, fetch->cache, fetch->part,
								fetch->object->size))
			return false;
		switch (make_file(ctx, fetch))
		{
			case FETCH_DONE:
				BB_COUNT(ctx, layers_downloaded, 1);
				bb_layerstats_downloaded(fetch->object->id);
				ereport(LOG_SERVER_ONLY,
						(errmsg("%s (call " UINT64_FORMAT
								") downloaded layer \"%s\": " UINT64_FORMAT
								" bytes in %ld ms",
								bb_task_kind_name(ctx->task_kind),
								ctx->call_id, fetch->object->name, fetch->object->size,
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
								   fetch->object->name)));
				return false;
			case FETCH_WRONG:
				/* what was there before may have been at fault */
				(void) unlink(fetch->part);
				if (tries == 2)
					ereport(ERROR,
							(errcode(ERRCODE_DATA_CORRUPTED),
							 errmsg("layer \"%s\" is not what the manifest "
									"says",
									fetch->object->name),
							 errdetail("It has another size, or not the "
									   "CRC-32C %08X.",
									   fetch->object->crc),
							 errhint("Restore this object from a copy of the "
									 "page store.")));
				break;
		}
	}
}

/* ---- using ---- */

/* It is used, if that counts. */
static void
renew(const BbReqCtx *ctx, const BbCache *cache, const char *file)
{
	struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};

	if (!ctx->uncounted)
		(void) utimensat(AT_FDCWD, bb_cache_path(cache, file), now, 0);
}

/*
 * Download it, or give another some time to.  Returns false when there is no
 * room for it.
 */
static bool
fetch_or_wait(const BbReqCtx *ctx, const Fetch *fetch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup download",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		room = true;

	if (bb_cachelock_fetch(fetch->cache->locks, fetch->file))
	{
		/* it may have come just now */
		if (!is_there(fetch->cache, fetch->file, fetch->object->size))
			room = download(ctx, fetch);
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
	return room;
}

bool
bb_cache_hold(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
			  const BbWholeObject *object)
{
	Fetch		fetch = {.cache = cache, .store = store, .object = object};
	TimestampTz start = 0;
	bool		used = false;
	bool		room = true;

	fetch.file = bb_cache_file(object);
	fetch.part = bb_cache_part_path(cache, fetch.file, object->size);
	while (room)
	{
		used = used || bb_cachelock_use(cache->locks, fetch.file);
		if (used && is_there(cache, fetch.file, object->size))
			break;
		if (start == 0)
		{
			ask_leave(ctx, object);
			start = GetCurrentTimestamp();
		}
		room = fetch_or_wait(ctx, &fetch);
	}
	if (room)
		renew(ctx, cache, fetch.file);
	if (start != 0)
	{
		BB_COUNT(ctx, download_wait_us, GetCurrentTimestamp() - start);
		bb_reqctx_publish(ctx);
	}
	return room;
}

BbObjectReader *
bb_cache_open(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
			  const BbWholeObject *object)
{
	if (cache == NULL)
		ask_leave(ctx, object);
	else if (bb_cache_hold(ctx, cache, store, object))
		return bb_object_open(ctx, cache->files, bb_cache_file(object));
	return bb_object_open(ctx, store, object->name);
}
