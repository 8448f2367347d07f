/*-------------------------------------------------------------------------
 *
 * difference.h
 *	  Writes what differs between a timeline at an LSN and values in key order.
 *
 *	  timeline at "from" ── scan ──┐
 *								   ├── equal: nothing
 *	  values ── add, omit ─────────┴── not: image or deletion ──► delta layers
 *																  of (from, lsn]
 *
 * At and after "lsn", the timeline then has exactly the values that were added.
 * So nothing of before "from" can be applied to a value of after it: a value that
 * is stored again hides its history, and one that isn't is equal, byte by byte.
 * There are three exceptions:
 *
 * - Blocks of a relation that are not added stay.  They are beyond the size of
 *	 the fork, and so are never read, as after a truncation (relsizes.h).  A block
 *	 within the size that has no value is omitted, which deletes the old one.
 * - The ends of records (BB_KEY_RECORD_ENDS) stay, and so do restore points.
 *	 Snapshots don't look beyond
 *	 a gap.
 * - The time of the last commit (BB_KEY_COMMIT_TIME) is deleted: it isn't known.
 *
 * As with image layers (imagewriter.h), the values of a key range may come
 * beforehand, by a writer of that part:
 *
 *	  rest:	 add ... add | part | add ... add | part | add ... finish
 *
 * A difference belongs to the memory context that it was created in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DIFFERENCE_H
#define BB_DIFFERENCE_H

#include "nodes/pg_list.h"
#include "timeline/timeline.h"

typedef struct BbDifference BbDifference;

/* What is compared. */
typedef struct BbDifferencePlace
{
	BbObjectStore *objects;
	BbTimeline *timeline;
	XLogRecPtr	from;
	XLogRecPtr	lsn;
} BbDifferencePlace;

/* bb_difference_new - begin to compare the keys of a range. */
extern BbDifference *bb_difference_new(const BbReqCtx *ctx,
									   const BbDifferencePlace *place,
									   const BbKeyRange *range);

/*
 * bb_difference_add - give the next value.
 *
 * REQUIRES: keys ascending.
 */
extern void bb_difference_add(const BbReqCtx *ctx, BbDifference *difference,
							  const BbKey *key, const void *value,
							  size_t length);

/*
 * bb_difference_omit - say that the next key has no value, though it belongs to
 * what exists.
 */
extern void bb_difference_omit(const BbReqCtx *ctx, BbDifference *difference,
							   const BbKey *key);

/* bb_difference_include - leave a part out, whose layers become the writer's. */
extern void bb_difference_include(const BbReqCtx *ctx,
								  BbDifference *difference,
								  const BbKeyRange *part, List *layers);

/*
 * bb_difference_finish - make the last layer durable.
 *
 * Returns all layers (BbLayerDesc *).  They are NIL if nothing differs.
 */
extern List *bb_difference_finish(const BbReqCtx *ctx,
								  BbDifference *difference);

/* bb_difference_layers - return the layers (BbLayerDesc *) durable so far. */
extern List *bb_difference_layers(const BbDifference *difference);

/* bb_difference_pages - returns the number of relation blocks that differ. */
extern uint64 bb_difference_pages(const BbDifference *difference);

#endif /* BB_DIFFERENCE_H */
