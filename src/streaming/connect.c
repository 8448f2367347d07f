/*-------------------------------------------------------------------------
 *
 * connect.c
 *	  Connects to the first of several hosts that accepts.
 *
 *	  for each host, each address ── start ── poll ◄─► wait ── connected?
 *			▲												   │ no: why
 *			└──────────────────────────────────────────────────┘
 *
 * libpq tries several addresses itself, but only its blocking functions heed
 * connect_timeout: with PQconnectPoll, a host that doesn't answer would be the
 * last one that is tried.  So each address is a connection of its own here.  As
 * in libpq, connect_timeout is that of an address, the next one is not tried if
 * a server refuses the role or its password, and "prefer-standby" tries all of
 * them twice.
 *
 * (connectDBComplete and PQconnectPoll in libpq's fe-connect.c;
 * libpqrcv_connect in libpqwalreceiver.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "streaming/connection_internal.h"
#include "streaming/hosts_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* If the source has no connect_timeout, in seconds. */
#define DEFAULT_CONNECT_TIMEOUT "30"

/* Show so many notices of a connection. */
#define MAX_NOTICES 20

/* What connecting needs, and what it has found out. */
typedef struct Attempt
{
	BbReplConnection *connection;
	const BbReplTarget *target;
	int			timeout_s; /* for each address; 0: none */
	StringInfoData failures;
	int			sqlstate; /* of the last failure */
} Attempt;

/* ---- failures ---- */

/* Returns the SQLSTATE that a line has after ":  ", and where it is; 0: none. */
static int
find_sqlstate(const char *line, const char **where)
{
	for (const char *p = line; (p = strstr(p, ":  ")) != NULL; p += 3)
	{
		const char *state = p + 3;

		if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
			strncmp(state + 5, ": ", 2) == 0)
		{
			*where = state;
			return MAKE_SQLSTATE(state[0], state[1], state[2], state[3],
								 state[4]);
		}
	}
	return 0;
}

/* Does a line say where in its source the server raised an error? */
static bool
is_location(const char *line)
{
	const char *file = strstr(line, ".c:");

	return file != NULL && strstr(line, ":  ") != NULL && file[3] != '\0' &&
		file[3 + strspn(file + 3, "0123456789")] == '\0';
}

/*
 * Copy a message of libpq without the SQLSTATEs and the places in the server's
 * source, and return the last SQLSTATE.
 *
 * While it connects, libpq tells the SQLSTATE only in a verbose message.  There
 * are several if it has tried with TLS and without.  (pqBuildErrorMessage3 in
 * fe-protocol3.c: "FATAL:  28P01: password ...".)
 */
static int
copy_failure(StringInfo to, const char *message)
{
	int			sqlstate = ERRCODE_CONNECTION_FAILURE;

	while (*message != '\0')
	{
		size_t		length = strcspn(message, "\n");
		char	   *line = pnstrdup(message, length);
		const char *state;
		int			found = find_sqlstate(line, &state);

		message += length + (message[length] == '\n');
		if (line[0] == '\0' || is_location(line))
			continue;
		if (to->len > 0)
			appendStringInfoChar(to, '\n');
		if (found != 0)
		{
			sqlstate = found;
			appendBinaryStringInfo(to, line, state - line);
			line = unconstify(char *, state) + 7;
		}
		appendStringInfoString(to, bb_text_valid(line));
	}
	if (sqlstate == ERRCODE_QUERY_CANCELED ||
		sqlstate == ERRCODE_SUCCESSFUL_COMPLETION)
		return ERRCODE_CONNECTION_FAILURE;
	return sqlstate;
}

static void
close_connection(BbReplConnection *connection)
{
	PQfinish(connection->pg);
	connection->pg = NULL;
}

/* libpq names the address only; "name" is what was looked up, or NULL. */
static void
add_failure(Attempt *attempt, const char *name, const char *message)
{
	message = pnstrdup(message, strnlen(message, 2000));
	if (name != NULL)
		message = psprintf("host \"%s\": %s", name, message);
	attempt->sqlstate = copy_failure(&attempt->failures, message);
}

/* Would another server refuse us, too? */
static bool
is_refusal(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION ||
		sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE;
}

pg_noreturn static void
give_up(Attempt *attempt)
{
	ereport(ERROR,
			(errcode(attempt->sqlstate),
			 errmsg("could not connect to source \"%s\"",
					attempt->target->name),
			 errdetail_internal("%s", attempt->failures.data)));
}

/* ---- one address ---- */

/* A notice of the server.  Must not throw. */
static void
take_notice(void *arg, const PGresult *result)
{
	BbReplConnection *connection = arg;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *severity = PQresultErrorField(result,
											  PG_DIAG_SEVERITY_NONLOCALIZED);
	bool		warning = severity != NULL && strcmp(severity, "WARNING") == 0;

	if (message == NULL || ++connection->notices > MAX_NOTICES)
		return;
	ereport(warning ? WARNING : DEBUG1,
			(errmsg_internal("source \"%s\": %s", connection->name,
							 bb_text_valid(
								 pnstrdup(message, strnlen(message, 500))))));
}

/* Start to connect to an address; the connection is connection->pg. */
static void
start(Attempt *attempt, const BbReplHost *host, const char *session)
{
	const BbReplTarget *target = attempt->target;
	const char **keywords;
	const char **values;
	int			n = 0;

	while (target->keywords[n] != NULL)
		n++;
	keywords = palloc((n + 16) * sizeof(char *));
	values = palloc((n + 16) * sizeof(char *));
	n = 0;
#define ADD(keyword, value) (keywords[n] = (keyword), values[n++] = (value))
	for (int i = 0; target->keywords[i] != NULL; i++)
	{
		if (strcmp(target->keywords[i], "host") != 0 &&
			strcmp(target->keywords[i], "hostaddr") != 0 &&
			strcmp(target->keywords[i], "port") != 0 &&
			strcmp(target->keywords[i], "connect_timeout") != 0 &&
			strcmp(target->keywords[i], "target_session_attrs") != 0)
			ADD(target->keywords[i], target->values[i]);
	}
	if (host->host != NULL)
		ADD("host", host->host);
	if (host->hostaddr != NULL)
		ADD("hostaddr", host->hostaddr);
	ADD("port", host->port);
	ADD("target_session_attrs", session);
	/* as libpqwalreceiver; "dbname" is that of a password file */
	ADD("replication", "true");
	ADD("dbname", "replication");
	ADD("fallback_application_name", "bbackup");
	ADD("client_encoding", GetDatabaseEncodingName());
	ADD("options",
		"-c datestyle=ISO -c intervalstyle=postgres "
		"-c extra_float_digits=3 -c idle_session_timeout=0");
	keywords[n] = NULL;
	values[n] = NULL;
#undef ADD
	attempt->connection->pg = PQconnectStartParams(keywords, values, 0);
	pfree(keywords);
	pfree(values);
	if (attempt->connection->pg == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory")));
	PQsetErrorVerbosity(attempt->connection->pg, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(attempt->connection->pg, take_notice,
						attempt->connection);
}

/* Returns the time that is left for an address; -1: no limit. */
static long
left_ms(const Attempt *attempt, TimestampTz start)
{
	if (attempt->timeout_s <= 0)
		return -1;
	return Max(0,
			   attempt->timeout_s * 1000L -
				   TimestampDifferenceMilliseconds(start,
												   GetCurrentTimestamp()));
}

/* Wait for an event of the socket; false: it hasn't come yet. */
static bool
wait_for(const BbReqCtx *ctx, BbReplConnection *connection, int event,
		 long timeout_ms)
{
	long		call_ms = bb_reqctx_wait_ms(ctx);
	int			wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | event;
	int			events;

	if (timeout_ms < 0 || (call_ms >= 0 && call_ms < timeout_ms))
		timeout_ms = call_ms;
	if (timeout_ms >= 0)
		wanted |= WL_TIMEOUT;
	events = WaitLatchOrSocket(MyLatch, wanted, PQsocket(connection->pg),
							   timeout_ms, PG_WAIT_EXTENSION);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	bb_reqctx_check(ctx);
	return (events & event) != 0;
}

/* Returns true if the address accepts; else the attempt has one failure more. */
static bool
try_address(const BbReqCtx *ctx, Attempt *attempt, const BbReplHost *host,
			const char *session)
{
	BbReplConnection *connection = attempt->connection;
	TimestampTz begun = GetCurrentTimestamp();
	const char *name = host->hostaddr != NULL && host->host != NULL &&
			strcmp(host->host, host->hostaddr) != 0
		? host->host
		: NULL;
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	start(attempt, host, session);
	while (PQstatus(connection->pg) != CONNECTION_BAD &&
		   status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED)
	{
		long		ms = left_ms(attempt, begun);

		if (ms == 0)
		{
			add_failure(attempt, name,
						psprintf("connection to server at \"%s\", port %s "
								 "failed: timeout expired",
								 host->hostaddr != NULL ? host->hostaddr
														: host->host,
								 host->port));
			close_connection(connection);
			return false;
		}
		/* libpq takes a socket for connected that isn't yet, so ask it late */
		if (wait_for(ctx, connection,
					 status == PGRES_POLLING_READING ? WL_SOCKET_READABLE
													 : WL_SOCKET_WRITEABLE,
					 ms))
			status = PQconnectPoll(connection->pg);
	}
	if (status == PGRES_POLLING_OK &&
		PQstatus(connection->pg) == CONNECTION_OK)
		return true;
	add_failure(attempt, name, PQerrorMessage(connection->pg));
	close_connection(connection);
	return false;
}

/* Returns true if an address of a host accepts. */
static bool
try_addresses(const BbReqCtx *ctx, Attempt *attempt, const BbReplHost *host,
			  const char *session)
{
	const char *failure;
	List	   *addresses = bb_replhosts_look_up(ctx, host,
												 attempt->timeout_s > 0
													 ? attempt->timeout_s *
														 1000L
													 : -1,
												 &failure);
	ListCell   *cell;

	if (failure != NULL)
		add_failure(attempt, NULL, failure);
	foreach(cell, addresses)
	{
		if (try_address(ctx, attempt, lfirst(cell), session))
			return true;
		if (is_refusal(attempt->sqlstate))
			give_up(attempt);
	}
	return false;
}

/* Returns true if a host accepts. */
static bool
try_hosts(const BbReqCtx *ctx, Attempt *attempt, const List *hosts,
		  const char *session)
{
	ListCell   *cell;

	foreach(cell, hosts)
	{
		if (try_addresses(ctx, attempt, lfirst(cell), session))
			return true;
	}
	return false;
}

/* ---- the connection ---- */

void
bb_replconnect_open(const BbReqCtx *ctx, BbReplConnection *connection,
					const BbReplTarget *target)
{
	Attempt		attempt = {.connection = connection, .target = target};
	const char *session = bb_replhost_option(target, "target_session_attrs",
											 "any");
	List	   *hosts = bb_replhosts_of(target);
	bool		accepted;

	attempt.timeout_s = atoi(bb_replhost_option(target, "connect_timeout",
												DEFAULT_CONNECT_TIMEOUT));
	initStringInfo(&attempt.failures);
	if (strcmp(session, "prefer-standby") == 0)
		accepted = try_hosts(ctx, &attempt, hosts, "standby") ||
			try_hosts(ctx, &attempt, hosts, "any");
	else
		accepted = try_hosts(ctx, &attempt, hosts, session);
	if (!accepted)
		give_up(&attempt);
	if (target->need_password && !PQconnectionUsedPassword(connection->pg))
	{
		close_connection(connection);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("source \"%s\" did not ask for a password",
						target->name),
				 errdetail("Only superusers can use a source that does not, "
						   "since it may trust the operating system user of "
						   "this server."),
				 errhint("Let the source's authentication method be one with "
						 "a password, or let a superuser set the option "
						 "password_required 'false' of the user mapping.")));
	}
	PQsetnonblocking(connection->pg, 1);
	PQsetErrorVerbosity(connection->pg, PQERRORS_DEFAULT);
}
