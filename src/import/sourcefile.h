/*-------------------------------------------------------------------------
 *
 * sourcefile.h
 *	  Reading a file of a data directory that another user may own.
 *
 * A source file is read front to back in pieces.  It belongs to the memory
 * context that it was opened in, which also closes its descriptor.
 *
 * Errors of all functions: errcode_for_file_access(); QUERY_CANCELED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SOURCEFILE_H
#define BB_SOURCEFILE_H

#include "base/reqctx.h"

typedef struct BbSourceFile BbSourceFile;

/*
 * bb_sourcefile_open - open the file "path" in the data directory "directory".
 *
 * Returns NULL if there is no such file.
 *
 * Errors: INVALID_PARAMETER_VALUE (it is not a regular file).
 */
extern BbSourceFile *bb_sourcefile_open(const BbReqCtx *ctx,
										const char *directory,
										const char *path);
/* Return the size that the file had when it was opened. */
extern uint64 bb_sourcefile_size(const BbSourceFile *file);

/*
 * bb_sourcefile_read - read the next "length" bytes.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the file ends before that, so
 * another process is changing it).
 */
extern void bb_sourcefile_read(const BbReqCtx *ctx, BbSourceFile *file,
							   void *data, size_t length);
extern void bb_sourcefile_close(BbSourceFile *file);

/*
 * bb_sourcefile_load - read a whole small file, palloc'd, with a zero after it.
 *
 * Returns NULL if there is no such file.
 *
 * Errors: DATA_CORRUPTED (it is larger than max_length).
 */
extern char *bb_sourcefile_load(const BbReqCtx *ctx, const char *directory,
								const char *path, size_t max_length,
								size_t *length);

#endif /* BB_SOURCEFILE_H */
