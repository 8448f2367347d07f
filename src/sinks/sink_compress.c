/*-------------------------------------------------------------------------
 *
 * sink_compress.c
 *	  Compress each archive as one stream.
 *
 * The sink collects as many bytes as the library prefers.  So it calls the
 * library rarely, and the result depends on the bytes only, not on the size of
 * the writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/collect.h"
#include "base/resource.h"
#include "sinks/compressor.h"
#include "sinks/stages.h"
#include "utils/memutils.h"

typedef struct Method
{
	const char *name; /* in errors, as in PostgreSQL's compression.c */
	BbCompressor *(*new_compressor) (const pg_compress_specification *spec);
} Method;

/* A method without a function isn't in this build. */
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
	size_t		in_filled; /* bytes in there */
	uint8	   *out;	   /* compressor->out_size bytes */
	BbCompressorFlow flow;
} CompressSink;

static void
empty_out(CompressSink *compress)
{
	compress->flow.out = compress->out;
	compress->flow.out_left = compress->compressor->out_size;
}

static void
pass_on(const BbReqCtx *ctx, CompressSink *compress)
{
	size_t		filled = compress->flow.out - compress->out;

	if (filled > 0)
		bb_sink_write(ctx, compress->base.next, compress->out, filled);
	empty_out(compress);
}

/* Compress the collected bytes. */
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
		pass_on(ctx, compress);
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

	while (length > 0)
		if (bb_collect(compress->in, compress->compressor->in_size,
					   &compress->in_filled, &data, &length))
			pump(ctx, compress, false);
}

static void
compress_end_archive(const BbReqCtx *ctx, BbSink *sink)
{
	CompressSink *compress = (CompressSink *) sink;

	pump(ctx, compress, true);
	pass_on(ctx, compress);
	bb_sink_end_archive(ctx, sink->next);
}

static void
close_compressor(void *arg)
{
	BbCompressor *compressor = arg;

	if (compressor->ops->close != NULL)
		compressor->ops->close(compressor);
}

/* After success the memory context may exist for long. */
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

	/* release with the memory context what the library holds */
	bb_on_reset(CurrentMemoryContext, close_compressor, compressor);
	compressor->ops->open(compressor);

	compress->in = palloc(compressor->in_size);
	compress->out = palloc(compressor->out_size);
	return &compress->base;
}
