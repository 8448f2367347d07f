/*-------------------------------------------------------------------------
 *
 * decompress_brotli.c
 *	  brotli, which WAL-G offers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef BB_WITH_BROTLI

#include <brotli/decode.h>

#include "archive/decompress_internal.h"

static void *
brotli_begin(void)
{
	return BrotliDecoderCreateInstance(NULL, NULL, NULL);
}

static BbDecompressState
brotli_pump(void *stream, BbDecompressFlow *flow, const char **complaint)
{
	BrotliDecoderResult result = BrotliDecoderDecompressStream(stream,
															   &flow->in_left,
															   &flow->in,
															   &flow->out_left,
															   &flow->out,
															   NULL);

	switch (result)
	{
		case BROTLI_DECODER_RESULT_SUCCESS:
			return BB_DECOMPRESS_ENDED;
		case BROTLI_DECODER_RESULT_ERROR:
			*complaint = BrotliDecoderErrorString(
				BrotliDecoderGetErrorCode(stream));
			return BB_DECOMPRESS_BROKEN;
		default:
			return BB_DECOMPRESS_MORE;
	}
}

static void
brotli_end(void *stream)
{
	BrotliDecoderDestroyInstance(stream);
}

const BbDecompressMethod bb_decompress_brotli = {
	.name = "brotli",
	.suffixes = {".br"},
	.begin = brotli_begin,
	.pump = brotli_pump,
	.end = brotli_end,
};

#endif /* BB_WITH_BROTLI */
