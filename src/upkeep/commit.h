/*-------------------------------------------------------------------------
 *
 * commit.h
 *	  Commits what a job of upkeep has made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_COMMIT_H
#define BB_UPKEEP_COMMIT_H

#include "upkeep/job.h"

/*
 * bb_upkeep_commit - put the layers of a job in the place of its inputs.
 *
 * "manifest" is the one that the job was planned for.	 The inputs of a MERGE, a
 * SQUASH or a RETIRE are retired as of now; an IMAGE replaces none.
 *
 * Returns true with the manifest that is in place now in *next, allocated in
 * CurrentMemoryContext.  Returns false if the edit was refused, since another
 * session has changed an input, or the timeline was dropped.  Nothing is changed
 * then, and the added layers are removed.
 *
 * An error of the object store leaves the outcome unknown, and the added layers
 * where they are.
 *
 * Errors: those of bb_manifest_edit except OBJECT_IN_USE.
 */
extern bool bb_upkeep_commit(const BbReqCtx *ctx, BbObjectStore *objects,
							 const BbManifest *manifest,
							 const BbUpkeepJob *job, List *added,
							 BbManifest **next);

#endif /* BB_UPKEEP_COMMIT_H */
