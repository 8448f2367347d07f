/*-------------------------------------------------------------------------
 *
 * jobfaults.h
 *	  What upkeep leaves out, since jobs failed of it.
 *
 *	  a job fails ──► bb_jobs_note_fault ──► later jobs leave it out
 *	  it is whole, or not needed any more ──► bb_jobs_forget_fault
 *
 * A fault is a layer that can't be read, or keys of which no image can be made.
 * It has the pauses that a kind of job would have, so that it is looked at again
 * now and then.  As long as there is one, its kind of job counts as failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_JOBFAULTS_H
#define BB_JOBFAULTS_H

#include "stats/jobs.h"

/* bb_jobs_faults - return copies of a timeline's faults (BbJobFault *). */
extern List *bb_jobs_faults(const BbJobPlace *place);

/*
 * bb_jobs_note_fault - note a fault of fault->kind, once more if it is known.
 *
 * Sets its other fields than layer and keys.  Returns false if there is no room.
 */
extern bool bb_jobs_note_fault(const BbJobPlace *place, BbJobFault *fault);

/* bb_jobs_forget_fault - it is one no longer. */
extern void bb_jobs_forget_fault(const BbJobPlace *place,
								 const BbJobFault *fault);

/* bb_jobs_forget_keys - images of these keys can be made again. */
extern void bb_jobs_forget_keys(const BbJobPlace *place, int kind,
								const BbKeyRange *keys);

/* bb_jobs_retry_faults - end the pauses of a timeline's faults. */
extern void bb_jobs_retry_faults(const BbJobPlace *place);

/*
 * bb_jobtimeline_retry_at - when is the kind of job that failed tried again?
 * 0: none failed.
 */
extern TimestampTz bb_jobtimeline_retry_at(const BbJobTimeline *timeline);

#endif /* BB_JOBFAULTS_H */
