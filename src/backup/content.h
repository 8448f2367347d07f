/*-------------------------------------------------------------------------
 *
 * content.h
 *	  The bytes of a member, piece by piece.
 *
 * The backup driver reads all members in order, and bb_file_read one.
 * The manifest isn't read here: a sink makes it from the content of the other
 * members (sink_manifest.c).  A reader keeps its scan of the page store from
 * one relation segment to the next as long as they follow each other, so a full
 * backup is one pass.
 *
 * Every piece is checked to be the one expected: a block that is missing,
 * comes twice or has another length is an error, never a gap.
 *
 * Errors: those of the page store; DATA_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CONTENT_H
#define BB_CONTENT_H

#include "backup/parallel.h"
#include "members/member.h"
#include "members/plan.h"

/* A piece is at most this many bytes. */
#define BB_PIECE_MAX Max(BLCKSZ, XLOG_BLCKSZ)

typedef struct BbContentReader BbContentReader;

/* bb_content_new - make a reader; the plan must outlive it. */
extern BbContentReader *bb_content_new(const BbBackupPlan *plan);

/*
 * bb_content_new_at - make a reader of a snapshot without a plan, for relation and
 * SLRU segments alone.
 */
extern BbContentReader *bb_content_new_at(const BbSnapshot *snapshot);

/*
 * bb_content_share - take relation blocks from workers, where they make them;
 * "parallel" must outlive the reader.
 *
 * REQUIRES: the workers are those of this backup, and all members are read, in
 * order.
 */
extern void bb_content_share(BbContentReader *reader, BbParallel *parallel);

/* Begin a member; the one before need not have been read to its end. */
extern void bb_content_begin(const BbReqCtx *ctx, BbContentReader *reader,
							 const BbMember *member);

/*
 * bb_content_seek - after begin, go on with the piece that has a byte of the
 * member, up to its size, and return where that piece begins.
 *
 * The bytes up to offset + length will be read from there.  Few blocks are read
 * one by one, unless they follow those that were read before; many by a scan that
 * ends after them.
 */
extern uint64 bb_content_seek(const BbReqCtx *ctx, BbContentReader *reader,
							  uint64 offset, uint64 length);

/*
 * bb_content_next - return the next piece, valid until the next call; false at
 * the end, after exactly member->size bytes.
 */
extern bool bb_content_next(const BbReqCtx *ctx, BbContentReader *reader,
							const uint8 **data, uint32 *length);
extern void bb_content_close(BbContentReader *reader);

/*
 * bb_file_read - return the content of the file of a full backup that has this
 * path (bb_text_names): "length" bytes from "offset" on, fewer where the file ends.
 *
 * Relation and SLRU segments are found without a walk over the list of files, and
 * other files by a walk that leaves relations out.
 *
 * Errors: UNDEFINED_FILE; WRONG_OBJECT_TYPE (a directory);
 * PROGRAM_LIMIT_EXCEEDED (1 GB or more).
 */
extern bytea *bb_file_read(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						   const char *path, uint64 offset, uint64 length);

#endif /* BB_CONTENT_H */
