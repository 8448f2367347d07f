/*-------------------------------------------------------------------------
 *
 * receiver.h
 *	  The receiver: WAL of a source into a spool, and feedback to the source.
 *
 *	  source ── walstream ──► receiver ── write, sync ──► spool
 *		 ▲						 │  ▲
 *		 └─────── feedback ──────┘  └── control block: orders, stored_lsn
 *
 * A receiver connects to the system that its leader names, makes sure that its
 * slot exists and reserves WAL (slot_ready), and waits for an order: a position
 * to receive from.  It repeats temporary failures itself, with pauses that grow
 * from 1 s to 30 s, for ever.  Another system than the one that is followed is
 * such a failure, too: the source's list of hosts may be corrected.  What it
 * can't decide it reports as a problem, and then waits for the next order: the
 * leader takes the WAL from elsewhere, imports again, or gives up.
 *
 * It ends when its leader does (the lock of the spool is free).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_RECEIVER_H
#define BB_INTAKE_RECEIVER_H

#include "intake/control.h"
#include "wal/walspool.h"

typedef enum BbReceiverProblem
{
	BB_RECEIVER_FINE,
	BB_RECEIVER_GAP,	  /* the source has no WAL at problem_lsn any more */
	BB_RECEIVER_DIVERGED, /* the source left problem_tli at problem_lsn, before
						   * what is durable */
	BB_RECEIVER_DIFFERS, /* the source's WAL of problem_tli isn't what is durable
						   * from problem_lsn on, or from a point before */
	BB_RECEIVER_REWIND	 /* the source left problem_tli at problem_lsn, before
						   * what the leader has read, but not committed */
} BbReceiverProblem;

/* What a receiver does, copied to its process. */
typedef struct BbReceiverOrder
{
	Oid			store;			/* with the timeline, names the spool */
	char		timeline[64];	/* or the name of a temporary spool */
	uint64		parent_call_id; /* of a session's import; else 0 */
} BbReceiverOrder;

/* The tasks of background workers that receive: see module.c. */
#define BB_RECEIVE_TASK "receive"

extern void bb_receive_task(const void *payload, size_t length);

/*
 * bb_receiver_tail - returns the tail of a spool as its control block says,
 * in CurrentMemoryContext; "committed" moves stored_lsn and wakes the receiver.
 *
 * Only one process may wait at the tail of a spool, its leader.
 */
extern const BbWalTail *bb_receiver_tail(BbFollowControl *control);

#endif /* BB_INTAKE_RECEIVER_H */
