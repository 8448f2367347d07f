/*-------------------------------------------------------------------------
 *
 * server.h
 *	  The server with the page store: its functions, calls of them, the answers.
 *
 * The extension is looked up in the catalogs, since it may be in any schema, and
 * its version may differ from the program's.  An error names a function or an
 * option that the server doesn't support.
 *
 * A signal that arrives while the server works cancels its work, and the program
 * ends when the server has given up, so that nothing is left there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_SERVER_H
#define BB_CLIENT_SERVER_H

#include "compat.h"
#include "fe_utils/connect_utils.h"
#include "libpq-fe.h"
#include "pqexpbuffer.h"

#define BB_CONNECTION_DEFAULT \
	{                         \
		.dbname = ""          \
	}

/* bb_connection_option - take an option of bb_connection_options, as optarg. */
extern bool bb_connection_option(int letter, ConnParams *params);

typedef struct BbServer
{
	PGconn	   *connection;
	PGresult   *functions; /* of the extension, with a row for each argument */
	bool		quiet;	   /* notices are ignored */
} BbServer;

/* bb_server_connect - connect; reads a password from the terminal if needed. */
extern BbServer *bb_server_connect(const ConnParams *params);

/* bb_server_has - does the extension have a function? */
extern bool bb_server_has(const BbServer *server, const char *function);

/*
 * bb_server_ask - run a query, and return its rows.
 *
 * Ends the program if it fails; "what" says what failed.
 */
extern PGresult *bb_server_ask(BbServer *server, const char *query,
							   const char *what);

/* bb_server_ask_quietly - the same, and ignore notices. */
extern PGresult *bb_server_ask_quietly(BbServer *server, const char *query,
									   const char *what);

/*
 * bb_server_wait - wait until a descriptor, if it isn't -1, can be written to, or
 * the server has sent something, which is read.
 */
extern void bb_server_wait(BbServer *server, bool write, const char *what);

/* bb_server_result - wait for the next result of a query; NULL: it was the last. */
extern PGresult *bb_server_result(BbServer *server, const char *what);

/* bb_server_fail - report an error of the server, and end the program. */
pg_noreturn extern void bb_server_fail(const BbServer *server,
									   const PGresult *result,
									   const char *what);

extern void bb_server_close(BbServer *server);

/* ---- calls of the functions ---- */

/* A call that is being composed. */
typedef struct BbCall
{
	const BbServer *server;
	const char *function;
	PQExpBufferData text;
	int			arguments;
} BbCall;

extern BbCall bb_call_begin(const BbServer *server, const char *function);

/* bb_call_argument - add an argument; NULL means the default of the function. */
extern void bb_call_argument(BbCall *call, const char *name,
							 const char *value);

/* bb_call_end - return the text of the call. */
extern char *bb_call_end(BbCall *call);

/* bb_server_literal - return a value quoted for SQL. */
extern char *bb_server_literal(const BbServer *server, const char *value);

#endif /* BB_CLIENT_SERVER_H */
