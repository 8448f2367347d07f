/*-------------------------------------------------------------------------
 *
 * compressor.h
 *	  A compression library, as sink_compress.c calls it.
 *
 * Calls come in this order.  The library's tool can decompress the bytes from
 * "begin" to the end as one file:
 *
 *	  open (begin pump* pump-with-end)* close
 *
 * "close" releases the library's memory (malloc) and threads.  It may be called
 * at any time, also by the reset callback of a memory context, and repeatedly.
 *
 * A new method is one file with a struct that begins with BbCompressor, its
 * operations, a function bb_compressor_NAME_new(), and a row of the table in
 * sink_compress.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMPRESSOR_H
#define BB_COMPRESSOR_H

#include "common/compression.h"

typedef struct BbCompressor BbCompressor;

/* The input and the room for output; pump advances both. */
typedef struct BbCompressorFlow
{
	const uint8 *in;
	size_t		in_left;
	uint8	   *out;
	size_t		out_left;
} BbCompressorFlow;

typedef struct BbCompressorOps
{
	/* the suffix of the compressed file's name, ".gz" */
	const char *suffix;

	/* Allocates in CurrentMemoryContext; sets in_size and out_size. */
	void		(*open) (BbCompressor *compressor);

	/* Begin a new stream. */
	void		(*begin) (BbCompressor *compressor, BbCompressorFlow *flow);

	/*
	 * Compress until "in" is empty, or "out" is nearly full; "in" has at most
	 * in_size bytes, and an empty "out" has out_size.  With "end" the stream
	 * ends after "in": returns true when it has ended, false to ask for more
	 * room.
	 */
	bool		(*pump) (BbCompressor *compressor, BbCompressorFlow *flow,
						 bool end);

	/* NULL: the memory context frees everything */
	void		(*close) (BbCompressor *compressor);
} BbCompressorOps;

struct BbCompressor
{
	const BbCompressorOps *ops;
	size_t		in_size;  /* input bytes of a call */
	size_t		out_size; /* output bytes that need room */
};

/*
 * bb_compressor_NAME_new - create a compressor, without opening it.
 *
 * Errors of all operations: OUT_OF_MEMORY; INVALID_PARAMETER_VALUE (the library
 * can't do that); INTERNAL_ERROR.
 */
#ifdef HAVE_LIBZ
extern BbCompressor *bb_compressor_gzip_new(
	const pg_compress_specification *spec);
#endif
#ifdef USE_LZ4
extern BbCompressor *bb_compressor_lz4_new(
	const pg_compress_specification *spec);
#endif
#ifdef USE_ZSTD
extern BbCompressor *bb_compressor_zstd_new(
	const pg_compress_specification *spec);
#endif

#endif /* BB_COMPRESSOR_H */
