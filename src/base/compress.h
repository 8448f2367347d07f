/*-------------------------------------------------------------------------
 *
 * compress.h
 *	  Compression of the blocks of a layer.
 *
 * The numbers are stored in layer files (docs/format.md): append only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMPRESS_H
#define BB_COMPRESS_H

typedef enum BbCompression
{
	BB_COMPRESSION_NONE = 0,
	BB_COMPRESSION_LZ4 = 1,
	BB_COMPRESSION_ZSTD = 2
} BbCompression;

/* The best method of this build for blocks that are read often. */
#ifdef USE_LZ4
#define BB_COMPRESSION_DEFAULT BB_COMPRESSION_LZ4
#else
#define BB_COMPRESSION_DEFAULT BB_COMPRESSION_NONE
#endif

/* The best method of this build for blocks that are kept for long. */
#ifdef USE_ZSTD
#define BB_COMPRESSION_SMALL BB_COMPRESSION_ZSTD
#else
#define BB_COMPRESSION_SMALL BB_COMPRESSION_DEFAULT
#endif

extern bool bb_compression_available(BbCompression method);

/* An upper bound for the output of bb_compress. */
extern size_t bb_compress_bound(BbCompression method, size_t length);

/*
 * bb_compress - compress src into dst.
 *
 * Returns the compressed length, or 0 if dst_size was too small or the library
 * failed: the caller then stores the bytes uncompressed.
 */
extern size_t bb_compress(BbCompression method, const void *src, size_t length,
						  void *dst, size_t dst_size);

/*
 * bb_decompress - decompress exactly raw_length bytes into dst.
 *
 * Returns false if the input is broken, has another raw length, or was
 * compressed by a method that this build doesn't have.  Never writes past dst.
 */
extern bool bb_decompress(BbCompression method, const void *src, size_t length,
						  void *dst, size_t raw_length);

#endif /* BB_COMPRESS_H */
