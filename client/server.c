/*-------------------------------------------------------------------------
 *
 * server.c
 *	  The server with the page store: its functions, calls of them, the answers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "cleanup.h"
#include "common/logging.h"
#include "common/string.h"
#include "fe_utils/string_utils.h"
#include "option_table.h"
#include "server.h"

pg_noreturn static void too_old(const char *what, const char *name);

/* Finds the functions of the extension, with a row for each argument. */
static const char functions_query[] =
	"SELECT n.nspname, p.proname, a.name"
	" FROM pg_catalog.pg_extension e"
	" JOIN pg_catalog.pg_depend d ON d.refobjid = e.oid"
	" AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
	" AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass"
	" JOIN pg_catalog.pg_proc p ON p.oid = d.objid"
	" JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
	" LEFT JOIN LATERAL pg_catalog.unnest(p.proargnames) a(name) ON true"
	" WHERE e.extname = 'bbackup'";

/* ---- connecting ---- */

bool
bb_connection_option(int letter, ConnParams *params)
{
	switch (letter)
	{
		case 'd':
			params->dbname = optarg;
			return true;
		case 'h':
			params->pghost = optarg;
			return true;
		case 'p':
			params->pgport = optarg;
			return true;
		case 'U':
			params->pguser = optarg;
			return true;
		case 'w':
			params->prompt_password = TRI_NO;
			return true;
		case 'W':
			params->prompt_password = TRI_YES;
			return true;
		default:
			return false;
	}
}

/*
 * The database is postgres unless an option, a service or the environment names
 * another one.  libpq checks them in that order, and its default would be the
 * name of the user.
 */
static void
prefer_database(void)
{
	const char *said = getenv("PGDATABASE");

	if (said == NULL || said[0] == '\0')
		setenv("PGDATABASE", "postgres", 1);
}

/* Notices go to standard error, unless they are ignored. */
static void
take_notice(void *arg, const PGresult *notice)
{
	const BbServer *server = arg;

	if (!server->quiet)
		fputs(PQresultErrorMessage(notice), stderr);
}

BbServer *
bb_server_connect(const ConnParams *params)
{
	BbServer   *server = pg_malloc0(sizeof(BbServer));

	prefer_database();
	/* ends the program if it fails; the search path is empty after it */
	server->connection = connectDatabase(params, bb_program.name, false, false,
										 false);
	PQsetNoticeReceiver(server->connection, take_notice, server);
	server
		->functions = bb_server_ask(server, functions_query,
									"could not look up the extension bbackup");
	if (PQntuples(server->functions) == 0)
		bb_fatal_hint("Connect to a database that has it (-d), or create it "
					  "there: CREATE EXTENSION bbackup.",
					  "extension bbackup isn't installed in database \"%s\"",
					  PQdb(server->connection));
	return server;
}

void
bb_server_close(BbServer *server)
{
	PQclear(server->functions);
	PQfinish(server->connection);
	pg_free(server);
}

/* ---- answers ---- */

/* Report an error of the server and end the program. */
void
bb_server_fail(const BbServer *server, const PGresult *result,
			   const char *what)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (message == NULL)
	{
		/* libpq reports it, not the server */
		char	   *text = pg_strdup(PQerrorMessage(server->connection));

		pg_strip_crlf(text);
		pg_fatal("%s: %s", what, text);
	}
	pg_log_error("%s: %s", what, message);
	if (detail != NULL)
		pg_log_error_detail("%s", detail);
	if (hint != NULL)
		pg_log_error_hint("%s", hint);
	exit(1);
}

/* Ask the server to give up what it does; its answer is an error. */
static void
cancel(const BbServer *server)
{
	PGcancel   *request = PQgetCancel(server->connection);
	char		error[256];

	if (request == NULL || !PQcancel(request, error, sizeof(error)))
		bb_interrupted(); /* then the end of the connection has to do */
	PQfreeCancel(request);
}

void
bb_server_wait(BbServer *server, bool write, const char *what)
{
	static bool cancelled = false;

	if (!bb_wait_server(PQsocket(server->connection), write, !cancelled) &&
		!cancelled)
	{
		cancelled = true;
		cancel(server);
	}
	if (!PQconsumeInput(server->connection))
	{
		bb_interrupted();
		bb_server_fail(server, NULL, what);
	}
}

PGresult *
bb_server_result(BbServer *server, const char *what)
{
	while (PQisBusy(server->connection))
		bb_server_wait(server, false, what);
	return PQgetResult(server->connection);
}

PGresult *
bb_server_ask(BbServer *server, const char *query, const char *what)
{
	PGresult   *result;
	PGresult   *next;

	if (!PQsendQuery(server->connection, query))
		bb_server_fail(server, NULL, what);
	result = bb_server_result(server, what);
	while ((next = bb_server_result(server, what)) != NULL)
		PQclear(next);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		bb_interrupted();
		bb_server_fail(server, result, what);
	}
	return result;
}

PGresult *
bb_server_ask_quietly(BbServer *server, const char *query, const char *what)
{
	PGresult   *result;

	server->quiet = true;
	result = bb_server_ask(server, query, what);
	server->quiet = false;
	return result;
}

/* ---- calls of the functions ---- */

/* Find the row of a function, and of an argument if it isn't NULL; or -1. */
static int
find_function(const BbServer *server, const char *function,
			  const char *argument)
{
	for (int row = 0; row < PQntuples(server->functions); row++)
	{
		if (strcmp(PQgetvalue(server->functions, row, 1), function) == 0 &&
			(argument == NULL ||
			 strcmp(PQgetvalue(server->functions, row, 2), argument) == 0))
			return row;
	}
	return -1;
}

bool
bb_server_has(const BbServer *server, const char *function)
{
	return find_function(server, function, NULL) >= 0;
}

static void
too_old(const char *what, const char *name)
{
	bb_fatal_hint("Update it there, or use the program of its version.",
				  "extension bbackup of the server has no %s \"%s\"", what,
				  name);
}

BbCall
bb_call_begin(const BbServer *server, const char *function)
{
	BbCall		call = {.server = server, .function = function};
	int			row = find_function(server, function, NULL);

	if (row < 0)
		too_old("function", function);
	initPQExpBuffer(&call.text);
	appendPQExpBufferStr(&call.text,
						 fmtId(PQgetvalue(server->functions, row, 0)));
	appendPQExpBuffer(&call.text, ".%s(", function);
	return call;
}

char *
bb_server_literal(const BbServer *server, const char *value)
{
	char	   *literal = PQescapeLiteral(server->connection, value,
										  strlen(value));

	if (literal == NULL)
		pg_fatal("could not quote \"%s\": %s", value,
				 PQerrorMessage(server->connection));
	return literal;
}

void
bb_call_argument(BbCall *call, const char *name, const char *value)
{
	char	   *literal;

	if (value == NULL)
		return;
	if (find_function(call->server, call->function, name) < 0)
		too_old("option", name);
	literal = bb_server_literal(call->server, value);
	/* quoted, since "time" is a keyword of SQL */
	appendPQExpBuffer(&call->text, "%s\"%s\" => %s",
					  call->arguments++ > 0 ? ", " : "", name, literal);
	PQfreemem(literal);
}

char *
bb_call_end(BbCall *call)
{
	appendPQExpBufferChar(&call->text, ')');
	if (PQExpBufferDataBroken(call->text))
		pg_fatal("out of memory");
	return call->text.data;
}
