/*-------------------------------------------------------------------------
 *
 * decompress_bzip2.c
 *	  bzip2.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef BB_WITH_BZIP2

#include <bzlib.h>

#include "archive/decompress_internal.h"

static void *
bzip2_begin(void)
{
	bz_stream  *stream = calloc(1, sizeof(bz_stream));

	if (stream != NULL && BZ2_bzDecompressInit(stream, 0, 0) != BZ_OK)
	{
		free(stream);
		stream = NULL;
	}
	return stream;
}

static BbDecompressState
bzip2_pump(void *arg, BbDecompressFlow *flow, const char **complaint)
{
	bz_stream  *stream = arg;
	unsigned int in_given = (unsigned int) Min(flow->in_left, PG_INT32_MAX);
	unsigned int out_given = (unsigned int) Min(flow->out_left, PG_INT32_MAX);
	int			result;

	stream->next_in = (char *) flow->in;
	stream->avail_in = in_given;
	stream->next_out = (char *) flow->out;
	stream->avail_out = out_given;
	result = BZ2_bzDecompress(stream);
	flow->in += in_given - stream->avail_in;
	flow->in_left -= in_given - stream->avail_in;
	flow->out += out_given - stream->avail_out;
	flow->out_left -= out_given - stream->avail_out;
	switch (result)
	{
		case BZ_OK:
			return BB_DECOMPRESS_MORE;
		case BZ_STREAM_END:
			return BB_DECOMPRESS_ENDED;
		case BZ_MEM_ERROR:
			*complaint = "out of memory";
			return BB_DECOMPRESS_BROKEN;
		default:
			*complaint = "invalid data";
			return BB_DECOMPRESS_BROKEN;
	}
}

static void
bzip2_end(void *arg)
{
	BZ2_bzDecompressEnd(arg);
	free(arg);
}

const BbDecompressMethod bb_decompress_bzip2 = {
	.name = "bzip2",
	.suffixes = {".bz2"},
	.magic = "BZh",
	.magic_length = 3,
	.begin = bzip2_begin,
	.pump = bzip2_pump,
	.end = bzip2_end,
};

#endif /* BB_WITH_BZIP2 */
