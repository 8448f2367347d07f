/*-------------------------------------------------------------------------
 *
 * blockread.h
 *	  Reading one block of a relation at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCKREAD_H
#define BB_BLOCKREAD_H

#include "pagestore/snapshot.h"

/*
 * bb_block_read - return the page (BLCKSZ bytes) of a REL_BLOCK key.
 *
 * A block that was never written is zeros.  The page is valid until the next
 * read from the store.
 *
 * Errors: UNDEFINED_OBJECT (no such fork); INVALID_PARAMETER_VALUE (the fork
 * has fewer blocks); those of zeroruns.h and pagestore.h.
 */
extern const uint8 *bb_block_read(const BbReqCtx *ctx,
								  const BbSnapshot *snapshot,
								  const BbKey *key);

#endif /* BB_BLOCKREAD_H */
