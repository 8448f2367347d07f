/*-------------------------------------------------------------------------
 *
 * packedfile.h
 *	  A file that may be compressed, read front to back.
 *
 *	  file ──► decompress.h ──► bytes
 *
 * The suffix of the name tells how it is compressed, or, where a tool compresses
 * without a suffix, its first bytes.  What is wrong with a file isn't an error
 * here but a complaint, since a caller may have another copy.
 *
 * A file belongs to the memory context that it was opened in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PACKEDFILE_H
#define BB_PACKEDFILE_H

#include "archive/decompress.h"
#include "base/reqctx.h"

typedef struct BbPackedFile BbPackedFile;

/*
 * bb_packedfile_open - open a file; NULL if it doesn't exist.
 *
 * Errors: INSUFFICIENT_RESOURCES.
 */
extern BbPackedFile *bb_packedfile_open(const char *path);

/* Returns how it is compressed; NULL: it isn't. */
extern const BbDecompressMethod *bb_packedfile_method(
	const BbPackedFile *file);

/*
 * bb_packedfile_read - read up to "length" bytes.
 *
 * Returns 0 where the file ends, or can't be read on: then it has a complaint.
 *
 * Errors: OUT_OF_MEMORY; QUERY_CANCELED.
 */
extern size_t bb_packedfile_read(const BbReqCtx *ctx, BbPackedFile *file,
								 void *data, size_t length);

/*
 * Returns why the file can't be read, or not on, a sentence; NULL: it can.  The
 * text lives as long as the file.
 */
extern const char *bb_packedfile_complaint(const BbPackedFile *file);

/* Is the reason that this build has no library for it? */
extern bool bb_packedfile_is_unsupported(const BbPackedFile *file);

/* How many bytes of the file itself have been read? */
extern uint64 bb_packedfile_bytes_read(const BbPackedFile *file);
extern void bb_packedfile_close(BbPackedFile *file);

#endif /* BB_PACKEDFILE_H */
