/*-------------------------------------------------------------------------
 *
 * sink_compress.c
 *	  Each archive as one compressed stream.
 *
 * Bytes are collected until the library's favourite amount is there.  So calls
 * of it are few, and what it makes depends on the bytes alone, not on the
 * pieces in which they came.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/compressor.h"
#include "sinks/sink.h"
#include "utils/memutils.h"

typedef struct Method
{
	const char *name; /* in errors, as PostgreSQL's compression.c has it */
	BbCompressor *(*new_compressor) (const pg_compress_specification *spec);
} Method;

/* Those without a function aren't in this build. */
static const Method methods[] = {
	[PG_COMPRESSION_GZIP] = {"gzip",
#ifdef HAVE_LIBZ
							 bb_compressor_gzip_new
#endif
	},
	[PG_COMPRESSION_LZ4] = {"LZ4",
#ifdef USE_LZ4
							bb_compressor_lz4_new
#endif
	},
	[PG_COMPRESSION_ZSTD] = {"ZSTD",
#ifdef USE_ZSTD
							 bb_compressor_zstd_new
#endif
	},
};

typedef struct CompressSink
{
	BbSink		base;
	BbCompressor *compressor;
	uint8	   *in;		   /* compressor->in_size bytes */
	size_t		in_filled; /* of them */
	uint8	   *out;	   /* compressor->out_size bytes */
	BbCompressorFlow flow;
	MemoryContextCallback callback;
} CompressSink;

static void
empty_out(CompressSink *compress)
{
	compress->flow.out = compress->out;
	compress->flow.out_left = compress->compressor->out_size;
}

static void
hand_on(const BbReqCtx *ctx, CompressSink *compress)
{
	size_t		filled = compress->flow.out - compress->out;

	if (filled > 0)
		bb_sink_write(ctx, compress->base.next, compress->out, filled);
	empty_out(compress);
}

/* Compress what is collected. */
static void
pump(const BbReqCtx *ctx, CompressSink *compress, bool end)
{
	BbCompressor *compressor = compress->compressor;
	BbCompressorFlow *flow = &compress->flow;
	bool		ended;

	flow->in = compress->in;
	flow->in_left = compress->in_filled;
	for (;;)
	{
		ended = compressor->ops->pump(compressor, flow, end);
		if (end ? ended : flow->in_left == 0)
			break;
		hand_on(ctx, compress);
		bb_reqctx_check(ctx);
	}
	compress->in_filled = 0;
}

static void
compress_begin_archive(const BbReqCtx *ctx, BbSink *sink, const char *name)
{
	CompressSink *compress = (CompressSink *) sink;
	BbCompressor *compressor = compress->compressor;

	bb_sink_begin_archive(ctx, sink->next,
						  psprintf("%s%s", name, compressor->ops->suffix));
	compress->flow.in_left = 0;
	empty_out(compress);
	compressor->ops->begin(compressor, &compress->flow);
}

static void
compress_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			   size_t length)
{
	CompressSink *compress = (CompressSink *) sink;
	size_t		in_size = compress->compressor->in_size;
	const uint8 *from = data;

	while (length > 0)
	{
		size_t		part = Min(length, in_size - compress->in_filled);

		memcpy(compress->in + compress->in_filled, from, part);
		compress->in_filled += part;
		from += part;
		length -= part;
		if (compress->in_filled == in_size)
			pump(ctx, compress, false);
	}
}

static void
compress_end_archive(const BbReqCtx *ctx, BbSink *sink)
{
	CompressSink *compress = (CompressSink *) sink;

	pump(ctx, compress, true);
	hand_on(ctx, compress);
	bb_sink_end_archive(ctx, sink->next);
}

static void
close_compressor(void *arg)
{
	BbCompressor *compressor = arg;

	compressor->ops->close(compressor);
}

/* The memory context may stay for long after a success. */
static void
compress_end(const BbReqCtx *ctx, BbSink *sink)
{
	close_compressor(((CompressSink *) sink)->compressor);
	bb_sink_end(ctx, sink->next);
}

static const BbSinkOps compress_ops = {
	.begin_archive = compress_begin_archive,
	.write = compress_write,
	.end_archive = compress_end_archive,
	.end = compress_end,
};

BbSink *
bb_sink_compress_new(BbSink *next, const pg_compress_specification *spec)
{
	CompressSink *compress = palloc0(sizeof(CompressSink));
	BbCompressor *compressor;

	if (methods[spec->algorithm].new_compressor == NULL)
		elog(ERROR, "no compressor for algorithm %d", spec->algorithm);
	compressor = methods[spec->algorithm].new_compressor(spec);
	compress->base.ops = &compress_ops;
	compress->base.next = next;
	compress->compressor = compressor;

	/* what the library holds goes with the memory context */
	compress->callback.func = close_compressor;
	compress->callback.arg = compressor;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &compress->callback);
	compressor->ops->open(compressor);

	compress->in = palloc(compressor->in_size);
	compress->out = palloc(compressor->out_size);
	return &compress->base;
}
