/*-------------------------------------------------------------------------
 *
 * outfile.h
 *	  One file after another, written in big pieces.
 *
 * What is written collects in a buffer; a full one goes out in one call.  Now
 * and then the kernel is told to begin writing to the disk, so that the fsync,
 * which comes at once or later, finds little left.
 *
 * A file that is there already can be brought to a new content: its pieces
 * are read, and only blocks that differ are written.
 *
 * Errors: errcode_for_file_access(), with a hint when the disk is full.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OUTFILE_H
#define BB_OUTFILE_H

#include "base/reqctx.h"
#include "base/resource.h"

typedef struct BbOutFile BbOutFile;

/* bb_outfile_new - for many files, one at a time. */
extern BbOutFile *bb_outfile_new(void);

/*
 * bb_outfile_begin - go on with a file.
 *
 * "path" is for messages, and copied.  Of an empty file old_size is 0;
 * otherwise its first old_size bytes are compared, and the descriptor has to
 * be open for reading too.
 */
extern void bb_outfile_begin(BbOutFile *file, BbFd *fd, const char *path,
							 uint64 old_size);
extern void bb_outfile_write(const BbReqCtx *ctx, BbOutFile *file,
							 const void *data, size_t length);

/*
 * bb_outfile_end - all of it is given to the kernel, and what the file had
 * behind that is cut off.
 */
extern void bb_outfile_end(const BbReqCtx *ctx, BbOutFile *file);

/* bb_outfile_sync - it is durable; REQUIRES bb_outfile_end. */
extern void bb_outfile_sync(BbOutFile *file);

/* bb_outfile_close - close the descriptor; REQUIRES bb_outfile_end. */
extern void bb_outfile_close(BbOutFile *file);

/* Bytes written to files, all of them together. */
extern uint64 bb_outfile_written(const BbOutFile *file);

#endif /* BB_OUTFILE_H */
