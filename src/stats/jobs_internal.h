/*-------------------------------------------------------------------------
 *
 * jobs_internal.h
 *	  The memory of jobs, as jobfaults.c sees it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_JOBS_INTERNAL_H
#define BB_JOBS_INTERNAL_H

#include "stats/jobs.h"
#include "storage/lwlock.h"

/* bb_jobs_lock - make sure that there is memory, and lock it. */
extern void bb_jobs_lock(LWLockMode mode);

/*
 * bb_jobs_find - return a timeline, or NULL; bb_jobs_find_or_add - a new one if
 * it isn't known.
 *
 * REQUIRES: the lock; find_or_add, exclusive.
 */
extern BbJobTimeline *bb_jobs_find(const BbJobPlace *place);
extern BbJobTimeline *bb_jobs_find_or_add(const BbJobPlace *place);

/* bb_jobs_pause_after - when does the pause after so many failures end? */
extern TimestampTz bb_jobs_pause_after(int failures, TimestampTz now);

#endif /* BB_JOBS_INTERNAL_H */
