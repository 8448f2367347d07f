/*-------------------------------------------------------------------------
 *
 * test_lag.c
 *	  The age of the oldest WAL that a page store doesn't have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "intake/lag.h"
#include "unit.h"
#include "utils/timestamp.h"

#define SECOND INT64CONST(1000000)
#define START (1000 * SECOND)

UNIT_TEST(lag_of_nothing)
{
	BbLag		lag = {0};

	CHECK(bb_lag_get(&lag, 0, START, true) == 0);
	CHECK(bb_lag_get(&lag, 0, START, false) == 0);
}

UNIT_TEST(lag_after_idle_time)
{
	BbLag		lag = {0};

	bb_lag_note(&lag, 100, 100, START, true);
	/* an hour without WAL isn't a lag, nor is it one of what comes then */
	CHECK(bb_lag_get(&lag, 100, START + 3600 * SECOND, true) == 0);
	bb_lag_note(&lag, 200, 100, START + 3600 * SECOND, true);
	CHECK(bb_lag_get(&lag, 100, START + 3601 * SECOND, true) == SECOND);
	/* it is the oldest that counts */
	bb_lag_note(&lag, 300, 100, START + 3605 * SECOND, true);
	CHECK(bb_lag_get(&lag, 100, START + 3606 * SECOND, true) == 6 * SECOND);
	CHECK(bb_lag_get(&lag, 199, START + 3606 * SECOND, true) == 6 * SECOND);
	CHECK(bb_lag_get(&lag, 200, START + 3606 * SECOND, true) == SECOND);
	CHECK(bb_lag_get(&lag, 300, START + 3606 * SECOND, true) == 0);
}

UNIT_TEST(lag_without_source)
{
	BbLag		lag = {.heard = START};

	/* what the first contact finds may have been written since then */
	bb_lag_note(&lag, 200, 100, START + 9 * SECOND, false);
	CHECK(bb_lag_get(&lag, 100, START + 9 * SECOND, true) == 9 * SECOND);
	CHECK(bb_lag_get(&lag, 200, START + 9 * SECOND, true) == 0);
	/* a lost connection */
	CHECK(bb_lag_get(&lag, 200, START + 19 * SECOND, false) == 10 * SECOND);
	CHECK(bb_lag_get(&lag, 100, START + 19 * SECOND, false) == 19 * SECOND);
	/* it comes back */
	bb_lag_note(&lag, 200, 200, START + 29 * SECOND, false);
	CHECK(bb_lag_get(&lag, 200, START + 29 * SECOND, true) == 0);
	bb_lag_note(&lag, 300, 200, START + 39 * SECOND, false);
	CHECK(bb_lag_get(&lag, 200, START + 39 * SECOND, true) == 10 * SECOND);
}

UNIT_TEST(lag_of_a_shorter_source)
{
	BbLag		lag = {0};

	for (int i = 1; i <= 9; i++)
		bb_lag_note(&lag, 100 * i, 0, START + i * SECOND, true);
	bb_lag_note(&lag, 450, 0, START + 10 * SECOND, false);
	CHECK(bb_lag_get(&lag, 0, START + 11 * SECOND, true) == 10 * SECOND);
	CHECK(bb_lag_get(&lag, 400, START + 11 * SECOND, true) == 6 * SECOND);
	CHECK(bb_lag_get(&lag, 450, START + 11 * SECOND, true) == 0);
}

/* Against a list of all samples: never less, and not much more. */
UNIT_TEST(lag_random)
{
	static TimestampTz times[100000];
	pg_prng_state state;
	uint64		seed = unit_seed();

	pg_prng_seed(&state, seed);
	for (int round = 0; round < 20; round++)
	{
		BbLag		lag = {0};
		int			source = 0;
		int			covered = 0;
		TimestampTz now = START;
		bool		is_stuck = round % 4 == 3;

		while (source < 20000)
		{
			int64		exact;
			int64		found;

			now += pg_prng_uint64_range(&state, 1, SECOND);
			times[++source] = now;
			bb_lag_note(&lag, source, covered, now, true);
			if (!is_stuck && pg_prng_uint32(&state) % 8 == 0)
				covered = (int) pg_prng_uint64_range(&state, covered, source);
			now += pg_prng_uint64_range(&state, 1, SECOND);
			exact = covered < source ? now - times[covered + 1] : 0;
			found = bb_lag_get(&lag, covered, now, true);
			if (found < exact || (covered == source && found != 0) ||
				(is_stuck && found != exact) || lag.count > BB_LAG_SAMPLES ||
				found > exact + (now - START) / 16 + SECOND / 10)
				elog(ERROR,
					 "lag " INT64_FORMAT " instead of " INT64_FORMAT
					 ", seed " UINT64_FORMAT,
					 found, exact, seed);
		}
	}
}
