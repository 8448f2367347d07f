/*-------------------------------------------------------------------------
 *
 * cache_fetch.c
 *	  Downloading objects into the cache.
 *
 * Objects are requested in pieces, in order.  Several pieces are under way at
 * once, also of different objects, so that small objects don't wait for each
 * other:
 *
 *	  objects	[ a | a | a ][ b ][ c ][ d | d
 *	  pieces	  ^ arrives	   ^ asked for so far
 *				  └ CRC, written to a's part; its last: fsync, rename
 *
 * A download has a memory context, which owns its locks and its file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "objstore/cache/cache_internal.h"
#include "stats/layerstats.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * How much one request fetches, and how many bytes and requests are under way
 * at once.  Several are, because object storage limits the throughput of each
 * connection.
 */
#define PIECE_BYTES (4 * 1024 * 1024)
#define BYTES_UNDER_WAY (4 * PIECE_BYTES)
#define PIECES 8

/* A download that has begun. */
struct BbDownload
{
	MemoryContext context; /* owns it */
	char	   *part;	   /* its path until it is renamed */
	BbFd	   *fd;
	TimestampTz begun;
	void	   *check;	   /* of check_ops */
	pg_crc32c	crc;	   /* without check_ops */
	uint64		asked;	   /* bytes asked for or found in the part */
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
	BbObjectStore *objects;
	MemoryContext context; /* of all that is under way */
	BbFetch	   *fetches;
	int			nfetches;
	int			next;	 /* the fetch whose piece is asked for next */
	bool		full;	 /* there was no room for an object */
	BbFetched	fetched; /* called for each object that is done, or NULL */
	void	   *arg;
	Piece		pieces[PIECES]; /* a ring */
	int			first;
	int			count;
	size_t		bytes; /* allocated for the pieces */
	List	   *spare; /* free buffers of PIECE_BYTES */
} Pipeline;

/* ---- an object ---- */

static void
begin_check(const BbReqCtx *ctx, const BbObjectStore *objects, BbFetch *fetch)
{
	BbDownload *download = fetch->download;

	INIT_CRC32C(download->crc);
	if (objects->check_ops != NULL)
		download->check = objects->check_ops->begin(ctx, objects->check_arg,
													fetch->object);
}

static void
check_more(const BbReqCtx *ctx, const BbObjectStore *objects,
		   BbDownload *download, const void *data, size_t length)
{
	if (objects->check_ops != NULL)
		objects->check_ops->add(ctx, download->check, data, length);
	else
		download->crc = bb_crc32c(download->crc, data, length);
}

static bool
is_right(const BbObjectStore *objects, const BbFetch *fetch)
{
	BbDownload *download = fetch->download;

	if (objects->check_ops != NULL)
		return objects->check_ops->end(download->check);
	FIN_CRC32C(download->crc);
	return download->crc == fetch->object->crc;
}

/* Verify what the part contains already. */
static void
resume(const BbReqCtx *ctx, const BbObjectStore *objects, BbFetch *fetch)
{
	const BbWholeObject *object = fetch->object;
	BbDownload *download = fetch->download;
	char	   *buffer = palloc(PIECE_BYTES);
	uint64		at = 0;

	begin_check(ctx, objects, fetch);
	while (at < object->size)
	{
		ssize_t		n = pg_pread(bb_fd_number(download->fd), buffer,
								 Min(PIECE_BYTES, object->size - at),
								 (off_t) at);

		bb_reqctx_check(ctx);
		if (n < 0)
			bb_report_file("could not read file \"%s\": %m", download->part);
		if (n == 0)
			break;
		check_more(ctx, objects, download, buffer, n);
		at += n;
	}
	pfree(buffer);
	download->asked = at;
	download->arrived = at;
}

/* Abandon a download.  Its pieces that are under way are discarded. */
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
						pipeline->objects->cache->directory),
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
 * Make a file of a whole part: durable first, then renamed.  If a crash undoes
 * the renaming, the part is still there and the next session that needs the
 * object uses it.
 */
static void
finish(const BbReqCtx *ctx, Pipeline *pipeline, BbFetch *fetch)
{
	BbCache	   *cache = pipeline->objects->cache;
	BbDownload *download = fetch->download;
	struct timespec never[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 0}};
	char	   *path;
	MemoryContext old;

	if (!is_right(pipeline->objects, fetch))
	{
		give_up(pipeline, fetch, BB_FETCH_WRONG);
		return;
	}
	if (ctx->uncounted)
		(void) futimens(bb_fd_number(download->fd), never);
	/* this takes long, so do it before taking the lock */
	if (pg_fsync(bb_fd_number(download->fd)) < 0)
	{
		if (errno != ENOSPC && errno != EDQUOT)
			bb_report_file("could not fsync file \"%s\": %m", download->part);
		give_up(pipeline, fetch, BB_FETCH_NO_ROOM);
		return;
	}
	bb_fd_close(download->fd);
	/* a listing while the file is renamed could show neither name */
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

/* End a download if it is complete or was abandoned. */
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
	if (fetch->outcome == BB_FETCH_DONE && pipeline->fetched != NULL)
		pipeline->fetched(ctx, fetch->object, pipeline->arg);
}

/* Open the part, and continue after what it contains already. */
static void
open_part(const BbReqCtx *ctx, const BbObjectStore *objects, BbFetch *fetch)
{
	BbDownload *download = fetch->download;

	download->begun = GetCurrentTimestamp();
	download->fd = bb_fd_open(download->part, O_RDWR | O_NOFOLLOW, 0);
	if (download->fd == NULL)
		bb_report_file("could not open file \"%s\": %m", download->part);
	resume(ctx, objects, fetch);
}

/*
 * Begin a download, unless the object has arrived by now, another session is
 * fetching it, or there is no room.
 */
static void
begin(const BbReqCtx *ctx, Pipeline *pipeline, BbFetch *fetch)
{
	BbCache	   *cache = pipeline->objects->cache;
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
		open_part(ctx, pipeline->objects, fetch);
	MemoryContextSwitchTo(old);
	advance(ctx, pipeline, fetch);
}

/* ---- pieces ---- */

/*
 * Allocate the buffer of a piece.  Large buffers are reused, because the
 * kernel would have to clear new ones each time.
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

/* Ask for the next piece of an object.  Returns false if it has to wait. */
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
	/* what requests allocate is freed with the download */
	old = MemoryContextSwitchTo(download->context);
	piece->part = bb_object_begin_part(ctx, pipeline->objects, fetch->object,
									   download->asked, piece->data, length);
	MemoryContextSwitchTo(old);
	download->asked += length;
	download->under_way++;
	pipeline->count++;
	pipeline->bytes += allocated;
	return true;
}

/* Ask for the next pieces, as many as may be under way. */
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
write_piece(const BbReqCtx *ctx, Pipeline *pipeline, const Piece *piece)
{
	BbDownload *download = piece->fetch->download;
	ssize_t		written;

	check_more(ctx, pipeline->objects, download, piece->data, piece->length);
	errno = 0;
	written = pg_pwrite(bb_fd_number(download->fd), piece->data, piece->length,
						(off_t) download->arrived);
	if (written == (ssize_t) piece->length)
		download->arrived += piece->length;
	else if (errno == 0 || errno == ENOSPC || errno == EDQUOT)
		give_up(pipeline, piece->fetch, BB_FETCH_NO_ROOM);
	else
		bb_report_file("could not write file \"%s\": %m", download->part);
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
			write_piece(ctx, pipeline, piece);
		else
			give_up(pipeline, fetch, BB_FETCH_WRONG);
	}
	free_data(pipeline, piece);
	advance(ctx, pipeline, fetch);
}

void
bb_cache_fetch(const BbReqCtx *ctx, BbObjectStore *objects, BbFetch *fetches,
			   int nfetches, BbFetched fetched, void *arg)
{
	Pipeline	pipeline = {.objects = objects,
							.fetches = fetches,
							.nfetches = nfetches,
							.fetched = fetched,
							.arg = arg};
	MemoryContext old = CurrentMemoryContext;

	pipeline.context = AllocSetContextCreate(old, "bbackup fetch",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(pipeline.context);
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
