/*-------------------------------------------------------------------------
 *
 * faults.h
 *	  What jobs failed of is left out, so that the others are done.
 *
 *	  job ── error ──► bb_faults_note: is it a layer's, or that of some keys?
 *						   │
 *						   ▼
 *	  plan ◄── bb_faults_look: the layers and keys to leave out
 *
 * The policy has no state, so without this it would ask for the same job again
 * and again, and never come to the next one.  A layer that an error names, and
 * that isn't whole, is left out by all jobs.  If an image fails of something else,
 * such as a page with a wrong checksum, its keys are left out by images.
 *
 * When the pause of a broken layer is over, it is checked, instead of a job that
 * needs it being tried.  What is left out comes back when the layer has been mended,
 * has left the manifest, or is covered by newer images.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_FAULTS_H
#define BB_UPKEEP_FAULTS_H

#include "objstore/objstore.h"
#include "stats/jobfaults.h"
#include "upkeep/job.h"

/* Where a step of upkeep is. */
typedef struct BbFaultsPlace
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const BbManifest *manifest;
	const BbJobPlace *place; /* in the statistics */

	/*
	 * 0: pauses are heeded.  Otherwise an attempt was asked for then: what failed
	 * before is tried once more.
	 */
	TimestampTz asked_at;
} BbFaultsPlace;

typedef struct BbFaults
{
	List	   *layers; /* const BbLayerDesc *, of the manifest */
	List	   *images; /* BbKeyRange *, of IMAGE jobs */
	bool		full;	/* no more can be noted */
	BbUpkeepKind kind;	/* after an error: of the job that failed before */
} BbFaults;

/*
 * bb_faults_look - what is to be left out?  Sets *faults, palloc'd.
 *
 * Checks layers whose pause is over.
 *
 * Errors: DATA_CORRUPTED, UNDEFINED_FILE (an attempt was asked for, and a layer
 * still isn't whole; it has been noted again, and is left out by the next call);
 * those of bb_layer_check.
 */
extern void bb_faults_look(const BbFaultsPlace *at, BbFaults *faults);

/*
 * bb_faults_note - note what a MERGE, IMAGE or SQUASH failed of.
 *
 * Returns false if that isn't known, or there is no room.  Then the whole kind
 * of job should have a pause.
 *
 * Errors: those of bb_layer_check.
 */
extern bool bb_faults_note(const BbFaultsPlace *at, const BbUpkeepJob *job,
						   const ErrorData *error);

/* bb_faults_done - a job was done: what it did can be done again. */
extern void bb_faults_done(const BbFaultsPlace *at, const BbUpkeepJob *job);

#endif /* BB_UPKEEP_FAULTS_H */
