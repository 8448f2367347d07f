/*-------------------------------------------------------------------------
 *
 * decompress.c
 *	  Decompression libraries: the table of methods.
 *
 * A library's memory is malloc'd; a memory context owns it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/decompress_internal.h"
#include "base/resource.h"

struct BbDecompressor
{
	const BbDecompressMethod *method;
	void	   *stream; /* NULL: none has begun */
	const char *complaint;
};

/* Methods that this build lacks are known by name. */
#ifndef HAVE_LIBZ
static const BbDecompressMethod bb_decompress_gzip = {
	.name = "gzip",
	.suffixes = {".gz"},
	.magic = "\x1f\x8b",
	.magic_length = 2,
};
#endif
#ifndef USE_LZ4
static const BbDecompressMethod bb_decompress_lz4 = {
	.name = "lz4",
	.suffixes = {".lz4"},
	.magic = "\x04\x22\x4d\x18",
	.magic_length = 4,
};
#endif
#ifndef USE_ZSTD
static const BbDecompressMethod bb_decompress_zstd = {
	.name = "zstd",
	.suffixes = {".zst", ".zstd"},
	.magic = "\x28\xb5\x2f\xfd",
	.magic_length = 4,
};
#endif
#ifndef BB_WITH_BZIP2
static const BbDecompressMethod bb_decompress_bzip2 = {
	.name = "bzip2",
	.suffixes = {".bz2"},
	.magic = "BZh",
	.magic_length = 3,
};
#endif
#ifndef BB_WITH_LZMA
static const BbDecompressMethod bb_decompress_xz = {
	.name = "xz",
	.suffixes = {".xz"},
	.magic = "\xfd"
			 "7zXZ",
	.magic_length = 6,
};
static const BbDecompressMethod bb_decompress_lzma = {
	.name = "lzma",
	.suffixes = {".lzma"},
};
#endif
#ifndef BB_WITH_BROTLI
static const BbDecompressMethod bb_decompress_brotli = {
	.name = "brotli",
	.suffixes = {".br"},
};
#endif

static const BbDecompressMethod *const methods[] = {
	&bb_decompress_gzip,   &bb_decompress_lz4, &bb_decompress_zstd,
	&bb_decompress_bzip2,  &bb_decompress_xz,  &bb_decompress_lzma,
	&bb_decompress_brotli,
};

const BbDecompressMethod *
bb_decompress_suffix(const char *name, size_t *length)
{
	size_t		whole = strlen(name);

	for (int i = 0; i < lengthof(methods); i++)
	{
		for (int n = 0; n < lengthof(methods[i]->suffixes); n++)
		{
			const char *suffix = methods[i]->suffixes[n];
			size_t		suffix_length = suffix != NULL ? strlen(suffix) : 0;

			if (suffix != NULL && whole > suffix_length &&
				strcmp(name + whole - suffix_length, suffix) == 0)
			{
				*length = suffix_length;
				return methods[i];
			}
		}
	}
	return NULL;
}

const char *
bb_decompress_numbered_suffix(int number)
{
	int			i = (number - 1) / lengthof(methods[0]->suffixes);

	StaticAssertStmt(lengthof(methods) * lengthof(methods[0]->suffixes) <
						 BB_DECOMPRESS_SUFFIXES,
					 "too many suffixes");
	return i < lengthof(methods)
		? methods[i]->suffixes[(number - 1) % lengthof(methods[0]->suffixes)]
		: NULL;
}

const BbDecompressMethod *
bb_decompress_magic(const void *bytes, size_t length)
{
	for (int i = 0; i < lengthof(methods); i++)
	{
		const BbDecompressMethod *method = methods[i];

		if (method->magic != NULL && length >= method->magic_length &&
			memcmp(bytes, method->magic, method->magic_length) == 0)
			return method;
	}
	return NULL;
}

const char *
bb_decompress_name(const BbDecompressMethod *method)
{
	return method->name;
}

bool
bb_decompress_is_built(const BbDecompressMethod *method)
{
	return method->pump != NULL;
}

/* ---- streams ---- */

void
bb_decompressor_close(BbDecompressor *decompressor)
{
	if (decompressor->stream != NULL)
		decompressor->method->end(decompressor->stream);
	decompressor->stream = NULL;
}

static void
close_with_context(void *arg)
{
	bb_decompressor_close(arg);
}

BbDecompressor *
bb_decompressor_new(const BbDecompressMethod *method)
{
	BbDecompressor *decompressor = palloc0(sizeof(BbDecompressor));

	Assert(bb_decompress_is_built(method));
	decompressor->method = method;
	bb_on_reset(CurrentMemoryContext, close_with_context, decompressor);
	return decompressor;
}

BbDecompressState
bb_decompressor_pump(BbDecompressor *decompressor, BbDecompressFlow *flow)
{
	const BbDecompressMethod *method = decompressor->method;
	BbDecompressState state;

	if (decompressor->stream == NULL)
		decompressor->stream = method->begin();
	if (decompressor->stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not create %s decompression context",
						method->name)));
	state = method->pump(decompressor->stream, flow, &decompressor->complaint);
	if (state == BB_DECOMPRESS_ENDED)
		bb_decompressor_close(decompressor);
	return state;
}

const char *
bb_decompressor_complaint(const BbDecompressor *decompressor)
{
	return decompressor->complaint;
}
