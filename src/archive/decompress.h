/*-------------------------------------------------------------------------
 *
 * decompress.h
 *	  Decompression libraries, behind one stream interface.
 *
 * A file has one stream or several, one after the other, as the tools of all
 * methods accept.  Input isn't trusted: a stream that needs more memory to be
 * decompressed than BB_DECOMPRESS_MEMORY is refused.
 *
 * A new method is one file with a BbDecompressMethod, which decompress_method.h
 * declares, and a row of the table in decompress.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DECOMPRESS_H
#define BB_DECOMPRESS_H

/* Bytes; xz -9 needs 65 MB, zstd --ultra -22 128 MB. */
#define BB_DECOMPRESS_MEMORY (256 * 1024 * 1024)

/* So many bytes at the beginning of a file tell its method. */
#define BB_DECOMPRESS_MAGIC 8

typedef struct BbDecompressMethod BbDecompressMethod;
typedef struct BbDecompressor BbDecompressor;

/* The input and the room for output; pump advances both. */
typedef struct BbDecompressFlow
{
	const uint8 *in;
	size_t		in_left;
	uint8	   *out;
	size_t		out_left;
} BbDecompressFlow;

typedef enum BbDecompressState
{
	BB_DECOMPRESS_MORE,	 /* give more input, or more room */
	BB_DECOMPRESS_ENDED, /* a stream has ended; another may follow */
	BB_DECOMPRESS_BROKEN /* see bb_decompressor_complaint */
} BbDecompressState;

/*
 * bb_decompress_suffix - find the method of a file by the suffix of its name.
 *
 * Returns NULL if it is none.  *length is the length of the suffix.
 */
extern const BbDecompressMethod *bb_decompress_suffix(const char *name,
													  size_t *length);

/*
 * bb_decompress_numbered_suffix - return a suffix by its number, which begins
 * with 1 and is less than BB_DECOMPRESS_SUFFIXES; NULL: there is none with this
 * number.
 */
extern const char *bb_decompress_numbered_suffix(int number);
#define BB_DECOMPRESS_SUFFIXES 16

/* bb_decompress_magic - find it by the file's first bytes; NULL: none. */
extern const BbDecompressMethod *bb_decompress_magic(const void *bytes,
													 size_t length);

extern const char *bb_decompress_name(const BbDecompressMethod *method);

/* Was bbackup built with the method's library? */
extern bool bb_decompress_is_built(const BbDecompressMethod *method);

/* bb_decompressor_new - create one in CurrentMemoryContext, which owns it. */
extern BbDecompressor *bb_decompressor_new(const BbDecompressMethod *method);

/*
 * bb_decompressor_pump - decompress until the input or the room is used up, or a
 * stream ends.
 *
 * Errors: OUT_OF_MEMORY.
 */
extern BbDecompressState bb_decompressor_pump(BbDecompressor *decompressor,
											  BbDecompressFlow *flow);

/* Why the stream is broken, words of the library. */
extern const char *bb_decompressor_complaint(
	const BbDecompressor *decompressor);

/* bb_decompressor_close - release the library's memory before the context does. */
extern void bb_decompressor_close(BbDecompressor *decompressor);

#endif /* BB_DECOMPRESS_H */
