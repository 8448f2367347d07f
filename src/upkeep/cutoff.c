/*-------------------------------------------------------------------------
 *
 * cutoff.c
 *	  Where a window of time begins, by the times of commits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/cutoff.h"

/* A window that is shorter than that heeds only longer jumps. */
#define JUMP_MIN_US USECS_PER_HOUR

BbCutoff
bb_cutoff_begin(TimestampTz end, int64 window_s, XLogRecPtr start,
				TimestampTz start_time)
{
	int64		window_us = window_s * USECS_PER_SEC;

	return (BbCutoff){.end = end,
					  .window_us = window_us,
					  .jump_us = Max(window_us, JUMP_MIN_US),
					  .until = PG_UINT64_MAX,
					  .lsn = start,
					  .last = start_time};
}

bool
bb_cutoff_add(BbCutoff *cutoff, XLogRecPtr lsn, TimestampTz time)
{
	int64		apart_us = time - cutoff->last;

	if (lsn >= cutoff->until)
		return false;
	if (time <= cutoff->end - cutoff->window_us)
	{
		cutoff->lsn = lsn;
		cutoff->last = time;
		cutoff->ahead = false;
		return true;
	}
	if (time > cutoff->end + cutoff->jump_us)
	{
		cutoff->last = time;
		cutoff->ahead = true;
		return true;
	}
	if (!cutoff->ahead && apart_us > cutoff->jump_us && time <= cutoff->end)
	{
		cutoff->jump_lsn = lsn;
		cutoff->jumped_us = apart_us;
		cutoff->end -= apart_us - cutoff->window_us / 2;
	}
	return false;
}

void
bb_cutoff_gap(BbCutoff *cutoff, XLogRecPtr until, TimestampTz until_time)
{
	if (cutoff->ahead || until >= cutoff->until)
		return;
	cutoff->lsn = until;
	cutoff->last = until_time;
}

bool
bb_cutoff_again(BbCutoff *cutoff, XLogRecPtr start, TimestampTz start_time)
{
	if (XLogRecPtrIsInvalid(cutoff->jump_lsn) ||
		cutoff->jump_lsn == cutoff->until)
		return false;
	cutoff->until = cutoff->jump_lsn;
	cutoff->lsn = start;
	cutoff->last = start_time;
	cutoff->ahead = false;
	return true;
}
