/*-------------------------------------------------------------------------
 *
 * sink_chunks.c
 *	  Bytes collected in one buffer, for who pulls them out as bytea.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "assembly/backup.h"
#include "assembly/sink.h"
#include "base/compat.h"

typedef struct ChunksSink
{
	BbSink		base;
	char	   *buffer;	  /* a varlena header, then the bytes */
	size_t		capacity; /* both together */
	size_t		filled;	  /* both together */
} ChunksSink;

static void
chunks_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			 size_t length)
{
	ChunksSink *chunks = (ChunksSink *) sink;

	if (length > chunks->capacity - chunks->filled)
		elog(ERROR, "one step of a backup wrote more than %d bytes",
			 BB_STEP_MAX);
	memcpy(chunks->buffer + chunks->filled, data, length);
	chunks->filled += length;
	BB_COUNT(ctx, bytes_out, length);
}

static const BbSinkOps chunks_ops = {
	.write = chunks_write,
};

BbSink *
bb_sink_chunks_new(size_t size)
{
	ChunksSink *chunks = palloc0(sizeof(ChunksSink));

	chunks->base.ops = &chunks_ops;
	chunks->capacity = VARHDRSZ + size + BB_STEP_MAX;
	/* huge: a bytea of nearly 1 GB and a step after it */
	chunks->buffer = MemoryContextAllocHuge(CurrentMemoryContext,
											chunks->capacity);
	chunks->filled = VARHDRSZ;
	return &chunks->base;
}

size_t
bb_sink_chunks_filled(const BbSink *sink)
{
	return ((const ChunksSink *) sink)->filled - VARHDRSZ;
}

bytea *
bb_sink_chunks_take(BbSink *sink)
{
	ChunksSink *chunks = (ChunksSink *) sink;

	if (!AllocSizeIsValid(chunks->filled))
		elog(ERROR, "chunk of %zu bytes is too large for a bytea",
			 chunks->filled);
	SET_VARSIZE(chunks->buffer, chunks->filled);
	chunks->filled = VARHDRSZ;
	return (bytea *) chunks->buffer;
}
