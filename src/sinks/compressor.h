/*-------------------------------------------------------------------------
 *
 * compressor.h
 *	  A library that compresses, as sink_compress.c sees it.
 *
 * Calls come in this order; a stream is what the library's own tool would
 * decompress as one file:
 *
 *	  open (begin pump* pump-with-end)* close
 *
 * What the libraries allocate by malloc, and their threads, "close" releases.
 * It may come at any time, by a memory context's reset callback too, and more
 * than once.
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

/* What is to be compressed, and where to; pump moves both ahead. */
typedef struct BbCompressorFlow
{
	const uint8 *in;
	size_t		in_left;
	uint8	   *out;
	size_t		out_left;
} BbCompressorFlow;

typedef struct BbCompressorOps
{
	/* of the name of what is compressed: ".gz" */
	const char *suffix;

	/* Allocates in CurrentMemoryContext; sets in_size and out_size. */
	void		(*open) (BbCompressor *compressor);

	/* A new stream. */
	void		(*begin) (BbCompressor *compressor, BbCompressorFlow *flow);

	/*
	 * Compress until there is nothing left of "in", or hardly any room left
	 * in "out"; at most in_size bytes come at a time, and an empty "out" has
	 * out_size.  With "end" the stream ends behind "in": true says that it
	 * has, false that it wants more room.
	 */
	bool		(*pump) (BbCompressor *compressor, BbCompressorFlow *flow,
						 bool end);

	void		(*close) (BbCompressor *compressor);
} BbCompressorOps;

struct BbCompressor
{
	const BbCompressorOps *ops;
	size_t		in_size;  /* to hand on at a time */
	size_t		out_size; /* to have room for */
};

/*
 * bb_compressor_NAME_new - not open yet.
 *
 * Errors, of all operations: OUT_OF_MEMORY; INVALID_PARAMETER_VALUE (what the
 * library can't do); INTERNAL_ERROR.
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
