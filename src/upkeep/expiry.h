/*-------------------------------------------------------------------------
 *
 * expiry.h
 *	  What the retention lets go of a timeline, layer by layer, and why.
 *
 * A user may look at it first, then do it.  The worker does the same, a job at
 * a time (retention.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_EXPIRY_H
#define BB_UPKEEP_EXPIRY_H

#include "layer/manifest.h"

typedef struct BbExpiryRow
{
	const BbLayerDesc *layer;
	bool		goes;
	const char *why;
} BbExpiryRow;

/*
 * bb_expiry_rows - say of each layer whether it goes or stays (BbExpiryRow *),
 * and unless "dry_run", let it go.
 *
 * What goes is retired, and layers that were retired before bbackup.removal_delay
 * are removed; under the lock of the timeline's upkeep, for which it waits.
 *
 * Errors: those of retention.h; OBJECT_IN_USE (the lock).
 */
extern List *bb_expiry_rows(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *timeline, bool dry_run, int64 now);

#endif /* BB_UPKEEP_EXPIRY_H */
