/*-------------------------------------------------------------------------
 *
 * decompress_zstd.c
 *	  zstd.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef USE_ZSTD

#include <zstd.h>

#include "archive/decompress_internal.h"

/* The largest window that is accepted, as zstd's own default. */
#define WINDOW_LOG_MAX 27

static void *
zstd_begin(void)
{
	ZSTD_DCtx  *context = ZSTD_createDCtx();

	if (context != NULL)
		(void) ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax,
									  WINDOW_LOG_MAX);
	return context;
}

static BbDecompressState
zstd_pump(void *stream, BbDecompressFlow *flow, const char **complaint)
{
	ZSTD_inBuffer in = {flow->in, flow->in_left, 0};
	ZSTD_outBuffer out = {flow->out, flow->out_left, 0};
	size_t		result = ZSTD_decompressStream(stream, &out, &in);

	if (ZSTD_isError(result))
	{
		*complaint = ZSTD_getErrorName(result);
		return BB_DECOMPRESS_BROKEN;
	}
	flow->in += in.pos;
	flow->in_left -= in.pos;
	flow->out += out.pos;
	flow->out_left -= out.pos;
	return result == 0 ? BB_DECOMPRESS_ENDED : BB_DECOMPRESS_MORE;
}

static void
zstd_end(void *stream)
{
	ZSTD_freeDCtx(stream);
}

const BbDecompressMethod bb_decompress_zstd = {
	.name = "zstd",
	.suffixes = {".zst", ".zstd"},
	.magic = "\x28\xb5\x2f\xfd",
	.magic_length = 4,
	.begin = zstd_begin,
	.pump = zstd_pump,
	.end = zstd_end,
};

#endif /* USE_ZSTD */
