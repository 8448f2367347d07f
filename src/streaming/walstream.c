/*-------------------------------------------------------------------------
 *
 * walstream.c
 *	  WAL as a server writes it: START_REPLICATION on a replication connection.
 *
 * A server sends WAL without a gap from the position that was asked for, in
 * messages of up to 128 kB, and answers to feedback at any time.  At the end of
 * a tli it says which one goes on:
 *
 *	  CopyBoth ── 'w', 'k' ... ── CopyDone ──► CopyDone ──► (next tli, switch)
 *
 * (XLogSendPhysical, StartReplication and ProcessStandbyReplyMessage in
 * walsender.c; libpqrcv_endstreaming in libpqwalreceiver.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "port/pg_bswap.h"
#include "storage/latch.h"
#include "streaming/connection_internal.h"
#include "streaming/walstream.h"
#include "utils/timestamp.h"
#include "wal/tlihistory.h"

/* The messages of the server: their length without WAL. */
#define WAL_HEADER (1 + 8 + 8 + 8)
#define KEEPALIVE_LENGTH (1 + 8 + 8 + 1)
/* MAX_SEND_SIZE in walsender.c */
#define MAX_WAL_BYTES (XLOG_BLCKSZ * 16)

/* Our message: 'r', three positions, the time, whether to reply. */
#define FEEDBACK_LENGTH (1 + 8 + 8 + 8 + 8 + 1)

static uint64
uint64_at(const char *p)
{
	uint64		n;

	memcpy(&n, p, sizeof(n));
	return pg_ntoh64(n);
}

/* ---- beginning ---- */

/*
 * Did the server leave the tli before lsn?  It would refuse to stream, without
 * a word on where that was, so look at its history.
 */
static bool
has_left(const BbReqCtx *ctx, BbReplConnection *connection, TimeLineID tli,
		 XLogRecPtr lsn)
{
	const BbReplServer *server = bb_repl_identify(ctx, connection);
	TimeLineID	next = server->tli;
	BbTliHistory *history;
	ListCell   *cell;

	if (tli >= server->tli)
		return false;
	history = bb_tlihistory_parse(bb_repl_history(ctx, connection,
												  server->tli),
								  server->tli);
	if (history->complaint != NULL)
		bb_repl_violation(connection, "Its history file is not valid. %s",
						  history->complaint);
	foreach(cell, history->tlis)
	{
		const BbTliRange *range = lfirst(cell);

		if (range->tli == tli && range->end < lsn)
		{
			connection->next_tli = next;
			connection->switch_lsn = range->end;
			return true;
		}
		next = range->tli;
	}
	return false;
}

/* Reads the rows that say which tli goes on, and where. */
static void
read_switch(const BbReqCtx *ctx, BbReplConnection *connection)
{
	bb_answer_shape(connection, 1, 2);
	connection->next_tli = bb_answer_number(connection, 0, 0,
											"next timeline ID",
											(uint64) connection->tli + 1,
											PG_UINT32_MAX);
	connection->switch_lsn = bb_answer_lsn(connection, 0, 1,
										   "end of the timeline");
	if (bb_repl_next(ctx, connection, BB_REPL_ANSWER_TIMEOUT) == NULL ||
		PQresultStatus(connection->result) != PGRES_COMMAND_OK)
		bb_repl_violation(connection, "The command is not completed.");
	bb_repl_finish(ctx, connection);
}

void
bb_walstream_start(const BbReqCtx *ctx, BbReplConnection *connection,
				   const char *slot, TimeLineID tli, XLogRecPtr lsn)
{
	StringInfoData command;

	connection->tli = tli;
	connection->position = lsn;
	connection->next_tli = 0;
	connection->feedback_due = false;
	connection->ask = false;
	if (has_left(ctx, connection, tli, lsn))
		return;

	initStringInfo(&command);
	appendStringInfoString(&command, "START_REPLICATION ");
	if (slot != NULL)
		appendStringInfo(&command, "SLOT %s ", bb_repl_quoted(slot));
	appendStringInfo(&command, "PHYSICAL " BB_LSN_FORMAT " TIMELINE %u",
					 LSN_FORMAT_ARGS(lsn), tli);
	bb_repl_send(ctx, connection, command.data);
	if (bb_repl_next(ctx, connection, BB_REPL_ANSWER_TIMEOUT) == NULL)
		bb_repl_violation(connection, "There is no answer.");
	if (PQresultStatus(connection->result) == PGRES_TUPLES_OK)
		read_switch(ctx, connection);
	else if (PQresultStatus(connection->result) != PGRES_COPY_BOTH)
		bb_repl_violation(connection, "The answer is \"%s\".",
						  PQresStatus(PQresultStatus(connection->result)));
}

/* ---- messages ---- */

static BbStreamNext
switched(BbReplConnection *connection, BbStreamMessage *message)
{
	message->next_tli = connection->next_tli;
	message->switch_lsn = connection->switch_lsn;
	return BB_STREAM_SWITCH;
}

/* The server has ended the stream: why? */
static BbStreamNext
end_of_stream(const BbReqCtx *ctx, BbReplConnection *connection,
			  BbStreamMessage *message)
{
	PGresult   *result = bb_repl_next(ctx, connection, BB_REPL_ANSWER_TIMEOUT);

	/* CopyDone: now the stream ends on our side, too */
	if (result != NULL && PQresultStatus(result) == PGRES_COPY_IN)
	{
		if (PQputCopyEnd(connection->pg, NULL) <= 0)
			bb_repl_lost(connection);
		result = bb_repl_next(ctx, connection, BB_REPL_ANSWER_TIMEOUT);
		if (result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK)
		{
			read_switch(ctx, connection);
			return switched(connection, message);
		}
	}
	if (result == NULL || PQresultStatus(result) != PGRES_COMMAND_OK)
		bb_repl_violation(connection, "The stream ends with \"%s\".",
						  result == NULL
							  ? "nothing"
							  : PQresStatus(PQresultStatus(result)));
	connection->broken = true;
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("source \"%s\" has ended the stream of WAL",
					connection->name),
			 errdetail("The server at %s is shutting down.",
					   connection->server.host)));
}

static BbStreamNext
take_wal(BbReplConnection *connection, const char *data, int length,
		 BbStreamMessage *message)
{
	if (length <= WAL_HEADER || length > WAL_HEADER + MAX_WAL_BYTES)
		bb_repl_violation(connection, "A message with WAL has %d bytes.",
						  length);
	message->lsn = uint64_at(data + 1);
	message->source_lsn = uint64_at(data + 9);
	message->source_time = (TimestampTz) uint64_at(data + 17);
	message->reply_requested = false;
	message->data = (const uint8 *) data + WAL_HEADER;
	message->length = length - WAL_HEADER;
	if (message->lsn != connection->position ||
		message->lsn + message->length < message->lsn)
		bb_repl_violation(connection,
						  "WAL comes from position " BB_LSN_FORMAT
						  " instead of " BB_LSN_FORMAT ".",
						  LSN_FORMAT_ARGS(message->lsn),
						  LSN_FORMAT_ARGS(connection->position));
	connection->position += message->length;
	return BB_STREAM_WAL;
}

static BbStreamNext
take_keepalive(BbReplConnection *connection, const char *data, int length,
			   BbStreamMessage *message)
{
	if (length != KEEPALIVE_LENGTH)
		bb_repl_violation(connection, "A keepalive message has %d bytes.",
						  length);
	message->source_lsn = uint64_at(data + 1);
	message->source_time = (TimestampTz) uint64_at(data + 9);
	message->reply_requested = data[17] != 0;
	return BB_STREAM_KEEPALIVE;
}

BbStreamNext
bb_walstream_next(const BbReqCtx *ctx, BbReplConnection *connection,
				  BbStreamMessage *message)
{
	const char *data;
	int			length;

	bb_reqctx_check(ctx);
	memset(message, 0, sizeof(BbStreamMessage));
	if (connection->next_tli != 0)
		return switched(connection, message);
	length = bb_repl_copied(connection, &data);
	if (length == 0)
		return BB_STREAM_NOTHING;
	if (length < 0)
		return end_of_stream(ctx, connection, message);
	if (data[0] == 'w')
		return take_wal(connection, data, length, message);
	if (data[0] == 'k')
		return take_keepalive(connection, data, length, message);
	bb_repl_violation(connection, "A message of the stream has the type %d.",
					  (unsigned char) data[0]);
}

/* ---- feedback ---- */

/* Queue the positions once everything before them has been sent. */
static void
send_feedback(BbReplConnection *connection)
{
	char		bytes[FEEDBACK_LENGTH];
	uint64		numbers[4] = {connection->written, connection->flushed,
							  InvalidXLogRecPtr, GetCurrentTimestamp()};

	if (!connection->feedback_due || bb_repl_flush(connection))
		return;
	bytes[0] = 'r';
	for (int i = 0; i < lengthof(numbers); i++)
	{
		numbers[i] = pg_hton64(numbers[i]);
		memcpy(bytes + 1 + i * sizeof(uint64), &numbers[i], sizeof(uint64));
	}
	bytes[FEEDBACK_LENGTH - 1] = connection->ask;
	if (PQputCopyData(connection->pg, bytes, FEEDBACK_LENGTH) < 0)
		bb_repl_lost(connection);
	connection->feedback_due = false;
	connection->ask = false;
	(void) bb_repl_flush(connection);
}

void
bb_walstream_feedback(const BbReqCtx *ctx, BbReplConnection *connection,
					  XLogRecPtr written, XLogRecPtr flushed, bool ask)
{
	if (connection->next_tli != 0 || !connection->busy)
		return;
	connection->written = written;
	connection->flushed = flushed;
	connection->ask |= ask;
	connection->feedback_due = true;
	send_feedback(connection);
}

void
bb_walstream_wait(const BbReqCtx *ctx, BbReplConnection *connection,
				  bool listen, long timeout_ms)
{
	(void) bb_repl_wait(ctx, connection, listen, timeout_ms);
	send_feedback(connection);
}
