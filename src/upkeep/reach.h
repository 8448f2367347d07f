/*-------------------------------------------------------------------------
 *
 * reach.h
 *	  Which layers the readable LSNs of a timeline need.
 *
 *	  LSN
 *	   |	   needed by the window: start and above
 *	start ----------------------------------------------
 *	   |	 ==image A==|			   A read at the start takes image A, and
 *	   |	   delta	|	 delta	   in A's keys nothing below it.  A point p
 *	   p ...............|.........	   below A needs what is below p down to
 *	   |	   delta	|			   the next image.
 *	   |   =========== image B ====
 *
 * A read of a key at LSN p takes the newest image layer at or below p that
 * covers the key, at LSN i, and the delta layers of the key that have LSNs
 * above i and up to p.  Thus
 *
 * - a delta layer of LSNs s to e is needed if a p at or above s has a key of it
 *	 for which i < e;
 * - an image layer is needed if it is the newest of a key for some p.
 *
 * A greater p has a greater i.  So of all LSNs from the start on, the smallest
 * that isn't below s decides.
 *
 * This is decided from the manifest alone.  A layer of which it isn't sure is
 * needed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_REACH_H
#define BB_UPKEEP_REACH_H

#include "layer/manifest.h"

/* The LSNs at which a timeline can be read. */
typedef struct BbReadable
{
	XLogRecPtr	start; /* each LSN from here on */
	int			npoints;
	const BbPoint *points; /* rising, all below start */
} BbReadable;

/* bb_reach_readable - return the LSNs at which a manifest can be read now. */
extern BbReadable bb_reach_readable(const BbManifest *manifest);

/*
 * bb_reach - find out which LSN needs a layer.
 *
 * Returns an array, palloc'd, with an LSN for each layer of the manifest:
 * Invalid if no readable LSN needs it; one at or above readable->start if the
 * window needs it; else the newest point that does.
 *
 * REQUIRES: the timeline is consistent.
 */
extern XLogRecPtr *bb_reach(const BbManifest *manifest,
							const BbReadable *readable);

#endif /* BB_UPKEEP_REACH_H */
