/*-------------------------------------------------------------------------
 *
 * exchange.c
 *	  Commands to a server, its answers, and its errors.
 *
 *	  send ── next = result ... ── next = NULL: the next command may be sent
 *
 * libpq is in non-blocking mode.  Nothing here calls a function of it that
 * would wait: PQgetResult is called once PQisBusy says that a result is there,
 * or the connection is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "streaming/connection_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Of bytes that a server sends as text, show at most so many. */
#define SHOWN_BYTES 2000

/* ---- waiting ---- */

/*
 * The set lives as long as the connection: a receiver waits for each commit of
 * its source, and making a set takes more system calls than the wait.
 */
static void
make_events(BbReplConnection *connection)
{
	WaitEventSet *set = BB_WAIT_EVENT_SET_NEW(3);

	PG_TRY();
	{
		bb_wait_set_begin(set);
		connection->socket_event = AddWaitEventToSet(set, WL_SOCKET_READABLE,
													 PQsocket(connection->pg),
													 NULL, NULL);
	}
	PG_CATCH();
	{
		FreeWaitEventSet(set);
		PG_RE_THROW();
	}
	PG_END_TRY();
	connection->events = set;
}

/* As WaitLatchOrSocket.  timeout_ms -1: none. */
static int
wait_for_events(BbReplConnection *connection, int wanted, long timeout_ms)
{
	WaitEvent	event;

	if (connection->events == NULL)
		make_events(connection);
	ModifyWaitEvent(connection->events, connection->socket_event, wanted,
					NULL);
	if (WaitEventSetWait(connection->events, timeout_ms, &event, 1,
						 PG_WAIT_EXTENSION) == 0)
		return WL_TIMEOUT;
	return (int) event.events;
}

int
bb_repl_wait(const BbReqCtx *ctx, BbReplConnection *connection, bool listen,
			 long timeout_ms)
{
	long		left_ms = bb_reqctx_wait_ms(ctx);
	int			wanted = 0;
	int			events;

	if (timeout_ms < 0 || (left_ms >= 0 && left_ms < timeout_ms))
		timeout_ms = left_ms;
	if (listen)
		wanted |= WL_SOCKET_READABLE;
	if (bb_repl_flush(connection))
		wanted |= WL_SOCKET_WRITEABLE;
	if (PQsocket(connection->pg) < 0)
		bb_repl_lost(connection);
	if (wanted != 0)
		events = wait_for_events(connection, wanted, timeout_ms);
	else
		events = WaitLatch(MyLatch,
						   WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							   (timeout_ms >= 0 ? WL_TIMEOUT : 0),
						   timeout_ms, PG_WAIT_EXTENSION);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	bb_reqctx_check(ctx);
	if (events & WL_SOCKET_WRITEABLE)
		(void) bb_repl_flush(connection);
	return events;
}

bool
bb_repl_flush(BbReplConnection *connection)
{
	int			result = PQflush(connection->pg);

	if (result < 0)
		bb_repl_lost(connection);
	return result != 0;
}

/* Raise that the server doesn't answer. */
pg_noreturn static void
give_up(BbReplConnection *connection, long timeout_ms)
{
	connection->broken = true;
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("source \"%s\" does not answer", connection->name),
			 errdetail("There was no answer to the command \"%s\" for %ld "
					   "seconds.",
					   connection->command, timeout_ms / 1000)));
}

/*
 * Wait until PQgetResult will not.  The connection may be lost then; without a
 * socket, PQgetResult has the reason at once.
 */
static void
wait_for_result(const BbReqCtx *ctx, BbReplConnection *connection,
				long timeout_ms)
{
	TimestampTz start = timeout_ms >= 0 ? GetCurrentTimestamp() : 0;

	while (PQisBusy(connection->pg) && PQsocket(connection->pg) >= 0)
	{
		long		left_ms = -1;

		if (timeout_ms >= 0)
		{
			left_ms = timeout_ms -
				TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
			if (left_ms <= 0)
				give_up(connection, timeout_ms);
		}
		/* a failure to read that leaves the socket open is one of memory */
		if ((bb_repl_wait(ctx, connection, true, left_ms) &
			 WL_SOCKET_READABLE) &&
			!PQconsumeInput(connection->pg) && PQsocket(connection->pg) >= 0)
			bb_repl_lost(connection);
	}
}

/* ---- errors ---- */

static const char *
shown(const char *text)
{
	if (text == NULL)
		return NULL;
	return bb_text_valid(pnstrdup(text, strnlen(text, SHOWN_BYTES)));
}

/* In ereport(). */
static int
add_context(const BbReplConnection *connection)
{
	if (connection->command != NULL)
		errcontext("command \"%s\" of source \"%s\" at %s",
				   shown(connection->command), connection->name,
				   connection->server.host);
	return 0;
}

void
bb_repl_lost(BbReplConnection *connection)
{
	const char *reason = shown(pchomp(PQerrorMessage(connection->pg)));

	connection->broken = true;
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("connection to source \"%s\" was lost", connection->name),
			 reason[0] != '\0' ? errdetail_internal("%s", reason) : 0,
			 add_context(connection)));
}

void
bb_repl_violation(BbReplConnection *connection, const char *detail, ...)
{
	StringInfoData text;
	va_list		args;

	connection->broken = true;
	initStringInfo(&text);
	for (;;)
	{
		int			more;

		va_start(args, detail);
		more = appendStringInfoVA(&text, detail, args);
		va_end(args);
		if (more == 0)
			break;
		enlargeStringInfo(&text, more);
	}
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("source \"%s\" gave an answer that no server gives",
					connection->name),
			 errdetail_internal("%s", shown(text.data)),
			 errhint("Check that the options of the source lead to a "
					 "PostgreSQL server."),
			 add_context(connection)));
}

/*
 * Return the SQLSTATE of an error; CONNECTION_FAILURE if libpq made it.
 *
 * The cancellation of a walsender, and only that, is another state here: it
 * must not be taken for the cancellation of this call.
 */
static int
sqlstate_of(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	int			code;

	if (state == NULL)
		return ERRCODE_CONNECTION_FAILURE;
	if (strlen(state) != 5 ||
		strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5)
		return ERRCODE_PROTOCOL_VIOLATION;
	code = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
	if (code == ERRCODE_QUERY_CANCELED)
		return ERRCODE_CONNECTION_FAILURE;
	if (code == ERRCODE_SUCCESSFUL_COMPLETION)
		return ERRCODE_PROTOCOL_VIOLATION;
	return code;
}

static bool
is_error(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
		status == PGRES_NONFATAL_ERROR;
}

static void
set_result(BbReplConnection *connection, PGresult *result)
{
	PQclear(connection->result);
	connection->result = result;
}

/* Skip results up to the end of the command; the connection may be lost. */
static void
skip_results(const BbReqCtx *ctx, BbReplConnection *connection)
{
	for (;;)
	{
		PGresult   *result;
		bool		ends;

		wait_for_result(ctx, connection, BB_REPL_ANSWER_TIMEOUT);
		result = PQgetResult(connection->pg);
		if (result == NULL)
			break;
		/* COPY doesn't end without its data */
		ends = is_error(result) || PQresultStatus(result) == PGRES_TUPLES_OK ||
			PQresultStatus(result) == PGRES_COMMAND_OK;
		PQclear(result);
		if (!ends)
		{
			connection->broken = true;
			break;
		}
	}
	if (PQstatus(connection->pg) != CONNECTION_OK)
		connection->broken = true;
}

/*
 * Is the server about to shut down?  Then it refuses all commands, with
 * OBJECT_NOT_IN_PREREQUISITE_STATE (exec_replication_command in walsender.c),
 * which has another meaning for commands that use slots.
 */
static bool
is_stopping(const BbReqCtx *ctx, BbReplConnection *connection)
{
	PGresult   *result;
	bool		refused;

	if (connection->broken || !PQsendQuery(connection->pg, "IDENTIFY_SYSTEM"))
		return true;
	wait_for_result(ctx, connection, BB_REPL_ANSWER_TIMEOUT);
	result = PQgetResult(connection->pg);
	refused = PQresultStatus(result) != PGRES_TUPLES_OK;
	PQclear(result);
	skip_results(ctx, connection);
	return refused;
}

static const char *
field_of(const PGresult *result, int field)
{
	return shown(PQresultErrorField(result, field));
}

void
bb_repl_fail(const BbReqCtx *ctx, BbReplConnection *connection)
{
	const PGresult *result = connection->result;
	int			sqlstate = sqlstate_of(result);
	const char *message = field_of(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = field_of(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = field_of(result, PG_DIAG_MESSAGE_HINT);

	if (message == NULL)
		message = shown(pchomp(PQresultErrorMessage(result)));
	skip_results(ctx, connection);
	connection->busy = false;
	if (sqlstate == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE &&
		is_stopping(ctx, connection))
		sqlstate = ERRCODE_CONNECTION_FAILURE;
	ereport(ERROR,
			(errcode(sqlstate),
			 message[0] != '\0'
			 ? errmsg_internal("%s", message)
			 : errmsg("connection to source \"%s\" was lost",
					  connection->name),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 hint != NULL ? errhint("%s", hint) : 0,
			 add_context(connection)));
}

/* ---- commands and results ---- */

void
bb_repl_send(const BbReqCtx *ctx, BbReplConnection *connection,
			 const char *command)
{
	if (connection->busy || connection->broken)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("connection to source \"%s\" takes no more commands",
						connection->name)));
	if (connection->command != NULL)
		pfree(connection->command);
	connection->command = NULL;
	connection->command = MemoryContextStrdup(connection->context, command);
	connection->busy = true;
	if (!PQsendQuery(connection->pg, command))
		bb_repl_lost(connection);
	(void) bb_repl_flush(connection);
}

PGresult *
bb_repl_next(const BbReqCtx *ctx, BbReplConnection *connection,
			 long timeout_ms)
{
	wait_for_result(ctx, connection, timeout_ms);
	set_result(connection, PQgetResult(connection->pg));
	if (connection->result == NULL)
	{
		if (PQstatus(connection->pg) != CONNECTION_OK)
			bb_repl_lost(connection);
		connection->busy = false;
	}
	else if (is_error(connection->result))
		bb_repl_fail(ctx, connection);
	return connection->result;
}

void
bb_repl_finish(const BbReqCtx *ctx, BbReplConnection *connection)
{
	if (bb_repl_next(ctx, connection, BB_REPL_ANSWER_TIMEOUT) != NULL)
		bb_repl_violation(connection, "After the answer comes \"%s\".",
						  PQresStatus(PQresultStatus(connection->result)));
}

/* Does the last result have the error "expected", and nothing after it? */
static bool
is_expected(const BbReqCtx *ctx, BbReplConnection *connection, int expected)
{
	if (expected == 0 || sqlstate_of(connection->result) != expected)
		return false;
	skip_results(ctx, connection);
	return expected != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
		!is_stopping(ctx, connection);
}

PGresult *
bb_repl_query(const BbReqCtx *ctx, BbReplConnection *connection,
			  const char *command, int expected)
{
	PGresult   *more;

	bb_repl_send(ctx, connection, command);
	wait_for_result(ctx, connection, BB_REPL_ANSWER_TIMEOUT);
	set_result(connection, PQgetResult(connection->pg));
	if (connection->result == NULL)
		bb_repl_violation(connection, "There is no answer.");
	if (is_error(connection->result))
	{
		if (!is_expected(ctx, connection, expected))
			bb_repl_fail(ctx, connection);
		connection->busy = false;
		return NULL;
	}
	if (PQresultStatus(connection->result) != PGRES_TUPLES_OK &&
		PQresultStatus(connection->result) != PGRES_COMMAND_OK)
		bb_repl_violation(connection, "The answer is \"%s\".",
						  PQresStatus(PQresultStatus(connection->result)));

	/* the rows stay the last result */
	wait_for_result(ctx, connection, BB_REPL_ANSWER_TIMEOUT);
	more = PQgetResult(connection->pg);
	if (more != NULL)
	{
		set_result(connection, more);
		if (is_error(more))
			bb_repl_fail(ctx, connection);
		bb_repl_violation(connection, "After the answer comes \"%s\".",
						  PQresStatus(PQresultStatus(more)));
	}
	connection->busy = false;
	return connection->result;
}

int
bb_repl_copied(BbReplConnection *connection, const char **data)
{
	int			length;

	PQfreemem(connection->copied);
	connection->copied = NULL;
	length = PQgetCopyData(connection->pg, &connection->copied, 1);
	if (length == 0)
	{
		if (!PQconsumeInput(connection->pg))
			bb_repl_lost(connection);
		length = PQgetCopyData(connection->pg, &connection->copied, 1);
	}
	if (length == -2)
		bb_repl_lost(connection);
	*data = connection->copied;
	return length;
}

char *
bb_repl_quoted(const char *name)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '"');
	for (const char *p = name; *p; p++)
	{
		if (*p == '"')
			appendStringInfoChar(&text, '"');
		appendStringInfoChar(&text, *p);
	}
	appendStringInfoChar(&text, '"');
	return text.data;
}
