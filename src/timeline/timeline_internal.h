/*-------------------------------------------------------------------------
 *
 * timeline_internal.h
 *	  A timeline as point reads and scans share it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TIMELINE_INTERNAL_H
#define BB_TIMELINE_INTERNAL_H

#include "layer/layermap.h"
#include "timeline/timeline.h"

/* Layers that point reads keep open. */
#define BB_OPEN_LAYERS 16

struct BbTimeline
{
	MemoryContext context; /* that it was opened in; owns the layers */
	BbObjectStore *store;
	BbManifest *manifest;
	BbLayerMap *map;
	struct BbTimeline *ancestor; /* NULL: none */

	/* the layers last read by point reads, and when */
	struct
	{
		int			index; /* into manifest->layers */
		uint64		used;
		BbLayer    *layer; /* NULL: free */
	}			open[BB_OPEN_LAYERS];
	uint64		clock;
};

/*
 * bb_timeline_find - which timeline's which layer holds key at lsn?
 *
 * *owner is timeline or one of its ancestors.  *until is lowered to the first
 * key above for which the answer may be another one.
 *
 * Errors: DATA_CORRUPTED when no layer does.
 */
extern int	bb_timeline_find(BbTimeline *timeline, const BbKey *key,
							 XLogRecPtr lsn, BbTimeline **owner, BbKey *until);

#endif /* BB_TIMELINE_INTERNAL_H */
