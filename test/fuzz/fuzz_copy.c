/*-------------------------------------------------------------------------
 *
 * fuzz_copy.c
 *	  The client's decoder of a binary COPY, which gets the stream in pieces.
 *
 *	  size of the pieces u8 | stream
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "copy_decoder.h"
#include "fuzz.h"

static bool in_archive;
static uint64 written;

static void
begin_archive(BbOutput *output, const char *name)
{
	FUZZ_CHECK(!in_archive && strlen(name) < 100);
	in_archive = true;
}

static void
write_bytes(BbOutput *output, const char *data, size_t length)
{
	FUZZ_CHECK(in_archive);
	for (size_t i = 0; i < length; i++)
		written += (unsigned char) data[i];
}

static void
end_archive(BbOutput *output)
{
	FUZZ_CHECK(in_archive);
	in_archive = false;
}

static const BbOutputOps ops = {
	.begin_archive = begin_archive,
	.write = write_bytes,
	.end_archive = end_archive,
};

static void
take(const uint8_t *data, size_t size)
{
	BbOutput	output = {.ops = &ops};
	BbCopyDecoder *decoder = bb_copy_decoder_new(&output, "base.tar");
	size_t		piece = size > 0 ? data[0] + 1 : 1;

	in_archive = false;
	for (size_t at = 1; at < size; at += piece)
	{
		size_t		length = Min(piece, size - at);
		char	   *copy = pg_malloc(length);

		memcpy(copy, data + at, length);
		bb_copy_decoder_feed(decoder, copy, length);
	}
	bb_copy_decoder_end(decoder);
	FUZZ_CHECK(!in_archive);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}
