/*-------------------------------------------------------------------------
 *
 * locking.h
 *	  The lock of a timeline's upkeep, for those that wait for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_LOCKING_H
#define BB_UPKEEP_LOCKING_H

#include "layer/manifest.h"

/*
 * bb_upkeep_lock - take the lock of a timeline's upkeep until
 * CurrentMemoryContext is reset, and wait up to a minute for it.
 *
 * Errors: OBJECT_IN_USE.
 */
extern void bb_upkeep_lock(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *timeline);

#endif /* BB_UPKEEP_LOCKING_H */
