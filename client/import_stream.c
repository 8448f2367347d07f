/*-------------------------------------------------------------------------
 *
 * import_stream.c
 *	  A base backup on its way to the server: CALL bb_import_copy().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "cleanup.h"
#include "common/logging.h"
#include "import_stream.h"

static const char what[] = "import failed";

/* The server that waits for the rest of a stream; NULL: none does. */
static BbServer *receiving;

/*
 * The server has refused the stream, which libpq doesn't show before the end of
 * it: a notice says so (BB_COPY_REFUSED in the server's copyinput.h).
 */
#define REFUSED "01BB1"
static bool refused;

static void
take_notice(void *arg, const PGresult *notice)
{
	const char *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);

	if (state != NULL && strcmp(state, REFUSED) == 0)
		refused = true;
	else
		fputs(PQresultErrorMessage(notice), stderr);
}

/*
 * The program ends early: the server must not take the stream for a complete one,
 * and is to remove what it has made before the program has ended.
 */
static void
give_up(void)
{
	BbServer   *server = receiving;
	PGresult   *result;

	if (server == NULL || PQstatus(server->connection) != CONNECTION_OK)
		return;
	receiving = NULL;
	bb_cleanup_default_signals(); /* a second one ends the wait */
	(void) PQsetnonblocking(server->connection, 0);
	if (PQputCopyEnd(server->connection, "the client gave up") <= 0)
		return;
	while ((result = PQgetResult(server->connection)) != NULL)
		PQclear(result);
}

void
bb_import_begin(BbServer *server, BbCall *call)
{
	PGresult   *result;
	char	   *query = psprintf("CALL %s", bb_call_end(call));

	PQsetNoticeReceiver(server->connection, take_notice, NULL);
	if (!PQsendQuery(server->connection, query))
		bb_server_fail(server, NULL, what);
	result = bb_server_result(server, what);
	if (PQresultStatus(result) != PGRES_COPY_IN)
	{
		bb_interrupted();
		bb_server_fail(server, result, what);
	}
	PQclear(result);
	receiving = server;
	atexit(give_up);
	if (PQsetnonblocking(server->connection, 1) != 0)
		bb_server_fail(server, NULL, what);
}

/* End the stream, with an error message or NULL; returns the server's answer. */
static PGresult *
end_copy(BbServer *server, const char *error)
{
	int			sent;

	receiving = NULL;
	while ((sent = PQputCopyEnd(server->connection, error)) == 0)
		bb_server_wait(server, true, what);
	if (sent < 0)
		bb_server_fail(server, NULL, what);
	while ((sent = PQflush(server->connection)) > 0)
		bb_server_wait(server, true, what);
	if (sent < 0)
		bb_server_fail(server, NULL, what);
	return bb_server_result(server, what);
}

/* The connection is of no use any more. */
pg_noreturn static void lost(const BbServer *server);

static void
lost(const BbServer *server)
{
	receiving = NULL;
	bb_server_fail(server, NULL, what);
}

/* Wait until the server takes more; a signal ends the program. */
static void
wait_to_send(BbServer *server)
{
	if (!bb_wait_server(PQsocket(server->connection), true, true))
		bb_interrupted();
	if (!PQconsumeInput(server->connection))
		lost(server);
}

/* Report why the server has refused the stream. */
static void
check_refused(BbServer *server)
{
	if (refused)
		bb_server_fail(server, end_copy(server, "refused"), what);
}

void
bb_import_send(BbServer *server, const char *data, size_t length)
{
	int			sent;

	/* this also handles notices that have been read */
	while ((sent = PQputCopyData(server->connection, data, (int) length)) == 0)
		wait_to_send(server);
	if (sent < 0)
		lost(server);
	while ((sent = PQflush(server->connection)) > 0)
		wait_to_send(server);
	if (sent < 0 || !PQconsumeInput(server->connection))
		lost(server);
	check_refused(server);
	bb_interrupted();
}

PGresult *
bb_import_end(BbServer *server)
{
	PGresult   *result;

	result = end_copy(server, NULL);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		bb_interrupted();
		bb_server_fail(server, result, what);
	}
	return result;
}
