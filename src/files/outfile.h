/*-------------------------------------------------------------------------
 *
 * outfile.h
 *	  Write one file after another, in large pieces.
 *
 * Bytes are collected in a buffer, which is written when it is full.  From time
 * to time the kernel is asked to begin writing to the disk, so that the fsync
 * has little left to do.
 *
 * The content of an existing file can be replaced: the file is read, and only
 * blocks that differ are written.
 *
 * Errors: errcode_for_file_access(), with a hint if the disk is full.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OUTFILE_H
#define BB_OUTFILE_H

#include "base/reqctx.h"
#include "base/resource.h"

typedef struct BbOutFile BbOutFile;

/* bb_outfile_new - create a writer for many files, one at a time. */
extern BbOutFile *bb_outfile_new(void);

/*
 * bb_outfile_begin - begin to write to an open file.
 *
 * "path" is for messages, and is copied.  The first old_size bytes of the file
 * are compared with the new content, for which the descriptor has to be open for
 * reading, too; old_size is 0 for a new file.
 */
extern void bb_outfile_begin(BbOutFile *file, BbFd *fd, const char *path,
							 uint64 old_size);
extern void bb_outfile_write(const BbReqCtx *ctx, BbOutFile *file,
							 const void *data, size_t length);

/*
 * bb_outfile_end - write the rest of the buffer, and truncate the file after it.
 */
extern void bb_outfile_end(const BbReqCtx *ctx, BbOutFile *file);

/* bb_outfile_sync - make the file durable; REQUIRES bb_outfile_end. */
extern void bb_outfile_sync(BbOutFile *file);

/* bb_outfile_close - close the descriptor; REQUIRES bb_outfile_end. */
extern void bb_outfile_close(BbOutFile *file);

/* The number of bytes written to all files. */
extern uint64 bb_outfile_written(const BbOutFile *file);

#endif /* BB_OUTFILE_H */
