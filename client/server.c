/*-------------------------------------------------------------------------
 *
 * server.c
 *	  The server with the page store: its functions, and a backup from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "cleanup.h"
#include "common/logging.h"
#include "common/string.h"
#include "compat.h"
#include "fe_utils/string_utils.h"
#include "pqexpbuffer.h"
#include "server.h"

pg_noreturn static void server_error(PGconn *connection,
									 const PGresult *result, const char *what);
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

struct BbServer
{
	PGconn	   *connection;
	PGresult   *functions; /* of functions_query */
};

/* A call of a function that is being composed. */
typedef struct Call
{
	const BbServer *server;
	const char *function;
	PQExpBufferData text;
	int			arguments;
} Call;

/* Report an error of the server and end the program. */
static void
server_error(PGconn *connection, const PGresult *result, const char *what)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (message == NULL)
	{
		/* libpq reports it, not the server */
		char	   *text = pg_strdup(PQerrorMessage(connection));

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

static void
ignore_notice(void *arg, const PGresult *notice)
{
}

/* Run a query; its notices are ignored, since the backup repeats them. */
static PGresult *
ask(BbServer *server, const char *query, const char *what)
{
	PQnoticeReceiver receiver;
	PGresult   *result;

	receiver = PQsetNoticeReceiver(server->connection, ignore_notice, NULL);
	result = PQexec(server->connection, query);
	PQsetNoticeReceiver(server->connection, receiver, NULL);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		server_error(server->connection, result, what);
	return result;
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

BbServer *
bb_server_connect(const ConnParams *params)
{
	BbServer   *server = pg_malloc0(sizeof(BbServer));

	prefer_database();
	/* ends the program if it fails; the search path is empty after it */
	server->connection = connectDatabase(params, "bb_basebackup", false, false,
										 false);
	server->functions = ask(server, functions_query,
							"could not look up the extension bbackup");
	if (PQntuples(server->functions) == 0)
		bb_fatal_hint("Connect to a database that has it (-d), or create it "
					  "there: CREATE EXTENSION bbackup.",
					  "extension bbackup isn't installed in database \"%s\"",
					  PQdb(server->connection));
	return server;
}

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

static void
too_old(const char *what, const char *name)
{
	bb_fatal_hint("Update it there, or use the program of its version.",
				  "extension bbackup of the server has no %s \"%s\"", what,
				  name);
}

static Call
call_begin(const BbServer *server, const char *function)
{
	Call		call = {.server = server, .function = function};
	int			row = find_function(server, function, NULL);

	if (row < 0)
		too_old("function", function);
	initPQExpBuffer(&call.text);
	appendPQExpBufferStr(&call.text,
						 fmtId(PQgetvalue(server->functions, row, 0)));
	appendPQExpBuffer(&call.text, ".%s(", function);
	return call;
}

/* Add an argument; NULL means the default of the function. */
static void
call_argument(Call *call, const char *name, const char *value)
{
	char	   *literal;

	if (value == NULL)
		return;
	if (find_function(call->server, call->function, name) < 0)
		too_old("option", name);
	literal = PQescapeLiteral(call->server->connection, value, strlen(value));
	if (literal == NULL)
		pg_fatal("value of %s: %s", name,
				 PQerrorMessage(call->server->connection));
	/* quoted, since "time" is a keyword of SQL */
	appendPQExpBuffer(&call->text, "%s\"%s\" => %s",
					  call->arguments++ > 0 ? ", " : "", name, literal);
	PQfreemem(literal);
}

/* Add the arguments of all functions that read a timeline. */
static void
call_place(Call *call, const BbOptions *options)
{
	call_argument(call, "store", options->store);
	call_argument(call, "timeline", options->timeline);
}

static char *
call_end(Call *call)
{
	appendPQExpBufferChar(&call->text, ')');
	if (PQExpBufferDataBroken(call->text))
		pg_fatal("out of memory");
	return call->text.data;
}

/* Add the arguments of all functions that list or make a backup. */
static void
call_content(Call *call, const BbOptions *options)
{
	call_argument(call, "lsn", options->lsn);
	if (options->thin)
		call_argument(call, "full_backup", "false");
	call_place(call, options);
	call_argument(call, "new_tli", options->new_tli);
	call_argument(call, "settings", options->settings);
	call_argument(call, "label", options->label);
	call_argument(call, "manifest", options->manifest);
	call_argument(call, "manifest_checksums", options->manifest_checksums);
}

/* Query the LSN after the last commit up to a time. */
static PGresult *
lsn_at_time(BbServer *server, const BbOptions *options)
{
	Call		call = call_begin(server, "bb_lsn_at");
	char	   *query;

	call_argument(&call, "time", options->time);
	call_place(&call, options);
	query = psprintf("SELECT %s", call_end(&call));
	return ask(server, query, "could not find the LSN of the time");
}

/* Query the end of a timeline; no row if there is no such timeline. */
static PGresult *
lsn_at_end(BbServer *server, const BbOptions *options)
{
	Call		call = call_begin(server, "bb_timelines");
	const char *timeline = options->timeline ? options->timeline : "main";
	char	   *literal = PQescapeLiteral(server->connection, timeline,
										  strlen(timeline));

	if (literal == NULL)
		pg_fatal("name of the timeline: %s",
				 PQerrorMessage(server->connection));
	call_argument(&call, "store", options->store);
	return ask(server,
			   psprintf("SELECT end_lsn FROM %s WHERE timeline = %s",
						call_end(&call), literal),
			   "could not find the end of the timeline");
}

void
bb_server_find_lsn(BbServer *server, BbOptions *options)
{
	PGresult   *result;

	if (options->lsn != NULL)
		return;
	/* all queries have to be about the same LSN */
	if (options->time != NULL)
		result = lsn_at_time(server, options);
	else if (options->progress || options->verbose ||
			 options->mappings.first != NULL)
		result = lsn_at_end(server, options);
	else
		return;
	if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
		options->lsn = pg_strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
}

int
bb_server_find_tablespaces(BbServer *server, BbOptions *options)
{
	Call		call = call_begin(server, "bb_tablespaces");
	const BbMapping *missing;
	PGresult   *result;
	int			count;

	call_argument(&call, "lsn", options->lsn);
	call_place(&call, options);
	result = ask(server,
				 psprintf("SELECT tablespace, location FROM %s",
						  call_end(&call)),
				 "could not find the tablespaces");
	count = PQntuples(result);
	for (int row = 0; row < count; row++)
		bb_mappings_locate(&options->mappings,
						   (Oid) strtoul(PQgetvalue(result, row, 0), NULL, 10),
						   PQgetvalue(result, row, 1));
	PQclear(result);

	missing = bb_mappings_missing(&options->mappings);
	if (missing != NULL)
	{
		if (missing->old_dir != NULL)
			pg_log_error("backup has no tablespace in \"%s\"",
						 missing->old_dir);
		else
			pg_log_error("backup has no tablespace %u", missing->oid);
		pg_log_error_hint("bb_tablespaces() lists those that it has.");
		exit(1);
	}
	return count;
}

uint64
bb_server_find_size(BbServer *server, const BbOptions *options, int archives)
{
	Call		call = call_begin(server, "bb_files");
	PGresult   *result;
	uint64		size;
	const char *apart = "false";

	call_content(&call, options);
	if (archives > 1)
	{
		call_argument(&call, "tablespaces", "archives");
		apart = "path = 'backup_manifest'";
	}
	/* add headers, padding, and the ends of archives */
	result = ask(server,
				 psprintf("SELECT 1024 * %d + sum(CASE WHEN %s THEN size"
						  " ELSE 512 + (size + 511) / 512 * 512 END)"
						  " FROM %s",
						  archives, apart, call_end(&call)),
				 "could not find the size of the backup");
	size = strtou64(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return size;
}

bool
bb_server_splits(const BbServer *server, const BbOptions *options)
{
	return options->to == BB_TARGET_ARCHIVES &&
		find_function(server, "bb_basebackup_archives", NULL) >= 0;
}

/* Compose the COPY command of the backup. */
static char *
backup_query(const BbServer *server, const BbOptions *options)
{
	bool		splits = bb_server_splits(server, options);
	Call		call = call_begin(server,
								  splits ? "bb_basebackup_archives"
										 : "bb_basebackup_stream");

	call_content(&call, options);
	call_argument(&call, "compression", options->compression);
	call_argument(&call, "max_rate", options->max_rate);
	if (!options->estimate)
		call_argument(&call, "progress", "false");
	call_argument(&call, "jobs", options->jobs);
	/* functions stream in a target list only */
	return psprintf("COPY (SELECT %s%s%s) TO STDOUT (FORMAT binary)",
					splits ? "(r).archive, (r).data FROM (SELECT " : "",
					call_end(&call), splits ? " AS r) s" : "");
}

/* Wait until the server has sent data. */
static void
wait_for_server(PGconn *connection)
{
	bb_wait_readable(PQsocket(connection), "the server");
	if (!PQconsumeInput(connection))
		server_error(connection, NULL, "backup failed");
}

void
bb_server_backup(BbServer *server, const BbOptions *options,
				 BbCopyDecoder *decoder)
{
	PGconn	   *connection = server->connection;
	PGresult   *result;
	char	   *data;
	int			length;

	if (!PQsendQuery(connection, backup_query(server, options)))
		server_error(connection, NULL, "backup failed");
	while (PQisBusy(connection))
		wait_for_server(connection);
	result = PQgetResult(connection);
	if (PQresultStatus(result) != PGRES_COPY_OUT)
		server_error(connection, result, "backup failed");
	PQclear(result);

	while ((length = PQgetCopyData(connection, &data, 1)) >= 0)
	{
		if (length > 0)
		{
			bb_copy_decoder_feed(decoder, data, length);
			PQfreemem(data);
			bb_interrupted();
		}
		else
			wait_for_server(connection);
	}
	if (length == -2)
		server_error(connection, NULL, "backup failed");

	result = PQgetResult(connection);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		server_error(connection, result, "backup failed");
	PQclear(result);
	bb_copy_decoder_end(decoder);
}

void
bb_server_close(BbServer *server)
{
	PQclear(server->functions);
	PQfinish(server->connection);
	pg_free(server);
}
