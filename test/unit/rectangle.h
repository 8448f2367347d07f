/*-------------------------------------------------------------------------
 *
 * rectangle.h
 *	  Rectangles of delta layers, by key and LSN: the inputs of random jobs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RECTANGLE_H
#define RECTANGLE_H

#include "upkeep/job.h"

/* Do two layers share a key and an LSN? */
extern bool rectangle_overlaps(const BbLayerDesc *a, const BbLayerDesc *b);

/*
 * Make the delta layers of a random rectangle the inputs of a job, a merge or a
 * squash, and its keys those of the rectangle.
 *
 * Returns false if none were found.
 */
extern bool rectangle_draw_inputs(const BbManifest *manifest,
								  BbUpkeepJob *job);

#endif /* RECTANGLE_H */
