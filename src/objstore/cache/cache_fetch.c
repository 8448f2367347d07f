/*-------------------------------------------------------------------------
 *
 * cache_fetch.c
 *	  Getting what isn't in the cache.
 *
 * Objects come in pieces, in order, several of which are under way at once;
 * where one object ends the next one begins, so that small ones don't wait for
 * each other either:
 *
 *	  objects	[ a | a | a ][ b ][ c ][ d | d
 *	  pieces	  ^ arrives	   ^ asked for so far
 *				  └ CRC, written to a's part; its last: fsync, rename
 *
 * A download has a memory context with its locks and its file, until it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/resource.h"
#include "objstore/cache/cache_internal.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * As much as one request fetches; and how much, and how many of them, are
 * under way at once: object storage gives each connection a share only.
 */
#define PIECE_BYTES (4 * 1024 * 1024)
#define BYTES_UNDER_WAY (4 * PIECE_BYTES)
#define PIECES 8

/* A download that has begun. */
struct BbDownload
{
	MemoryContext context; /* owns it */
	char	   *part;	   /* its path while it comes */
	BbFd	   *fd;
	TimestampTz begun;
	pg_crc32c	crc;
	uint64		asked;	   /* bytes asked for, or there before */
	uint64		arrived;   /* bytes in the part */
	int			under_way; /* pieces */
};

/* What one request fetches. */
typedef struct Piece
{
	BbFetch	   *fetch;
	BbObjectPart *part;
	char	   *data;
	size_t		length;
	size_t		allocated; /* of data */
} Piece;

typedef struct Pipeline
{
	BbCache	   *cache;
	BbObjectStore *store;
	MemoryContext context; /* of all that is under way */
	BbFetch	   *fetches;
	int			nfetches;
	int			next; /* the fetch whose next piece is asked for next */
	bool		full; /* there was no room for one */
	BbFetched	tell; /* of what is there; NULL: nobody */
	void	   *arg;
	Piece		pieces[PIECES]; /* a ring */
	int			first;
	int			count;
	size_t		bytes; /* allocated for these */
	List	   *spare; /* data of PIECE_BYTES that is free again */
} Pipeline;

/* ---- an object ---- */

/* The CRC of what is in the part already, and how much that is. */
static void
resume(const BbReqCtx *ctx, const BbWholeObject *object, BbDownload *download)
{
	char	   *buffer = palloc(PIECE_BYTES);
	uint64		at = 0;

	INIT_CRC32C(download->crc);
	while (at < object->size)
	{
		ssize_t		n = pg_pread(bb_fd_number(download->fd), buffer,
								 Min(PIECE_BYTES, object->size - at),
								 (off_t) at);

		bb_reqctx_check(ctx);
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m",
							download->part)));
		if (n == 0)
			break;
		download->crc = bb_crc32c(download->crc, buffer, n);
		at += n;
	}
	pfree(buffer);
	download->asked = at;
	download->arrived = at;
}

/* It can't go on.  Pieces that are under way come for nothing. */
static void
give_up(Pipeline *pipeline, BbFetch *fetch, BbFetchOutcome outcome)
{
	(void) unlink(fetch->download->part);
	fetch->outcome = outcome;
	if (outcome == BB_FETCH_NO_ROOM)
	{
		pipeline->full = true;
		ereport(WARNING,
				(errcode(ERRCODE_DISK_FULL),
				 errmsg("no space left in cache directory \"%s\"",
						pipeline->cache->directory),
				 errdetail("Layer \"%s\" is read without being kept.",
						   fetch->object->name)));
	}
}

static void
report(const BbReqCtx *ctx, const BbFetch *fetch)
{
	BB_COUNT(ctx, layers_downloaded, 1);
	bb_layerstats_downloaded(fetch->object->id);
	/* counted for bb_access_stats; there may be hundreds */
	ereport(DEBUG1,
			(errhidestmt(true), errhidecontext(true),
			 errmsg_internal("%s (call " UINT64_FORMAT
							 ") downloaded layer \"%s\": " UINT64_FORMAT
							 " bytes in %ld ms",
							 bb_task_kind_name(ctx->task_kind), ctx->call_id,
							 fetch->object->name, fetch->object->size,
							 TimestampDifferenceMilliseconds(
								 fetch->download->begun,
								 GetCurrentTimestamp()))));
}

/*
 * The part is whole: make a file of it, durable before it has its name.  If
 * that is lost, the part is there yet, for who needs it next.
 */
static void
finish(const BbReqCtx *ctx, Pipeline *pipeline, BbFetch *fetch)
{
	BbCache	   *cache = pipeline->cache;
	BbDownload *download = fetch->download;
	struct timespec never[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 0}};
	char	   *path;
	MemoryContext old;

	FIN_CRC32C(download->crc);
	if (download->crc != fetch->object->crc)
	{
		give_up(pipeline, fetch, BB_FETCH_WRONG);
		return;
	}
	if (ctx->uncounted)
		(void) futimens(bb_fd_number(download->fd), never);
	/* which takes long, so before the lock */
	if (pg_fsync(bb_fd_number(download->fd)) < 0)
	{
		if (errno != ENOSPC && errno != EDQUOT)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not fsync file \"%s\": %m",
							download->part)));
		give_up(pipeline, fetch, BB_FETCH_NO_ROOM);
		return;
	}
	bb_fd_close(download->fd);
	/* who lists the directory in the meantime might see neither name */
	old = MemoryContextSwitchTo(download->context);
	bb_cache_lock_room(ctx, cache);
	path = bb_cache_path(cache, fetch->file);
	if (rename(download->part, path) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						download->part, path)));
	MemoryContextSwitchTo(old);
	report(ctx, fetch);
	fetch->outcome = BB_FETCH_DONE;
}

/* Do what there is to do when a download has come so far. */
static void
advance(const BbReqCtx *ctx, Pipeline *pipeline, BbFetch *fetch)
{
	BbDownload *download = fetch->download;

	if (fetch->outcome == BB_FETCH_WANTED &&
		download->arrived == fetch->object->size)
		finish(ctx, pipeline, fetch);
	if (fetch->outcome == BB_FETCH_WANTED || download->under_way > 0)
		return;
	fetch->download = NULL;
	MemoryContextDelete(download->context);
	if (fetch->outcome == BB_FETCH_DONE && pipeline->tell != NULL)
		pipeline->tell(ctx, fetch->object, pipeline->arg);
}

/* Its part, with what is there already. */
static void
open_part(const BbReqCtx *ctx, const BbFetch *fetch)
{
	BbDownload *download = fetch->download;

	download->begun = GetCurrentTimestamp();
	download->fd = bb_fd_open(download->part, O_RDWR | O_NOFOLLOW, 0);
	if (download->fd == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", download->part)));
	resume(ctx, fetch->object, download);
}

/*
 * Begin with an object, unless that is settled at once: it may have come just
 * now, another may be fetching it, there may be no room.
 */
static void
begin(const BbReqCtx *ctx, Pipeline *pipeline, BbFetch *fetch)
{
	BbCache	   *cache = pipeline->cache;
	const BbWholeObject *object = fetch->object;
	MemoryContext context = AllocSetContextCreate(pipeline->context,
												  "bbackup download",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbDownload *download = palloc0(sizeof(BbDownload));

	download->context = context;
	download->part = bb_cache_part_path(cache, fetch->file, object->size);
	fetch->download = download;
	if (!bb_cachelock_fetch(cache->locks, fetch->file))
		fetch->outcome = BB_FETCH_ELSEWHERE;
	else if (bb_cache_is_there(cache, fetch->file, object->size))
		fetch->outcome = BB_FETCH_DONE;
	else if (pipeline->full ||
			 !bb_cache_make_room(ctx, cache, download->part, object->size))
	{
		fetch->outcome = BB_FETCH_NO_ROOM;
		pipeline->full = true;
	}
	else
		open_part(ctx, fetch);
	MemoryContextSwitchTo(old);
	advance(ctx, pipeline, fetch);
}

/* ---- pieces ---- */

/*
 * Memory for a piece.  That of large ones is used again: the kernel would have
 * to clear new one each time.
 */
static char *
new_data(Pipeline *pipeline, size_t allocated)
{
	char	   *data;

	if (allocated < PIECE_BYTES || pipeline->spare == NIL)
		return palloc(allocated);
	data = llast(pipeline->spare);
	pipeline->spare = list_delete_last(pipeline->spare);
	return data;
}

static void
free_data(Pipeline *pipeline, const Piece *piece)
{
	if (piece->allocated == PIECE_BYTES)
		pipeline->spare = lappend(pipeline->spare, piece->data);
	else
		pfree(piece->data);
}

/* Ask for the next piece of an object.  Returns false: not now. */
static bool
ask(const BbReqCtx *ctx, Pipeline *pipeline, BbFetch *fetch)
{
	BbDownload *download = fetch->download;
	size_t		length = Min(PIECE_BYTES,
							 fetch->object->size - download->asked);
	size_t		allocated = length > PIECE_BYTES / 2 ? PIECE_BYTES : length;
	Piece	   *piece;
	MemoryContext old;

	if (pipeline->count == PIECES ||
		(pipeline->count > 0 && pipeline->bytes + allocated > BYTES_UNDER_WAY))
		return false;
	piece = &pipeline->pieces[(pipeline->first + pipeline->count) % PIECES];
	piece->fetch = fetch;
	piece->length = length;
	piece->allocated = allocated;
	piece->data = new_data(pipeline, allocated);
	/* what requests leave behind goes with the download */
	old = MemoryContextSwitchTo(download->context);
	piece->part = bb_object_begin_part(ctx, pipeline->store, fetch->object,
									   download->asked, piece->data, length);
	MemoryContextSwitchTo(old);
	download->asked += length;
	download->under_way++;
	pipeline->count++;
	pipeline->bytes += allocated;
	return true;
}

/* Ask for what comes next, as much as may be under way. */
static void
ask_ahead(const BbReqCtx *ctx, Pipeline *pipeline)
{
	while (pipeline->next < pipeline->nfetches)
	{
		BbFetch	   *fetch = &pipeline->fetches[pipeline->next];

		bb_reqctx_check(ctx);
		if (fetch->outcome == BB_FETCH_WANTED && fetch->download == NULL)
			begin(ctx, pipeline, fetch);
		if (fetch->outcome != BB_FETCH_WANTED ||
			fetch->download->asked == fetch->object->size)
			pipeline->next++;
		else if (!ask(ctx, pipeline, fetch))
			break;
	}
}

static void
write_piece(Pipeline *pipeline, const Piece *piece)
{
	BbDownload *download = piece->fetch->download;
	ssize_t		written;

	download->crc = bb_crc32c(download->crc, piece->data, piece->length);
	errno = 0;
	written = pg_pwrite(bb_fd_number(download->fd), piece->data, piece->length,
						(off_t) download->arrived);
	if (written == (ssize_t) piece->length)
		download->arrived += piece->length;
	else if (errno == 0 || errno == ENOSPC || errno == EDQUOT)
		give_up(pipeline, piece->fetch, BB_FETCH_NO_ROOM);
	else
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", download->part)));
}

/* Wait for the first piece that is under way. */
static void
take(const BbReqCtx *ctx, Pipeline *pipeline)
{
	Piece	   *piece = &pipeline->pieces[pipeline->first];
	BbFetch	   *fetch = piece->fetch;
	bool		right = bb_object_end_part(ctx, piece->part);

	pipeline->first = (pipeline->first + 1) % PIECES;
	pipeline->count--;
	pipeline->bytes -= piece->allocated;
	fetch->download->under_way--;

	if (fetch->outcome == BB_FETCH_WANTED)
	{
		if (right)
			write_piece(pipeline, piece);
		else
			give_up(pipeline, fetch, BB_FETCH_WRONG);
	}
	free_data(pipeline, piece);
	advance(ctx, pipeline, fetch);
}

void
bb_cache_fetch(const BbReqCtx *ctx, BbCache *cache, BbObjectStore *store,
			   BbFetch *fetches, int nfetches, BbFetched tell, void *arg)
{
	Pipeline	pipeline = {.cache = cache,
							.store = store,
							.fetches = fetches,
							.nfetches = nfetches,
							.tell = tell,
							.arg = arg};
	MemoryContext old;

	pipeline.context = AllocSetContextCreate(CurrentMemoryContext,
											 "bbackup fetch",
											 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(pipeline.context);
	for (;;)
	{
		ask_ahead(ctx, &pipeline);
		if (pipeline.count == 0)
			break;
		take(ctx, &pipeline);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(pipeline.context);
}
