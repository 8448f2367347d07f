/*-------------------------------------------------------------------------
 *
 * waitset.h
 *	  The events that every wait set of bbackup includes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAITSET_H
#define BB_WAITSET_H

#include "miscadmin.h"
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

#endif /* BB_WAITSET_H */
