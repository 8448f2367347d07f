/*-------------------------------------------------------------------------
 *
 * keeper.c
 *	  The launcher of passes.
 *
 * It waits for SIGHUP while bbackup.upkeep is off, so that upkeep begins as
 * soon as it is switched on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "base/settings.h"
#include "keeper/keeper.h"
#include "miscadmin.h"
#include "process/databases.h"
#include "process/standingworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* It comes back after so many seconds. */
#define RESTART_S 5

/* A nap ends soon after a change of its length. */
#define NAP_LOOK_MS 10000

/* A clock that is set back ends the nap. */
static void
nap_since(TimestampTz start)
{
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		long		left_ms = TimestampDifferenceMilliseconds(
			now,
			TimestampTzPlusMilliseconds(start,
										bb_setting_upkeep_naptime_s *
											INT64CONST(1000)));

		if (left_ms <= 0 || now < start || !bb_setting_upkeep)
			return;
		bb_standingworker_wait(Min(left_ms, NAP_LOOK_MS));
	}
}

void
bb_keeper_task(const void *payload, size_t length)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup upkeep round",
												  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		TimestampTz start;

		while (!bb_setting_upkeep)
			bb_standingworker_wait(-1);
		start = GetCurrentTimestamp();
		MemoryContextSwitchTo(context);
		bb_databases_visit(BB_KEEPER_PASS_TASK, INT_MAX,
						   "take care of page stores");
		MemoryContextReset(context);
		nap_since(start);
	}
}

void
bb_keeper_init(void)
{
	BbStandingWorker worker = {.task = BB_KEEPER_TASK,
							   .restart_s = RESTART_S,
							   .restart_terminated = true};

	if (process_shared_preload_libraries_in_progress)
		bb_standingworker_register_static(&worker);
}
