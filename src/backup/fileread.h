/*-------------------------------------------------------------------------
 *
 * fileread.h
 *	  Reading one file of a full backup at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FILEREAD_H
#define BB_FILEREAD_H

#include "pagestore/snapshot.h"

/*
 * bb_file_read - return the content of the file with a path (bb_text_names).
 *
 * Errors: UNDEFINED_FILE; WRONG_OBJECT_TYPE (a directory);
 * PROGRAM_LIMIT_EXCEEDED (1 GB or more); those of content.h.
 */
extern bytea *bb_file_read(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						   const char *path);

#endif /* BB_FILEREAD_H */
