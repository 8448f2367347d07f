/*-------------------------------------------------------------------------
 *
 * decompress_lz4.c
 *	  lz4, in frames.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef USE_LZ4

#include <lz4frame.h>

#include "archive/decompress_internal.h"

static void *
lz4_begin(void)
{
	LZ4F_dctx  *context;

	return LZ4F_isError(
			   LZ4F_createDecompressionContext(&context, LZ4F_VERSION))
		? NULL
		: context;
}

static BbDecompressState
lz4_pump(void *stream, BbDecompressFlow *flow, const char **complaint)
{
	size_t		in = flow->in_left;
	size_t		out = flow->out_left;
	size_t		result = LZ4F_decompress(stream, flow->out, &out, flow->in,
										 &in, NULL);

	if (LZ4F_isError(result))
	{
		*complaint = LZ4F_getErrorName(result);
		return BB_DECOMPRESS_BROKEN;
	}
	flow->in += in;
	flow->in_left -= in;
	flow->out += out;
	flow->out_left -= out;
	return result == 0 ? BB_DECOMPRESS_ENDED : BB_DECOMPRESS_MORE;
}

static void
lz4_end(void *stream)
{
	LZ4F_freeDecompressionContext(stream);
}

const BbDecompressMethod bb_decompress_lz4 = {
	.name = "lz4",
	.suffixes = {".lz4"},
	.magic = "\x04\x22\x4d\x18",
	.magic_length = 4,
	.begin = lz4_begin,
	.pump = lz4_pump,
	.end = lz4_end,
};

#endif /* USE_LZ4 */
