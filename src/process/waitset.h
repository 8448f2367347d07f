/*-------------------------------------------------------------------------
 *
 * waitset.h
 *	  The events that every wait of bbackup waits for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAITSET_H
#define BB_WAITSET_H

#include "miscadmin.h"
#include "storage/latch.h"

/*
 * bb_wait_set_begin - have a new set wait for our latch, and end the process
 * with the postmaster.
 *
 * In single-user mode there is no postmaster, and no descriptor to watch it
 * by; WaitLatch() leaves it out there, too.
 *
 * Errors: those of AddWaitEventToSet().  The caller frees the set then, and
 * keeps no pointer to it.
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
