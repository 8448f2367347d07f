/*-------------------------------------------------------------------------
 *
 * compress.c
 *	  Compression of the blocks of a layer, by the libraries that the server
 *	  was built with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef USE_LZ4
#include <lz4.h>
#endif
#ifdef USE_ZSTD
#include <zstd.h>
#endif

#include "base/compress.h"

#ifdef USE_ZSTD
/* zstd's default; higher levels slow import down much and gain little. */
#define ZSTD_LEVEL 3

/*
 * Creating a context costs more than compressing a block, so the backend keeps
 * one of each.
 */
static ZSTD_CCtx *zstd_compressor = NULL;
static ZSTD_DCtx *zstd_decompressor = NULL;
#endif

bool
bb_compression_available(BbCompression method)
{
	switch (method)
	{
		case BB_COMPRESSION_NONE:
#ifdef USE_LZ4
		case BB_COMPRESSION_LZ4:
#endif
#ifdef USE_ZSTD
		case BB_COMPRESSION_ZSTD:
#endif
			return true;
		default:
			return false;
	}
}

size_t
bb_compress_bound(BbCompression method, size_t length)
{
	switch (method)
	{
#ifdef USE_LZ4
		case BB_COMPRESSION_LZ4:
			return LZ4_compressBound((int) length);
#endif
#ifdef USE_ZSTD
		case BB_COMPRESSION_ZSTD:
			return ZSTD_compressBound(length);
#endif
		default:
			return length;
	}
}

size_t
bb_compress(BbCompression method, const void *src, size_t length, void *dst,
			size_t dst_size)
{
	switch (method)
	{
#ifdef USE_LZ4
		case BB_COMPRESSION_LZ4:
			return LZ4_compress_default(src, dst, (int) length,
										(int) dst_size);
#endif
#ifdef USE_ZSTD
		case BB_COMPRESSION_ZSTD:
		{
			size_t		n;

			if (zstd_compressor == NULL)
				zstd_compressor = ZSTD_createCCtx();
			if (zstd_compressor == NULL)
				return 0;
			n = ZSTD_compressCCtx(zstd_compressor, dst, dst_size, src, length,
								  ZSTD_LEVEL);
			return ZSTD_isError(n) ? 0 : n;
		}
#endif
		default:
			return 0;
	}
}

bool
bb_decompress(BbCompression method, const void *src, size_t length, void *dst,
			  size_t raw_length)
{
	switch (method)
	{
		case BB_COMPRESSION_NONE:
			if (length != raw_length)
				return false;
			memcpy(dst, src, length);
			return true;
#ifdef USE_LZ4
		case BB_COMPRESSION_LZ4:
			return LZ4_decompress_safe(src, dst, (int) length,
									   (int) raw_length) == (int) raw_length;
#endif
#ifdef USE_ZSTD
		case BB_COMPRESSION_ZSTD:
			if (zstd_decompressor == NULL)
				zstd_decompressor = ZSTD_createDCtx();
			/* the result for an error is no possible length */
			return zstd_decompressor != NULL &&
				ZSTD_decompressDCtx(zstd_decompressor, dst, raw_length, src,
									length) == raw_length;
#endif
		default:
			return false;
	}
}
