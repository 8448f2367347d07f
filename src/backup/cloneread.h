/*-------------------------------------------------------------------------
 *
 * cloneread.h
 *	  The contents of a clone's small files, without their zeros.
 *
 *	  content of a WAL segment	 |hhh|000000|hhhrr|000000...
 *	  pieces					 [0] [8192]
 *
 * Everything between the pieces, and after the last one, is zeros.  So a WAL segment,
 * which has little more than page headers and one record, takes some kilobytes.
 *
 * Errors: those of content.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLONEREAD_H
#define BB_CLONEREAD_H

#include "backup/content.h"

/* Takes a piece; the bytes are valid until the function returns. */
typedef void (*BbPieceFunction) (void *arg, uint64 offset, const uint8 *data,
								 size_t length);

/*
 * bb_cloneread_has_content - does the list of files have the content of this
 * member?
 *
 * Relation and SLRU segments are read by ranges.  So are other files of more than
 * max_bytes, except those that are made for the clone: WAL, control file.
 */
extern bool bb_cloneread_has_content(const BbMember *member, uint64 max_bytes);

/* bb_cloneread_pieces - give the pieces of a member to a function, in order. */
extern void bb_cloneread_pieces(const BbReqCtx *ctx, BbContentReader *reader,
								const BbMember *member,
								BbPieceFunction function, void *arg);

#endif /* BB_CLONEREAD_H */
