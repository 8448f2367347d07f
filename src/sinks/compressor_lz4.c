/*-------------------------------------------------------------------------
 *
 * compressor_lz4.c
 *	  lz4, by the frame API of its library.
 *
 * Frames have linked blocks of 256 kB, as those of PostgreSQL's
 * basebackup_lz4.c.  The input has whole blocks, so the library compresses it in
 * place and keeps no copy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef USE_LZ4

#include <lz4frame.h>

#include "sinks/compressor.h"

#define BLOCK_SIZE (256 * 1024)
/* The longest header of a frame (LZ4F_HEADER_SIZE_MAX, not in old headers) */
#define HEADER_SIZE 19

typedef struct Lz4Compressor
{
	BbCompressor base;
	LZ4F_preferences_t preferences;
	LZ4F_cctx  *cctx;  /* NULL: closed */
	size_t		bound; /* the largest size of a compressed block */
} Lz4Compressor;

/* Returns the library's result, unless that is an error. */
static size_t
check(size_t result, const char *what)
{
	if (LZ4F_isError(result))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not %s: %s", what, LZ4F_getErrorName(result))));
	return result;
}

static void
lz4_open(BbCompressor *compressor)
{
	Lz4Compressor *lz4 = (Lz4Compressor *) compressor;

	check(LZ4F_createCompressionContext(&lz4->cctx, LZ4F_VERSION),
		  "create lz4 compression context");
	lz4->bound = Max(LZ4F_compressBound(BLOCK_SIZE, &lz4->preferences),
					 LZ4F_compressBound(0, &lz4->preferences));
	lz4->base.in_size = BLOCK_SIZE;
	lz4->base.out_size = HEADER_SIZE + lz4->bound;
}

static void
advance(BbCompressorFlow *flow, size_t written)
{
	flow->out += written;
	flow->out_left -= written;
}

static void
lz4_begin(BbCompressor *compressor, BbCompressorFlow *flow)
{
	Lz4Compressor *lz4 = (Lz4Compressor *) compressor;

	advance(flow,
			check(LZ4F_compressBegin(lz4->cctx, flow->out, flow->out_left,
									 &lz4->preferences),
				  "write lz4 header"));
}

static bool
lz4_pump(BbCompressor *compressor, BbCompressorFlow *flow, bool end)
{
	Lz4Compressor *lz4 = (Lz4Compressor *) compressor;

	if (flow->in_left > 0 && flow->out_left >= lz4->bound)
	{
		advance(flow,
				check(LZ4F_compressUpdate(lz4->cctx, flow->out, flow->out_left,
										  flow->in, flow->in_left, NULL),
					  "compress data"));
		flow->in_left = 0;
	}
	if (!end || flow->in_left > 0 || flow->out_left < lz4->bound)
		return false;
	advance(flow,
			check(LZ4F_compressEnd(lz4->cctx, flow->out, flow->out_left, NULL),
				  "end lz4 compression"));
	return true;
}

static void
lz4_close(BbCompressor *compressor)
{
	Lz4Compressor *lz4 = (Lz4Compressor *) compressor;

	LZ4F_freeCompressionContext(lz4->cctx);
	lz4->cctx = NULL;
}

static const BbCompressorOps lz4_ops = {
	.suffix = ".lz4",
	.open = lz4_open,
	.begin = lz4_begin,
	.pump = lz4_pump,
	.close = lz4_close,
};

BbCompressor *
bb_compressor_lz4_new(const pg_compress_specification *spec)
{
	Lz4Compressor *lz4 = palloc0(sizeof(Lz4Compressor));

	lz4->base.ops = &lz4_ops;
	lz4->preferences.frameInfo.blockSizeID = LZ4F_max256KB;
	lz4->preferences.compressionLevel = spec->level;
	lz4->preferences.autoFlush = 1;
	return &lz4->base;
}

#endif /* USE_LZ4 */
