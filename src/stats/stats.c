/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  All statistics: their beginning and their reset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "stats/shared_internal.h"

void
bb_stats_init(void)
{
	static const BbStatsPart *const parts[] = {&bb_calls_part,
											   &bb_layerstats_part,
											   &bb_jobs_part};

	bb_stats_set_parts(parts, lengthof(parts));
	bb_calls_observe();
}

void
bb_stats_reset(void)
{
	bb_stats_need();
	bb_stats_lock(LW_EXCLUSIVE);
	bb_calls_reset();
	bb_layerstats_reset();
	bb_jobs_reset();
	bb_stats_unlock();
}
