/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  How fast upkeep may work.
 *
 * Each limit is a debt in microseconds: how much longer the work so far should
 * have taken.  It grows with the work and shrinks with time.  As soon as it is
 * worth a sleep, the job sleeps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "base/settings.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "stats/progress.h"
#include "storage/latch.h"
#include "upkeep/pace.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A shorter sleep isn't worth a system call. */
#define SLEEP_MIN_US 10000

/* Settings and interrupts are looked at at least this often. */
#define SLEEP_MAX_MS 200

/* Time without work pays for at most this much. */
#define SAVED_MAX_US 1000000

#define MEGABYTE (1024 * 1024)

typedef struct Pace
{
	const BbReqCtx *ctx; /* NULL: none has begun */
	BbPaceLook	look;
	uint64		read;	 /* of ctx, when it was looked at last */
	uint64		written; /* since the beginning */
	TimestampTz at;
	int64		cpu_us; /* of the process */
	double		rate_debt_us;
	double		share_debt_us;
	MemoryContextCallback *callback;
} Pace;

static Pace pace = {0};

static int64
process_cpu_us(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0)
		return 0;
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
end(void *callback)
{
	/* a later one may have begun */
	if (pace.callback == callback)
		pace = (Pace){0};
}

void
bb_upkeeppace_begin(const BbReqCtx *ctx, BbPaceLook look)
{
	MemoryContextCallback *callback = palloc0(sizeof(*callback));

	pace = (Pace){.ctx = ctx,
				  .look = look,
				  .read = ctx->counters->bytes_read,
				  .at = GetCurrentTimestamp(),
				  .cpu_us = process_cpu_us(),
				  .callback = callback};
	callback->func = end;
	callback->arg = callback;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

/* Add the work since the last call to both debts; returns the greater one. */
static double
add_debts(uint64 written)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		cpu_us = process_cpu_us();
	uint64		read = pace.ctx->counters->bytes_read;
	/* a clock that is set back has no effect */
	double		elapsed_us = (double) Max(now - pace.at, 0);

	pace.rate_debt_us -= elapsed_us;
	if (bb_setting_upkeep_rate_mb > 0)
		pace.rate_debt_us += (double) (read - pace.read + written) *
			USECS_PER_SEC / ((double) bb_setting_upkeep_rate_mb * MEGABYTE);
	pace.share_debt_us += (double) (cpu_us - pace.cpu_us) * 100 /
			bb_setting_upkeep_cpu_share -
		elapsed_us;

	pace.rate_debt_us = bb_setting_upkeep_rate_mb > 0
		? Max(pace.rate_debt_us, -SAVED_MAX_US)
		: 0;
	pace.share_debt_us = bb_setting_upkeep_cpu_share < 100
		? Max(pace.share_debt_us, -SAVED_MAX_US)
		: 0;
	pace.at = now;
	pace.cpu_us = cpu_us;
	pace.read = read;
	return Max(pace.rate_debt_us, pace.share_debt_us);
}

void
bb_upkeeppace(const BbReqCtx *ctx, uint64 written)
{
	double		debt_us;

	bb_reqctx_check(ctx);
	if (pace.ctx == NULL)
		return;
	pace.written += written;
	debt_us = add_debts(written);
	bb_progress_upkeep_done(pace.read, pace.written);
	if (pace.look != NULL)
		pace.look();
	while (debt_us >= SLEEP_MIN_US)
	{
		long		sleep_ms = Min((long) (debt_us / 1000), SLEEP_MAX_MS);

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 sleep_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		bb_reqctx_check(ctx);
		if (pace.look != NULL)
			pace.look();
		debt_us = add_debts(0);
	}
}
