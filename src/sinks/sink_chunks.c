/*-------------------------------------------------------------------------
 *
 * sink_chunks.c
 *	  Collect bytes in a buffer, from which the caller takes them as bytea.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "members/backupmanifest.h"
#include "sinks/destinations.h"
#include "utils/memutils.h"

typedef struct ChunksSink
{
	BbSink		base;
	char	   *buffer;				/* a varlena header, then the bytes */
	size_t		capacity;			/* including the header */
	size_t		filled;				/* including the header */
	char		archive[MAXPGPATH]; /* the name of the current one */
	bool		ended;				/* has it ended? */
} ChunksSink;

static void
chunks_begin_archive(const BbReqCtx *ctx, BbSink *sink, const char *name)
{
	ChunksSink *chunks = (ChunksSink *) sink;

	if (bb_sink_chunks_filled(sink) > 0)
		elog(ERROR, "the end of archive \"%s\" was not taken",
			 chunks->archive);
	strlcpy(chunks->archive, name, MAXPGPATH);
	chunks->ended = false;
}

static void
chunks_end_archive(const BbReqCtx *ctx, BbSink *sink)
{
	((ChunksSink *) sink)->ended = true;
}

static void
chunks_begin_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	chunks_begin_archive(ctx, sink, BB_MANIFEST_FILE);
}

/* Make room for "length" more bytes. */
static void
enlarge(ChunksSink *chunks, size_t length)
{
	size_t		needed = chunks->filled + length;

	if (needed > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("base backup is too large for a bytea"),
				 errdetail("The limit is %zu bytes.",
						   (size_t) (MaxAllocSize - VARHDRSZ)),
				 errhint("Use bb_basebackup_lo(), or "
						 "bb_basebackup_stream() in the target list of a "
						 "SELECT.")));
	chunks->capacity = Min(Max(needed, 2 * chunks->capacity), MaxAllocSize);
	chunks->buffer = repalloc(chunks->buffer, chunks->capacity);
}

static void
chunks_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			 size_t length)
{
	ChunksSink *chunks = (ChunksSink *) sink;

	if (length > chunks->capacity - chunks->filled)
		enlarge(chunks, length);
	memcpy(chunks->buffer + chunks->filled, data, length);
	chunks->filled += length;
	BB_COUNT(ctx, bytes_out, length);
}

static const BbSinkOps chunks_ops = {
	.begin_archive = chunks_begin_archive,
	.write = chunks_write,
	.end_archive = chunks_end_archive,
	.begin_manifest = chunks_begin_manifest,
	.write_manifest = chunks_write,
	.end_manifest = chunks_end_archive,
};

BbSink *
bb_sink_chunks_new(size_t size)
{
	ChunksSink *chunks = palloc0(sizeof(ChunksSink));

	chunks->base.ops = &chunks_ops;
	chunks->capacity = VARHDRSZ + size;
	chunks->buffer = palloc(chunks->capacity);
	chunks->filled = VARHDRSZ;
	return &chunks->base;
}

size_t
bb_sink_chunks_filled(const BbSink *sink)
{
	return ((const ChunksSink *) sink)->filled - VARHDRSZ;
}

const char *
bb_sink_chunks_archive(const BbSink *sink)
{
	return ((const ChunksSink *) sink)->archive;
}

bool
bb_sink_chunks_ended(const BbSink *sink)
{
	return ((const ChunksSink *) sink)->ended;
}

bytea *
bb_sink_chunks_take(BbSink *sink)
{
	ChunksSink *chunks = (ChunksSink *) sink;

	SET_VARSIZE(chunks->buffer, chunks->filled);
	chunks->filled = VARHDRSZ;
	return (bytea *) chunks->buffer;
}
