/*-------------------------------------------------------------------------
 *
 * decompress_internal.h
 *	  What a decompression method provides.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DECOMPRESS_INTERNAL_H
#define BB_DECOMPRESS_INTERNAL_H

#include "archive/decompress.h"

struct BbDecompressMethod
{
	const char *name;
	const char *suffixes[2];  /* of file names; the second may be NULL */
	const char *magic;		  /* NULL: the bytes don't tell */
	size_t		magic_length; /* at most BB_DECOMPRESS_MAGIC */

	/* Begin a stream.  Returns malloc'd memory, or NULL: out of memory. */
	void *(*begin) (void);

	/* As bb_decompressor_pump; sets *complaint of a broken stream. */
	BbDecompressState (*pump) (void *stream, BbDecompressFlow *flow,
							   const char **complaint);
	void		(*end) (void *stream);
};

#ifdef HAVE_LIBZ
extern const BbDecompressMethod bb_decompress_gzip;
#endif
#ifdef USE_LZ4
extern const BbDecompressMethod bb_decompress_lz4;
#endif
#ifdef USE_ZSTD
extern const BbDecompressMethod bb_decompress_zstd;
#endif
#ifdef BB_WITH_BZIP2
extern const BbDecompressMethod bb_decompress_bzip2;
#endif
#ifdef BB_WITH_LZMA
extern const BbDecompressMethod bb_decompress_xz;
extern const BbDecompressMethod bb_decompress_lzma;
#endif
#ifdef BB_WITH_BROTLI
extern const BbDecompressMethod bb_decompress_brotli;
#endif

#endif /* BB_DECOMPRESS_INTERNAL_H */
