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

/*
 * Make the delta layers of a random rectangle the inputs of a job, a merge or a
 * squash, and its keys those of the rectangle.
 *
 * Returns false if none were found.
 */
extern bool rectangle_draw_inputs(const BbManifest *manifest,
								  BbUpkeepJob *job);

#endif /* RECTANGLE_H */
