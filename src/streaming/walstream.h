/*-------------------------------------------------------------------------
 *
 * walstream.h
 *	  WAL as a server writes it: START_REPLICATION on a replication connection.
 *
 *	  start ( next = WAL | next = KEEPALIVE | next = NOTHING, wait | feedback )*
 *			 next = SWITCH ── the connection takes commands again
 *
 * (WalReceiverMain in walreceiver.c, HandleCopyStream in receivelog.c.)
 *
 * Errors of all functions: those of connection.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAMING_WALSTREAM_H
#define BB_STREAMING_WALSTREAM_H

#include "streaming/connection.h"

typedef enum BbStreamNext
{
	BB_STREAM_NOTHING,	 /* nothing has arrived: wait */
	BB_STREAM_WAL,		 /* bytes of WAL */
	BB_STREAM_KEEPALIVE, /* the server's position only */
	BB_STREAM_SWITCH	 /* the tli has ended, another one goes on */
} BbStreamNext;

typedef struct BbStreamMessage
{
	/* WAL: valid until the next call; at most 128 kB */
	XLogRecPtr	lsn; /* of the first byte */
	const uint8 *data;
	size_t		length;

	/* WAL and KEEPALIVE */
	XLogRecPtr	source_lsn;	 /* the end of the server's WAL */
	TimestampTz source_time; /* its clock, when it sent the message */
	bool		reply_requested;

	/* SWITCH */
	TimeLineID	next_tli;
	XLogRecPtr	switch_lsn; /* the tli's WAL is valid up to here */
} BbStreamMessage;

/*
 * bb_walstream_start - begin to stream the WAL of a tli from lsn.
 *
 * If the server has left the tli at or before lsn, the first call of
 * bb_walstream_next returns BB_STREAM_SWITCH.  A slot of NULL: none.
 *
 * Errors, also: UNDEFINED_OBJECT (no such slot); OBJECT_IN_USE (the slot is in
 * use); OBJECT_NOT_IN_PREREQUISITE_STATE (it was invalidated); INTERNAL_ERROR
 * (tli isn't in the history of the server, or lsn is beyond its end).
 */
extern void bb_walstream_start(const BbReqCtx *ctx,
							   BbReplConnection *connection, const char *slot,
							   TimeLineID tli, XLogRecPtr lsn);

/*
 * bb_walstream_next - returns what arrived next; doesn't wait.
 *
 * Errors, also: UNDEFINED_FILE (a segment was removed).
 */
extern BbStreamNext bb_walstream_next(const BbReqCtx *ctx,
									  BbReplConnection *connection,
									  BbStreamMessage *message);

/*
 * bb_walstream_wait - wait until something arrives, the process latch is set,
 * or timeout_ms is over (-1: no limit).  Resets the latch, so look at all that
 * the latch stands for afterwards.  Commands reset it, too.
 *
 * With listen false, doesn't wait for arrivals, since the caller has no room
 * for WAL; the server stops sending when the socket's buffers are full.
 */
extern void bb_walstream_wait(const BbReqCtx *ctx,
							  BbReplConnection *connection, bool listen,
							  long timeout_ms);

/*
 * bb_walstream_feedback - report positions to the server.
 *
 * "written": received; "flushed": durable, to which the slot moves at once,
 * back too.  The position of replay is reported as unknown.
 *
 * Doesn't wait: what can't be sent now is sent in bb_walstream_wait, and of
 * several reports that can't be sent, only the last one is.
 *
 * With "ask", the server answers with a keepalive at once, which shows that it
 * can be reached.
 */
extern void bb_walstream_feedback(const BbReqCtx *ctx,
								  BbReplConnection *connection,
								  XLogRecPtr written, XLogRecPtr flushed,
								  bool ask);

#endif /* BB_STREAMING_WALSTREAM_H */
