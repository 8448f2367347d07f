/*-------------------------------------------------------------------------
 *
 * sink_throttle.c
 *	  Pass on at most so many bytes a second.
 *
 * After as many bytes as an eighth of a second may have, the sink waits until
 * that time has passed (as PostgreSQL's basebackup_throttle.c).  It doesn't make
 * up for time lost elsewhere, by a slow consumer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "sinks/stages.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define SAMPLES_PER_SECOND 8

typedef struct ThrottleSink
{
	BbSink		base;
	uint64		sample;	  /* bytes */
	int64		least_us; /* the least time for a sample */
	uint64		counted;  /* bytes since the last wait */
	TimestampTz waited_at;
} ThrottleSink;

static void
throttle_begin(const BbReqCtx *ctx, BbSink *sink)
{
	((ThrottleSink *) sink)->waited_at = GetCurrentTimestamp();
	bb_sink_begin(ctx, sink->next);
}

/* Wait until the least time for the counted bytes has passed. */
static void
wait_for_turn(const BbReqCtx *ctx, ThrottleSink *throttle)
{
	TimestampTz due = throttle->waited_at +
		throttle->least_us * (int64) (throttle->counted / throttle->sample);
	TimestampTz now;

	while ((now = GetCurrentTimestamp()) < due)
	{
		bb_reqctx_check(ctx);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) ((due - now + 999) / 1000),
						 WAIT_EVENT_BASE_BACKUP_THROTTLE);
		ResetLatch(MyLatch);
	}
	throttle->counted %= throttle->sample;
	throttle->waited_at = now;
}

static void
count(const BbReqCtx *ctx, ThrottleSink *throttle, size_t length)
{
	throttle->counted += length;
	if (throttle->counted >= throttle->sample)
		wait_for_turn(ctx, throttle);
}

static void
throttle_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			   size_t length)
{
	bb_sink_write(ctx, sink->next, data, length);
	count(ctx, (ThrottleSink *) sink, length);
}

static void
throttle_write_manifest(const BbReqCtx *ctx, BbSink *sink, const void *data,
						size_t length)
{
	bb_sink_write_manifest(ctx, sink->next, data, length);
	count(ctx, (ThrottleSink *) sink, length);
}

static const BbSinkOps throttle_ops = {
	.begin = throttle_begin,
	.write = throttle_write,
	.write_manifest = throttle_write_manifest,
};

BbSink *
bb_sink_throttle_new(BbSink *next, int max_rate)
{
	ThrottleSink *throttle = palloc0(sizeof(ThrottleSink));

	throttle->base.ops = &throttle_ops;
	throttle->base.next = next;
	throttle->sample = (uint64) max_rate * 1024 / SAMPLES_PER_SECOND;
	throttle->least_us = USECS_PER_SEC / SAMPLES_PER_SECOND;
	return &throttle->base;
}
