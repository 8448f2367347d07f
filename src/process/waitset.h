/*-------------------------------------------------------------------------
 *
 * waitset.h
 *	  The events that every wait set of bbackup includes, and a wait for the
 *	  process latch alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAITSET_H
#define BB_WAITSET_H

#include "base/reqctx.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"

/*
 * bb_wait_set_begin - add the process latch to a new wait set, and the end of the
 * postmaster, which ends this process.
 *
 * In single-user mode there is no postmaster; WaitLatch() omits it there, too.
 *
 * Errors: those of AddWaitEventToSet().  The caller then frees the set.
 */
static inline void
bb_wait_set_begin(WaitEventSet *set)
{
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL,
						  NULL);
}

/*
 * bb_latch_wait - wait until the process latch is set, or timeout_ms is over (-1:
 * no limit), and reset the latch.
 *
 * Errors: QUERY_CANCELED.
 */
static inline void
bb_latch_wait(const BbReqCtx *ctx, long timeout_ms)
{
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout_ms >= 0 ? WL_TIMEOUT : 0),
					 timeout_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	bb_reqctx_check(ctx);
}

#endif /* BB_WAITSET_H */
