/*-------------------------------------------------------------------------
 *
 * retry.h
 *	  Errors in the loop of a standing worker that goes on after them.
 *
 *	  PG_TRY: attempt ──► PG_CATCH: error = bb_retry_caught(context), pause
 *	  then, in any case: bb_retry_clean_up
 *
 * The pause grows with each failure in a row, from 1 s to 30 s.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RETRY_H
#define BB_RETRY_H

#include "utils/resowner.h"

/*
 * bb_retry_caught - end what an error has left, as the end of a transaction
 * would, and return the error, allocated in "context", which becomes current.
 *
 * A cancellation, which ends the worker, is raised again.
 *
 * REQUIRES: within PG_CATCH, outside of a transaction or in one that this
 * aborts.
 */
extern ErrorData *bb_retry_caught(MemoryContext context);

/*
 * bb_retry_clean_up - end what an attempt has left: reset its memory context
 * "attempt", and release and free *owner, which becomes NULL (it may be).
 *
 * "context", which outlives attempts, becomes current.
 */
extern void bb_retry_clean_up(ResourceOwner *owner, MemoryContext attempt,
							  MemoryContext context);

/* bb_retry_pause_ms - return the pause after so many failures in a row. */
extern long bb_retry_pause_ms(int failures);

#endif /* BB_RETRY_H */
