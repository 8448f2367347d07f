/*-------------------------------------------------------------------------
 *
 * lag.c
 *	  How old is the oldest WAL of a source that a page store doesn't have?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "intake/lag.h"

/* Forget what the page store has. */
static void
drop_covered(BbLag *lag, XLogRecPtr covered_lsn)
{
	int			covered = 0;

	while (covered < lag->count && lag->samples[covered].lsn <= covered_lsn)
		covered++;
	if (covered == 0)
		return;
	lag->count -= covered;
	memmove(lag->samples, lag->samples + covered,
			lag->count * sizeof(BbLagSample));
}

/*
 * The source's WAL ends before some samples: another server has taken its
 * place.  What remains of the first of them is as old as it was.
 */
static void
cut(BbLag *lag, XLogRecPtr source_lsn)
{
	while (lag->count > 1 && lag->samples[lag->count - 2].lsn >= source_lsn)
		lag->count--;
	if (lag->count > 0 && lag->samples[lag->count - 1].lsn > source_lsn)
		lag->samples[lag->count - 1].lsn = source_lsn;
}

/* Merge each second sample with the one before. */
static void
thin_out(BbLag *lag)
{
	int			kept = 0;

	for (int i = 0; i < lag->count; i += 2)
	{
		BbLagSample sample = lag->samples[i];

		if (i + 1 < lag->count)
			sample.lsn = lag->samples[i + 1].lsn;
		lag->samples[kept++] = sample;
	}
	lag->count = kept;
}

static void
add(BbLag *lag, XLogRecPtr lsn, TimestampTz time)
{
	BbLagSample *last = lag->count > 0 ? &lag->samples[lag->count - 1] : NULL;

	if (last != NULL && last->lsn >= lsn)
		return;
	if (last != NULL && time - last->time < BB_LAG_DISTANCE_MS * 1000)
	{
		last->lsn = lsn;
		return;
	}
	if (lag->count == BB_LAG_SAMPLES)
		thin_out(lag);
	lag->samples[lag->count++] = (BbLagSample){lsn, time};
}

void
bb_lag_note(BbLag *lag, XLogRecPtr source_lsn, XLogRecPtr covered_lsn,
			TimestampTz now, bool is_stream)
{
	if (source_lsn < lag->source_lsn)
		cut(lag, source_lsn);
	drop_covered(lag, covered_lsn);
	if (source_lsn > covered_lsn)
		add(lag, source_lsn, is_stream || lag->heard == 0 ? now : lag->heard);
	lag->source_lsn = source_lsn;
	lag->heard = now;
}

int64
bb_lag_get(const BbLag *lag, XLogRecPtr covered_lsn, TimestampTz now,
		   bool is_connected)
{
	TimestampTz since = is_connected || lag->heard == 0 ? now : lag->heard;

	for (int i = 0; i < lag->count; i++)
	{
		if (lag->samples[i].lsn > covered_lsn)
		{
			since = Min(since, lag->samples[i].time);
			break;
		}
	}
	return Max(now - since, 0);
}
