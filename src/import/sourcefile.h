/*-------------------------------------------------------------------------
 *
 * sourcefile.h
 *	  Reading a file of a data directory that somebody else owns.
 *
 * A source file is read front to back in pieces.  It belongs to the memory
 * context that it was opened in, and its descriptor goes with that.
 *
 * Errors, of every function: errcode_for_file_access(); QUERY_CANCELED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SOURCEFILE_H
#define BB_SOURCEFILE_H

#include "base/reqctx.h"

typedef struct BbSourceFile BbSourceFile;

/*
 * bb_sourcefile_open - "path" below the data directory "directory".
 *
 * Returns NULL when there is no such file.
 *
 * Errors: INVALID_PARAMETER_VALUE when it is not a regular file.
 */
extern BbSourceFile *bb_sourcefile_open(const BbReqCtx *ctx,
										const char *directory,
										const char *path);
/* Bytes that the file had when it was opened. */
extern uint64 bb_sourcefile_size(const BbSourceFile *file);

/*
 * bb_sourcefile_read - the next "length" bytes.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE when the file ends before that:
 * somebody is changing it.
 */
extern void bb_sourcefile_read(const BbReqCtx *ctx, BbSourceFile *file,
							   void *data, size_t length);
extern void bb_sourcefile_close(BbSourceFile *file);

/*
 * bb_sourcefile_load - a small file whole, palloc'd, with a zero behind it.
 *
 * Returns NULL when there is no such file.
 *
 * Errors: DATA_CORRUPTED when it is larger than max_length.
 */
extern char *bb_sourcefile_load(const BbReqCtx *ctx, const char *directory,
								const char *path, size_t max_length,
								size_t *length);

#endif /* BB_SOURCEFILE_H */
