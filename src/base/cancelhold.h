/*-------------------------------------------------------------------------
 *
 * cancelhold.h
 *	  Clean-up that a cancel does not end.
 *
 * The postmaster signals a backend twice for one cancel request, the process
 * and then its process group (signal_child in PostgreSQL's postmaster.c).  The
 * second signal may come when the first has become an error already, and the
 * clean-up after that error has begun.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CANCELHOLD_H
#define BB_CANCELHOLD_H

#include "miscadmin.h"

/*
 * bb_cancelhold_begin - hold cancels; the session can still be terminated.
 * Returns what bb_cancelhold_end takes.
 */
static inline uint32
bb_cancelhold_begin(void)
{
	uint32		before = QueryCancelHoldoffCount;

	HOLD_CANCEL_INTERRUPTS();
	return before;
}

/*
 * bb_cancelhold_end - as it was before.  It may follow an error that was caught,
 * which has reset the count (errfinish in PostgreSQL's elog.c).
 */
static inline void
bb_cancelhold_end(uint32 before)
{
	QueryCancelHoldoffCount = before;
}

#endif /* BB_CANCELHOLD_H */
