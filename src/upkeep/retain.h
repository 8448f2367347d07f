/*-------------------------------------------------------------------------
 *
 * retain.h
 *	  The retention of a store in object storage is extended.
 *
 * A retention counts from when an object was written, but a layer may be needed
 * for longer: that of a table that nobody changes, for ever.  So all layers that a
 * manifest names are retained anew, four times in the days of the retention:
 *
 *	  written ─────────────── days ───────────────►
 *		   └ a quarter ─ retained anew ─────────────── days ───────────────►
 *
 * Then each object of the store is retained for three quarters of the days at
 * least, from any time on.  What no manifest names any more isn't retained anew,
 * and comes to the end of its retention.
 *
 * The state is in the store, "timelines/NAME/retained", a text: when the last
 * round began that is complete, when the present one began (time_t), and the name
 * of the layer up to which that has come.  It may be removed at any time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_RETAIN_H
#define BB_UPKEEP_RETAIN_H

#include "layer/manifest.h"

/*
 * bb_retain_due - is it time for a round, or is one under way?  False for a store
 * without a retention.
 */
extern bool bb_retain_due(const BbReqCtx *ctx, BbObjectStore *objects,
						  const char *timeline, int64 now);

/*
 * bb_retain_piece - retain layers anew, and at the end the manifest, until "until";
 * sets *n to the number of objects.
 *
 * Returns whether there is more to do.
 */
extern bool bb_retain_piece(const BbReqCtx *ctx, BbObjectStore *objects,
							const BbManifest *manifest, TimestampTz until,
							uint64 *n);

#endif /* BB_UPKEEP_RETAIN_H */
