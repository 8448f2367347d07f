/*-------------------------------------------------------------------------
 *
 * content.h
 *	  The bytes of a member, piece by piece.
 *
 * Shared by the backup driver, which reads all members in order, and by
 * bb_read_file(), which reads one.	 The manifest is none of its, as it is made
 * of what it gives (sink_manifest.c).  A reader keeps its scan of the page store
 * from one relation segment to the next as long as they follow each other,
 * so a full backup is one pass.
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
#include "members/seed.h"

/* A piece is at most this many bytes. */
#define BB_PIECE_MAX Max(BLCKSZ, XLOG_BLCKSZ)

typedef struct BbContentReader BbContentReader;

extern BbContentReader *bb_content_new(const BbReqCtx *ctx, BbPageStore *store,
									   XLogRecPtr lsn, const BbSeed *seed);

/*
 * bb_content_share - take relation blocks from workers, as far as they make
 * them; parallel outlives the reader.
 *
 * REQUIRES: it's for the backup whose members, all and in order, are read.
 */
extern void bb_content_share(BbContentReader *reader, BbParallel *parallel);

/* Begin with a member; the one before need not have been read to its end. */
extern void bb_content_begin(const BbReqCtx *ctx, BbContentReader *reader,
							 const BbMember *member);

/*
 * bb_content_next - the next piece, valid until the next call; false at the
 * end, when exactly member->size bytes have been given.
 */
extern bool bb_content_next(const BbReqCtx *ctx, BbContentReader *reader,
							const uint8 **data, uint32 *length);
extern void bb_content_close(BbContentReader *reader);

#endif /* BB_CONTENT_H */
