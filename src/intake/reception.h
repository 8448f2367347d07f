/*-------------------------------------------------------------------------
 *
 * reception.h
 *	  One connection of a receiver to its source.
 *
 *	  connect ── the same system? ── slot ── an order? ── stream ──┐
 *										  ▲		  ▲		  │ switch │
 *									   slot_ready └───────┘		   ▼
 *									  a new order, a problem, an error
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_RECEPTION_H
#define BB_INTAKE_RECEPTION_H

#include "intake/received.h"

typedef struct BbReception
{
	BbFollowControl *control;
	BbReceived *received;

	/* of the last connection */
	uint64		order;		   /* that it carried out */
	bool		starts_stream; /* has asked for WAL, and not got any */
	bool		streams;	   /* has got an answer, in the stream */
	bool		slot_is_bad;   /* make it again */
	bool		has_reported;  /* whether it is a synchronous standby: */
	bool		was_synchronous;
	BbConfirm	was_confirm;
	int			hosts; /* in the list of the source */
	int			gaps; /* in a row: tries since a host had no WAL that is needed;
							 * the next one begins with another host */
	bool		has_logged; /* that it receives, since the last error */
} BbReception;

/*
 * bb_reception_run - connect to the source and receive, until there is a problem
 * or a new order, or the leader has gone.
 *
 * Everything is allocated in CurrentMemoryContext, whose reset ends the
 * connection.
 *
 * Errors: those of bb_source_access, connection.h and received.h;
 * OBJECT_NOT_IN_PREREQUISITE_STATE (the source isn't where it should be, yet).
 */
extern void bb_reception_run(const BbReqCtx *ctx, BbReception *reception);

/* bb_reception_problem - report a problem, unless there is a new order. */
extern void bb_reception_problem(BbReception *reception, int problem,
								 TimeLineID tli, XLogRecPtr lsn);

#endif /* BB_INTAKE_RECEPTION_H */
