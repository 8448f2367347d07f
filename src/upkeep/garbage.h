/*-------------------------------------------------------------------------
 *
 * garbage.h
 *	  Delta layers below the start that have more than the readable LSNs need.
 *
 * Below the start, a read needs the value of a key at the start and at points
 * only; all that lies between is garbage.  It can't be seen from the manifest
 * how much that is.  But of layers that lie one above the other, all but the
 * lowest one were written since the last time that garbage was dropped, and
 * each has history that no point of its own needs.  So they are rewritten
 * ("squashed") once they are as large as the lowest one: then at most half of
 * what upkeep reads and writes for this was needed before.
 *
 * A job has a limit of bytes.  If the layers have more, those that lie next to each
 * other are taken, as many as fit, but two at least, and what they become is cut
 * where the layers below them are cut.  So they don't hold each other together the
 * next time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_GARBAGE_H
#define BB_UPKEEP_GARBAGE_H

#include "upkeep/job.h"
#include "upkeep/reach.h"

/*
 * bb_garbage_next - find delta layers to squash.
 *
 * Sets *job to a SQUASH (rewrite.h) of layers whose LSNs are up to job->lsn,
 * which is the start.  Returns false if there is none.  Once it is done, there is
 * no more to do for these layers until the start moves on: the rewrite leaves
 * one run for each readable LSN among theirs.  Nothing is squashed whose values are
 * made of a layer that is among the "broken" ones (const BbLayerDesc *).  The
 * inputs have "limit" bytes, or are of two LSN ranges.
 */
extern bool bb_garbage_next(const BbManifest *manifest,
							const BbReadable *readable, const List *broken,
							uint64 limit, BbUpkeepJob *job);

#endif /* BB_UPKEEP_GARBAGE_H */
