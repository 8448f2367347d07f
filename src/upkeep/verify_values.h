/*-------------------------------------------------------------------------
 *
 * verify_values.h
 *	  Verification of what isn't a block: what exists at an LSN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_VERIFY_VALUES_H
#define BB_VERIFY_VALUES_H

#include "pagestore/snapshot.h"
#include "upkeep/verify.h"

/* bb_verify_values - check all values of a snapshot that aren't blocks. */
extern void bb_verify_values(const BbReqCtx *ctx, const BbSnapshot *snapshot,
							 BbVerifyPass *pass);

#endif /* BB_VERIFY_VALUES_H */
