/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Which layers upkeep merges, and where it makes images.
 *
 *	  LSN	 +------------------------------+  \
 *	   ^	 +------------------------------+	> the head: runs over all keys
 *	   |	 +----+----------+--------------+  /
 *	   |	 |	  |	  +------+-------+------+  \
 *	   |	 |	  |	  |	     |       +------+	> the body: cut by key,
 *	   |	 |	  +---+------+-------+------+  /	 each part on its own
 *	   |	 |	  ======image========image===
 *	   +-----^----^------------------------------> key
 *		     the journal: control file, times, ends of records; in no image
 *
 * Each flush adds a run to the head.  If there are more runs above an image than
 * a read should open, the newest ones are merged, so many of them as the
 * schedule of policy_stack.h says.  A run that is larger than half of a job is
 * part of the body, where the same is done part by part, so that each job is
 * bounded.  When the changes since the last image are large, compared with it, a
 * new image is cheaper than further merges: it ends the stack below it.
 *
 * The policy only looks at a manifest, and has no state.  When upkeep has
 * done all jobs that it asks for, there is nothing to do until the next flush.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_POLICY_H
#define BB_UPKEEP_POLICY_H

#include "upkeep/job.h"

/* A job reads no more than so many times the size of a layer. */
#define BB_POLICY_JOB_LAYERS 8

typedef struct BbPolicySettings
{
	int			merge_layers; /* delta layers that a read may open */
	int			image_percent; /* of changes, in the size of an image; 0: never */
	uint64		layer_bytes; /* the size at which layers are cut */

	/*
	 * Of a branch without an image of its own: the size of an image of what it
	 * found, bb_policy_image_bytes of its ancestor; 0: unknown.
	 */
	uint64		ancestor_bytes;

	/*
	 * Ranges (BbKeyRange *) of IMAGE jobs that found no value, or that failed.
	 * Their result is nothing, so without this the policy would ask for them
	 * again.
	 */
	List	   *barren;

	/*
	 * Layers (const BbLayerDesc *) that can't be read.  What needs one of them is
	 * left out: runs above and below it are merged apart from each other, and
	 * keys whose image would take it get none.
	 */
	List	   *broken;
} BbPolicySettings;

/*
 * bb_policy_settings - return the values of the settings, with no barren range
 * and no broken layer.
 */
extern BbPolicySettings bb_policy_settings(void);

/*
 * bb_policy_image_bytes - return the size of a timeline's images, the newest for
 * each key, at an LSN; 0: it has none.
 */
extern uint64 bb_policy_image_bytes(const BbManifest *manifest,
									XLogRecPtr lsn);

/*
 * bb_policy_next - plan the next MERGE or IMAGE.
 *
 * Returns false if there is nothing to do, which is so for a timeline whose
 * import isn't complete.  With an open gap, the job concerns layers up to the
 * gap.  The job's inputs point into the manifest; the rest is allocated in
 * CurrentMemoryContext, with scratch, which the caller's context should end.
 *
 * A MERGE names delta layers that fill a rectangle of keys and LSNs: no other
 * delta layer overlaps it.
 *
 * Errors: none.
 */
extern bool bb_policy_next(const BbManifest *manifest,
						   const BbPolicySettings *settings, BbUpkeepJob *job);

/*
 * bb_policy_needs - may a MERGE or IMAGE have to read a layer, now or later?
 *
 * One of which newer images have all keys isn't needed any more.
 */
extern bool bb_policy_needs(const BbManifest *manifest,
							const BbLayerDesc *layer);

#endif /* BB_UPKEEP_POLICY_H */
