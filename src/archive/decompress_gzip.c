/*-------------------------------------------------------------------------
 *
 * decompress_gzip.c
 *	  gzip.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef HAVE_LIBZ

#include <zlib.h>

#include "archive/decompress_internal.h"

/* The window of any stream, with the header of gzip. */
#define WINDOW_BITS (15 + 16)

static void *
gzip_begin(void)
{
	z_stream   *stream = calloc(1, sizeof(z_stream));

	if (stream != NULL && inflateInit2(stream, WINDOW_BITS) != Z_OK)
	{
		free(stream);
		stream = NULL;
	}
	return stream;
}

static BbDecompressState
gzip_pump(void *arg, BbDecompressFlow *flow, const char **complaint)
{
	z_stream   *stream = arg;
	uInt		in_given = (uInt) Min(flow->in_left, PG_INT32_MAX);
	uInt		out_given = (uInt) Min(flow->out_left, PG_INT32_MAX);
	int			result;

	stream->next_in = (Bytef *) flow->in;
	stream->avail_in = in_given;
	stream->next_out = flow->out;
	stream->avail_out = out_given;
	result = inflate(stream, Z_NO_FLUSH);
	flow->in += in_given - stream->avail_in;
	flow->in_left -= in_given - stream->avail_in;
	flow->out += out_given - stream->avail_out;
	flow->out_left -= out_given - stream->avail_out;
	switch (result)
	{
		case Z_OK:
		case Z_BUF_ERROR: /* no progress was possible */
			return BB_DECOMPRESS_MORE;
		case Z_STREAM_END:
			return BB_DECOMPRESS_ENDED;
		default:
			*complaint = stream->msg != NULL ? stream->msg : "invalid data";
			return BB_DECOMPRESS_BROKEN;
	}
}

static void
gzip_end(void *arg)
{
	inflateEnd(arg);
	free(arg);
}

const BbDecompressMethod bb_decompress_gzip = {
	.name = "gzip",
	.suffixes = {".gz"},
	.magic = "\x1f\x8b",
	.magic_length = 2,
	.begin = gzip_begin,
	.pump = gzip_pump,
	.end = gzip_end,
};

#endif /* HAVE_LIBZ */
