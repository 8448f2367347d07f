/*-------------------------------------------------------------------------
 *
 * compressor_gzip.c
 *	  gzip, by zlib.
 *
 * zlib's header has no name and no time, so the result depends on the input
 * only.  All memory of zlib is in our memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef HAVE_LIBZ

#include <zlib.h>

#include "sinks/compressor.h"
#include "utils/memutils.h"

#define BUFFER_SIZE (64 * 1024)

/* zlib's defaults, with a gzip header (see deflateInit2 in zlib.h). */
#define WINDOW_BITS (15 + 16)
#define MEMORY_LEVEL 8

typedef struct GzipCompressor
{
	BbCompressor base;
	int			level;
	z_stream	stream;
} GzipCompressor;

/* Without memory, return NULL instead of an error, so that zlib cleans up. */
static void *
allocate(void *context, unsigned int items, unsigned int size)
{
	return MemoryContextAllocExtended(context, (Size) items * size,
									  MCXT_ALLOC_NO_OOM);
}

static void
release(void *context, void *memory)
{
	pfree(memory);
}

static void
gzip_open(BbCompressor *compressor)
{
	GzipCompressor *gzip = (GzipCompressor *) compressor;
	int			result;

	gzip->base.in_size = BUFFER_SIZE;
	gzip->base.out_size = BUFFER_SIZE;
	gzip->stream.zalloc = allocate;
	gzip->stream.zfree = release;
	gzip->stream.opaque = CurrentMemoryContext;
	result = deflateInit2(&gzip->stream, gzip->level, Z_DEFLATED, WINDOW_BITS,
						  MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
	if (result != Z_OK)
		ereport(ERROR,
				(errcode(result == Z_MEM_ERROR ? ERRCODE_OUT_OF_MEMORY
											   : ERRCODE_INTERNAL_ERROR),
				 errmsg("could not initialize compression library: %s",
						zError(result))));
}

static void
gzip_begin(BbCompressor *compressor, BbCompressorFlow *flow)
{
	int			result = deflateReset(
		&((GzipCompressor *) compressor)->stream);

	if (result != Z_OK)
		elog(ERROR, "could not begin to compress: %s", zError(result));
}

static bool
gzip_pump(BbCompressor *compressor, BbCompressorFlow *flow, bool end)
{
	z_stream   *stream = &((GzipCompressor *) compressor)->stream;
	int			result;

	stream->next_in = (Bytef *) flow->in;
	stream->avail_in = flow->in_left;
	stream->next_out = flow->out;
	stream->avail_out = flow->out_left;
	result = deflate(stream, end ? Z_FINISH : Z_NO_FLUSH);
	flow->in = stream->next_in;
	flow->in_left = stream->avail_in;
	flow->out = stream->next_out;
	flow->out_left = stream->avail_out;

	/* Z_BUF_ERROR: there was no room */
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		elog(ERROR, "could not compress data: %s",
			 stream->msg != NULL ? stream->msg : zError(result));
	return result == Z_STREAM_END;
}

static const BbCompressorOps gzip_ops = {
	.suffix = ".gz",
	.open = gzip_open,
	.begin = gzip_begin,
	.pump = gzip_pump,
};

BbCompressor *
bb_compressor_gzip_new(const pg_compress_specification *spec)
{
	GzipCompressor *gzip = palloc0(sizeof(GzipCompressor));

	gzip->base.ops = &gzip_ops;
	gzip->level = spec->level;
	return &gzip->base;
}

#endif /* HAVE_LIBZ */
