/*-------------------------------------------------------------------------
 *
 * connection.h
 *	  A replication connection to a server, by libpq, and its short commands.
 *
 *	  connection.h	connect, identify, slots, history files, settings
 *	  basebackup.h	BASE_BACKUP: archives of files
 *	  walstream.h	START_REPLICATION: WAL, and what was done with it
 *
 * A connection belongs to the memory context that it was opened in, which
 * closes it.  libpq never blocks: every wait includes the process latch, so
 * a cancel, SIGTERM and the deadline of the call end it at once.  A server
 * that doesn't answer a short command within a minute is given up.
 *
 * An error of the server leaves the connection usable, if it was the answer to
 * a short command; after all other errors it takes no more commands.
 *
 * Nothing that the server sends is trusted: numbers, names and lengths are
 * checked before they are used, and text is escaped before it is shown.
 *
 * (The protocol: "Streaming Replication Protocol" in PostgreSQL's
 * documentation; walsender.c; receivelog.c and streamutil.c of pg_basebackup.)
 *
 * Errors of all functions: QUERY_CANCELED; CONNECTION_FAILURE (the connection
 * can't be made, or breaks); PROTOCOL_VIOLATION (an answer that no server
 * gives); an error of the server, with its SQLSTATE, message, detail and
 * hint, and the command in the context.  A password is never shown.
 *
 * The SQLSTATE of a server that stops, or that cancels its own command, is
 * changed to CONNECTION_FAILURE, since it would have another meaning here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAMING_CONNECTION_H
#define BB_STREAMING_CONNECTION_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"

typedef struct BbReplConnection BbReplConnection;

/* Where to connect, in libpq's words; both arrays end with NULL. */
typedef struct BbReplTarget
{
	const char *name; /* of the source, for messages: the foreign server */
	const char **keywords;
	const char **values;
	bool		need_password; /* refuse a server that didn't ask for one */
	int			first_host;	   /* tried first; those before it come last */
} BbReplTarget;

/* Which server answers. */
typedef struct BbReplServer
{
	uint64		system_identifier;
	TimeLineID	tli;
	XLogRecPtr	lsn;		  /* flushed; of a standby: replayed or received */
	uint32		segment_size; /* bytes */
	int			version_num;
	int			sender_timeout_ms; /* wal_sender_timeout; 0: none */
	const char *host;			   /* and port, for messages: "db1:5432" */
	const char *user;			   /* the role there */
	bool		in_recovery; /* when the connection was made: a standby */
	bool		encrypted;	 /* by TLS or GSSAPI */
} BbReplServer;

typedef struct BbReplSlot
{
	bool		exists;
	bool		physical;
	XLogRecPtr	restart_lsn; /* Invalid: none, or the slot was invalidated */
	TimeLineID	restart_tli;
} BbReplSlot;

/*
 * bb_repl_connect - connect, and identify the server.
 *
 * Several hosts are tried in turn, as libpq does.  Refuses a server of another
 * major version than this one's.
 *
 * Errors, also: OBJECT_NOT_IN_PREREQUISITE_STATE (another major version);
 * INVALID_PASSWORD and the like (of the server);
 * INSUFFICIENT_PRIVILEGE (need_password, and the server asked for none).
 */
extern BbReplConnection *bb_repl_connect(const BbReqCtx *ctx,
										 const BbReplTarget *target);

/*
 * bb_repl_host_count - returns the number of hosts.
 *
 * Errors: those of bb_repl_connect, of a list that isn't valid.
 */
extern int bb_repl_host_count(const BbReplTarget *target);

/* bb_repl_server - returns what bb_repl_connect or bb_repl_identify learnt. */
extern const BbReplServer *bb_repl_server(const BbReplConnection *connection);

/* bb_repl_identify - ask again, for the present tli and LSN. */
extern const BbReplServer *bb_repl_identify(const BbReqCtx *ctx,
											BbReplConnection *connection);

/* bb_repl_show - returns the value of a setting of the server, palloc'd. */
extern char *bb_repl_show(const BbReqCtx *ctx, BbReplConnection *connection,
						  const char *setting);

/*
 * bb_repl_history - returns the text of the history file of a tli, palloc'd,
 * checked to be text without zero bytes.
 */
extern char *bb_repl_history(const BbReqCtx *ctx, BbReplConnection *connection,
							 TimeLineID tli);

/* bb_repl_slot_read - look at a replication slot (READ_REPLICATION_SLOT). */
extern BbReplSlot bb_repl_slot_read(const BbReqCtx *ctx,
									BbReplConnection *connection,
									const char *slot);

/*
 * bb_repl_slot_create - create a physical slot that reserves WAL at once.
 *
 * A temporary slot ends with the connection.
 *
 * Errors, also: DUPLICATE_OBJECT; CONFIGURATION_LIMIT_EXCEEDED
 * (max_replication_slots of the source).
 */
extern void bb_repl_slot_create(const BbReqCtx *ctx,
								BbReplConnection *connection, const char *slot,
								bool temporary);

/*
 * bb_repl_slot_drop - drop a slot; no error if there is none.
 *
 * Errors, also: OBJECT_IN_USE (another connection uses it).
 */
extern void bb_repl_slot_drop(const BbReqCtx *ctx,
							  BbReplConnection *connection, const char *slot);

/* bb_repl_close - close a connection before its context does. */
extern void bb_repl_close(BbReplConnection *connection);

#endif /* BB_STREAMING_CONNECTION_H */
