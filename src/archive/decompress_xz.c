/*-------------------------------------------------------------------------
 *
 * decompress_xz.c
 *	  xz, and its predecessor lzma.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef BB_WITH_LZMA

#include <lzma.h>

#include "archive/decompress_internal.h"

static void *
begin_with(lzma_ret (*init) (lzma_stream *stream))
{
	lzma_stream *stream = malloc(sizeof(lzma_stream));

	if (stream == NULL)
		return NULL;
	*stream = (lzma_stream) LZMA_STREAM_INIT;
	if (init(stream) != LZMA_OK)
	{
		free(stream);
		return NULL;
	}
	return stream;
}

static lzma_ret
init_xz(lzma_stream *stream)
{
	return lzma_stream_decoder(stream, BB_DECOMPRESS_MEMORY, 0);
}

static lzma_ret
init_lzma(lzma_stream *stream)
{
	return lzma_alone_decoder(stream, BB_DECOMPRESS_MEMORY);
}

static void *
xz_begin(void)
{
	return begin_with(init_xz);
}

static void *
lzma_begin(void)
{
	return begin_with(init_lzma);
}

static const char *
complaint_of(lzma_ret result)
{
	switch (result)
	{
		case LZMA_MEM_ERROR:
			return "out of memory";
		case LZMA_MEMLIMIT_ERROR:
			return "too much memory is needed";
		case LZMA_FORMAT_ERROR:
			return "unknown format";
		case LZMA_OPTIONS_ERROR:
			return "unsupported options";
		default:
			return "invalid data";
	}
}

static BbDecompressState
xz_pump(void *arg, BbDecompressFlow *flow, const char **complaint)
{
	lzma_stream *stream = arg;
	lzma_ret	result;

	stream->next_in = flow->in;
	stream->avail_in = flow->in_left;
	stream->next_out = flow->out;
	stream->avail_out = flow->out_left;
	result = lzma_code(stream, LZMA_RUN);
	flow->in = stream->next_in;
	flow->in_left = stream->avail_in;
	flow->out = stream->next_out;
	flow->out_left = stream->avail_out;
	if (result == LZMA_OK || result == LZMA_BUF_ERROR)
		return BB_DECOMPRESS_MORE;
	if (result == LZMA_STREAM_END)
		return BB_DECOMPRESS_ENDED;
	*complaint = complaint_of(result);
	return BB_DECOMPRESS_BROKEN;
}

static void
xz_end(void *arg)
{
	lzma_end(arg);
	free(arg);
}

const BbDecompressMethod bb_decompress_xz = {
	.name = "xz",
	.suffixes = {".xz"},
	.magic = "\xfd"
			 "7zXZ",
	.magic_length = 6,
	.begin = xz_begin,
	.pump = xz_pump,
	.end = xz_end,
};

const BbDecompressMethod bb_decompress_lzma = {
	.name = "lzma",
	.suffixes = {".lzma"},
	.begin = lzma_begin,
	.pump = xz_pump,
	.end = xz_end,
};

#endif /* BB_WITH_LZMA */
