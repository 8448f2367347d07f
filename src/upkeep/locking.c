/*-------------------------------------------------------------------------
 *
 * locking.c
 *	  The lock of a timeline's upkeep, for those that wait for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "upkeep/locking.h"

/* How often the lock is tried, and for how long. */
#define TRY_MS 100
#define WAIT_MS 60000

void
bb_upkeep_lock(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline)
{
	for (int waited = 0;; waited += TRY_MS)
	{
		if (bb_manifest_try_lock_upkeep(ctx, objects, timeline))
			return;
		if (waited >= WAIT_MS)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("upkeep of timeline \"%s\" is under way in another session",
							timeline),
					 errhint("Try again when it has finished.")));
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TRY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		bb_reqctx_check(ctx);
	}
}
