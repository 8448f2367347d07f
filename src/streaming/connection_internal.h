/*-------------------------------------------------------------------------
 *
 * connection_internal.h
 *	  What the files of this room share: a connection, and how it is used.
 *
 *	  connection.c	  the short commands
 *	  walstream.c	  START_REPLICATION
 *	  basebackup.c	  BASE_BACKUP
 *		 |
 *		 v
 *	  exchange.c	  commands and answers, waits, errors of the server
 *	  connect.c		  from the options to a connection that is open
 *		 |
 *		 v
 *	  answer.c		  checks the values of an answer
 *
 * A connection takes a command only if the one before it has been answered
 * completely.  After an error in the midst, it is of no use any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAMING_CONNECTION_INTERNAL_H
#define BB_STREAMING_CONNECTION_INTERNAL_H

#include "base/compat.h"
#include "libpq-fe.h"
#include "nodes/pg_list.h"
#include "process/waitset.h"
#include "streaming/connection.h"

/* How long a server may take to answer a short command, in milliseconds. */
#define BB_REPL_ANSWER_TIMEOUT 60000

struct BbReplConnection
{
	MemoryContext context; /* holds this struct; its callback closes "pg" */
	const char *name;	   /* of the source */
	PGconn	   *pg;
	bool		counted;  /* the socket, by the server, as a descriptor */
	WaitEventSet *events; /* the latch and the socket; NULL: not made yet */
	int			socket_event;
	BbReplServer server;
	int			notices; /* shown so far */

	char	   *command; /* the last one; NULL: none yet */
	bool		busy;	 /* it isn't answered yet */
	bool		broken;	 /* takes no more commands */
	PGresult   *result;	 /* the last answer */
	char	   *copied;	 /* the last message of a COPY */

	/* walstream.c */
	XLogRecPtr	position; /* the next byte of WAL */
	TimeLineID	tli;	  /* that is streamed */
	TimeLineID	next_tli; /* if it is known that it has ended; else 0 */
	XLogRecPtr	switch_lsn;
	bool		feedback_due; /* the positions have not been queued yet */
	bool		ask;		  /* for an answer to them */
	XLogRecPtr	written;
	XLogRecPtr	flushed;

	/* basebackup.c */
	List	   *archives; /* BbServerTablespace *: still to come */
	bool		in_archive;
};

/* ---- connect.c ---- */

/*
 * bb_replconnect_open - connect to the first host that accepts, and set the
 * connection's "pg".
 */
extern void bb_replconnect_open(const BbReqCtx *ctx,
								BbReplConnection *connection,
								const BbReplTarget *target);

/* ---- exchange.c ---- */

/*
 * bb_repl_wait - wait for the latch, for bytes (with listen), for room for
 * output that is pending, or for timeout_ms (-1: no limit).  Then check for a
 * cancel and the deadline.
 *
 * Returns the events (WL_*).  A latch that was set is reset.
 */
extern int bb_repl_wait(const BbReqCtx *ctx, BbReplConnection *connection,
						bool listen, long timeout_ms);

/* bb_repl_flush - send what can be sent now; is output still pending? */
extern bool bb_repl_flush(BbReplConnection *connection);

/* bb_repl_send - send a command. */
extern void bb_repl_send(const BbReqCtx *ctx, BbReplConnection *connection,
						 const char *command);

/*
 * bb_repl_next - wait for the next result of the command; NULL: all was
 * answered.  Valid until the next call.  Raises the errors of the server.
 */
extern PGresult *bb_repl_next(const BbReqCtx *ctx,
							  BbReplConnection *connection, long timeout_ms);

/* bb_repl_finish - all must have been answered. */
extern void bb_repl_finish(const BbReqCtx *ctx, BbReplConnection *connection);

/*
 * bb_repl_query - send a short command, and return its rows, valid until the
 * next command; NULL if the server answers with the error "expected" (0: none).
 */
extern PGresult *bb_repl_query(const BbReqCtx *ctx,
							   BbReplConnection *connection,
							   const char *command, int expected);

/*
 * bb_repl_copied - returns the length of the next message of a COPY, and sets
 * *data, valid until the next call; 0: it has not arrived; -1: COPY has ended.
 */
extern int bb_repl_copied(BbReplConnection *connection, const char **data);

/* bb_repl_fail - raise the error of the server in the last result. */
pg_noreturn extern void bb_repl_fail(const BbReqCtx *ctx,
									 BbReplConnection *connection);

/* bb_repl_lost - the connection has ended; raise that as an error. */
pg_noreturn extern void bb_repl_lost(BbReplConnection *connection);

/*
 * bb_repl_violation - raise PROTOCOL_VIOLATION; the detail is a sentence.
 */
pg_noreturn extern void bb_repl_violation(BbReplConnection *connection,
										  const char *detail, ...)
	pg_attribute_printf(2, 3);

/* bb_repl_quoted - returns a name as an identifier, palloc'd. */
extern char *bb_repl_quoted(const char *name);

/* ---- answer.c ---- */

/*
 * Each checks a value of the last result, and raises PROTOCOL_VIOLATION.
 * "what" names the value in the message.
 */
extern void bb_answer_shape(BbReplConnection *connection, int rows,
							int columns);
extern bool bb_answer_null(BbReplConnection *connection, int row, int column);
extern const char *bb_answer_text(BbReplConnection *connection, int row,
								  int column, const char *what);
extern uint64 bb_answer_number(BbReplConnection *connection, int row,
							   int column, const char *what, uint64 min,
							   uint64 max);
extern XLogRecPtr bb_answer_lsn(BbReplConnection *connection, int row,
								int column, const char *what);

#endif /* BB_STREAMING_CONNECTION_INTERNAL_H */
