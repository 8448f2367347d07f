/*-------------------------------------------------------------------------
 *
 * reception_internal.h
 *	  The parts of a connection of a receiver.
 *
 *	  reception.c			connect, the slot, the order, where to begin
 *	  reception_stream.c	messages and feedback
 *	  reception_step.c		what is decided there, and what both need
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_RECEPTION_INTERNAL_H
#define BB_INTAKE_RECEPTION_INTERNAL_H

#include "intake/reception.h"

/* How often to look whether the leader still runs. */
#define BB_RECEPTION_LOOK_MS 5000

typedef struct BbReceptionStream
{
	const BbReqCtx *ctx;
	BbReception *reception;
	const BbSource *source;
	BbReplConnection *connection;
	MemoryContext scratch;
	XLogRecPtr	confirmed_lsn;
	BbFeedback	last; /* reported */
	bool		is_requested;
	bool		is_synchronous;
	long		interval_ms;
	TimestampTz heard; /* from the source */
	bool		asked;
	XLogRecPtr	known_lsn; /* was received by former connections */
	TimestampTz begun;	   /* this one */
	bool		is_fine;   /* it goes beyond, or has lasted */
} BbReceptionStream;

/* ---- reception_step.c ---- */

/* Look after interrupts and settings; the latch is reset. */
extern void bb_reception_look_around(const BbReqCtx *ctx);

/*
 * bb_reception_leave_source - the source's WAL isn't what was received before,
 * from lsn on: keep nothing but what is durable, report the problem if that
 * isn't in the source, either, and raise an error.
 */
pg_noreturn extern void bb_reception_leave_source(BbReceptionStream *stream,
												  XLogRecPtr lsn);

/*
 * bb_reception_take_step - carry out what was decided.  Returns false if that
 * is a problem.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the source isn't where it should be,
 * but may get there).
 */
extern bool bb_reception_take_step(const BbReceptionStream *stream,
								   BbPositionStep step);

/* bb_reception_source - returns a source and its options, as they are now. */
extern BbSource *bb_reception_source(const char *name);

/*
 * bb_reception_source_changed - have the options of the source or of its user
 * mapping changed since the connection was made?
 *
 * Errors: those of bb_source_access, also if the role may not use it any more.
 */
extern bool bb_reception_source_changed(const BbReceptionStream *stream);

/* ---- reception_stream.c ---- */

/* bb_reception_stream - stream one tli after the other, until there is a reason
 * to stop. */
extern void bb_reception_stream(BbReceptionStream *stream);

#endif /* BB_INTAKE_RECEPTION_INTERNAL_H */
