/*-------------------------------------------------------------------------
 *
 * jobfaults.c
 *	  What upkeep leaves out, since jobs failed of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "stats/jobfaults.h"
#include "stats/jobs_internal.h"
#include "stats/shared_internal.h"
#include "utils/timestamp.h"

static bool
same_keys(const BbKeyRange *a, const BbKeyRange *b)
{
	return bb_key_compare(&a->start, &b->start) == 0 &&
		bb_key_compare(&a->end, &b->end) == 0;
}

/* A broken layer is one fault, whatever job has met it. */
static bool
same_fault(const BbJobFault *a, const BbJobFault *b)
{
	if (a->failures == 0 || a->layer != b->layer)
		return false;
	return a->layer != 0 ||
		(a->kind == b->kind && same_keys(&a->keys, &b->keys));
}

List *
bb_jobs_faults(const BbJobPlace *place)
{
	BbJobFault *copy = palloc(BB_JOB_FAULTS_MAX * sizeof(BbJobFault));
	const BbJobTimeline *timeline;
	int			n = 0;
	List	   *faults = NIL;

	bb_jobs_lock(LW_SHARED);
	timeline = bb_jobs_find(place);
	for (int i = 0; timeline != NULL && i < BB_JOB_FAULTS_MAX; i++)
	{
		if (timeline->faults[i].failures > 0)
			copy[n++] = timeline->faults[i];
	}
	bb_stats_unlock();
	for (int i = 0; i < n; i++)
		faults = lappend(faults, &copy[i]);
	return faults;
}

bool
bb_jobs_note_fault(const BbJobPlace *place, BbJobFault *fault)
{
	BbJobTimeline *timeline;
	BbJobFault *slot = NULL;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find_or_add(place);
	for (int i = 0; i < BB_JOB_FAULTS_MAX; i++)
	{
		BbJobFault *known = &timeline->faults[i];

		if (same_fault(known, fault))
		{
			slot = known;
			break;
		}
		if (slot == NULL && known->failures == 0)
			slot = known;
	}
	if (slot != NULL)
	{
		fault->failures = slot->failures + 1;
		fault->noted_at = GetCurrentTimestamp();
		fault->retry_at = bb_jobs_pause_after(fault->failures,
											  fault->noted_at);
		*slot = *fault;
	}
	bb_stats_unlock();
	return slot != NULL;
}

void
bb_jobs_forget_fault(const BbJobPlace *place, const BbJobFault *fault)
{
	BbJobTimeline *timeline;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find(place);
	for (int i = 0; timeline != NULL && i < BB_JOB_FAULTS_MAX; i++)
	{
		if (same_fault(&timeline->faults[i], fault))
			timeline->faults[i].failures = 0;
	}
	bb_stats_unlock();
}

void
bb_jobs_forget_keys(const BbJobPlace *place, int kind, const BbKeyRange *keys)
{
	BbJobTimeline *timeline;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find(place);
	for (int i = 0; timeline != NULL && i < BB_JOB_FAULTS_MAX; i++)
	{
		BbJobFault *fault = &timeline->faults[i];

		if (fault->kind == kind && fault->layer == 0 &&
			bb_key_compare(&fault->keys.start, &keys->end) < 0 &&
			bb_key_compare(&keys->start, &fault->keys.end) < 0)
			fault->failures = 0;
	}
	bb_stats_unlock();
}

void
bb_jobs_retry_faults(const BbJobPlace *place)
{
	BbJobTimeline *timeline;

	bb_jobs_lock(LW_EXCLUSIVE);
	timeline = bb_jobs_find(place);
	for (int i = 0; timeline != NULL && i < BB_JOB_FAULTS_MAX; i++)
	{
		if (timeline->faults[i].failures > 0)
			timeline->faults[i].retry_at = GetCurrentTimestamp();
	}
	bb_stats_unlock();
}

TimestampTz
bb_jobtimeline_retry_at(const BbJobTimeline *timeline)
{
	TimestampTz retry_at = 0;

	if (timeline->failed_at == 0)
		return 0;
	for (int i = 0; i < BB_JOB_FAULTS_MAX; i++)
	{
		const BbJobFault *fault = &timeline->faults[i];

		if (fault->failures > 0 && fault->kind == timeline->failed_kind &&
			(retry_at == 0 || fault->retry_at < retry_at))
			retry_at = fault->retry_at;
	}
	return retry_at != 0 ? retry_at
						 : timeline->retry_at[timeline->failed_kind];
}
