/*-------------------------------------------------------------------------
 *
 * replicate.h
 *	  A second copy of a timeline, in another page store.
 *
 *	  source: manifest ──► what is missing? ──► layers ──► target
 *				 │									 │ all are there
 *				 └────────── the same manifest ──────┴──► target: manifest
 *
 * The target gets the layers that it lacks, each verified, and then a manifest
 * that names the same ones.  So the copy is usable there as soon as that is
 * committed, and whole before and after each commit.  Layers that the source's
 * manifest doesn't name any more are retired in the target, whose own readers
 * may still need them, and removed by a later call, after
 * bbackup.removal_delay.
 *
 * A copy has a mark in its manifest (BbCopyMark), by which everything else
 * refuses to change it, until it is detached.  So a timeline that isn't a copy of
 * the source is never overwritten.
 *
 * A copy that was interrupted goes on: layers that were written, and that no
 * manifest names yet, are read and checked again rather than copied.
 *
 * A branch needs its ancestor, so ancestors are copied first.  Branches may be
 * made of a copy.  A state of the source that can't be read at the LSN of such a
 * branch isn't committed.
 *
 * Locks: the writer lock of the target, all the time; the tree lock of the
 * target, while a commit takes away LSNs.  Nothing is locked in the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REPLICATE_H
#define BB_REPLICATE_H

#include "layer/manifest.h"

/* What was done for one timeline. */
typedef struct BbReplicated
{
	const char *timeline;
	uint64		layers_copied;
	uint64		bytes_copied;
	uint64		layers_found; /* written by a call that was interrupted */
	uint64		layers_retired;
	XLogRecPtr	end_lsn; /* of the copy now */
	int64		end_time;
	uint64		generation; /* of the source's manifest that it has now */
} BbReplicated;

/*
 * bb_replication_run - make, or bring up to date, the copy of a timeline and
 * those of its ancestors.
 *
 * Returns a list of BbReplicated *, ancestors first.
 *
 * Errors: UNDEFINED_OBJECT (no such timeline in the source);
 * INVALID_PARAMETER_VALUE (both are the same store); DUPLICATE_OBJECT (the
 * target has a timeline of that name that isn't a copy of this one);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (the source's import isn't complete, the
 * copy is ahead of the source, or a branch in the target needs what the source
 * has given up); OBJECT_IN_USE (locks; a layer that was retired in the target is
 * named again); those of bb_copylayer.
 */
extern List *bb_replication_run(const BbReqCtx *ctx, BbObjectStore *from,
								BbObjectStore *to, const char *timeline);

/* bb_replication_one - the same for one timeline without its ancestors. */
extern BbReplicated *bb_replication_one(const BbReqCtx *ctx,
										BbObjectStore *from, BbObjectStore *to,
										const char *timeline);

/*
 * bb_replication_behind - how many bytes of layers does a copy lack?
 *
 * "target" is NULL if there is none yet.
 */
extern uint64 bb_replication_behind(const BbManifest *source,
									const BbManifest *target);

/*
 * bb_replication_detach - make a copy an independent timeline.
 *
 * Errors: UNDEFINED_OBJECT; OBJECT_NOT_IN_PREREQUISITE_STATE (it is no copy);
 * OBJECT_IN_USE (it is being copied now).
 */
extern void bb_replication_detach(const BbReqCtx *ctx, BbObjectStore *objects,
								  const char *timeline);

#endif /* BB_REPLICATE_H */
