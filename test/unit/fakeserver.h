/*-------------------------------------------------------------------------
 *
 * fakeserver.h
 *	  A server that plays a script, for tests of replication connections.
 *
 * The fake server is a child process.  A script has steps: the answer to the
 * startup message, to the first message of the client, to the second, and so on.
 * After the last one the server closes the connection, or says no more.
 *
 * Rows are written as "a|b\nc|d"; "~" is NULL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FAKESERVER_H
#define BB_FAKESERVER_H

#include "lib/stringinfo.h"
#include "streaming/connection.h"
#include "unit.h"

#define MAX_STEPS 16
#define SYSTEM "7000000000000000001"

typedef struct FakeScript
{
	StringInfo	steps[MAX_STEPS];
	int			n;
	int			cut;	/* send so many bytes of the last step; -1: all */
	bool		silent; /* at the end, don't close */
	bool		deaf;	/* at the end, don't read, either, for a second */
} FakeScript;

typedef struct FakeServer
{
	pid_t		pid;
	int			port;
} FakeServer;

/* Bytes of the protocol, to be added to a step. */
extern void fake_put_uint64(StringInfo to, uint64 n);
extern void fake_put_message(StringInfo to, char type, const char *body,
							 int length);
extern void fake_put_ready(StringInfo to);
extern void fake_put_rows(StringInfo to, const char *rows);
extern void fake_put_error(StringInfo to, const char *sqlstate);

/* Add a step: an empty one, or a complete answer. */
extern StringInfo fake_step(FakeScript *script);
extern void fake_answer_startup(FakeScript *script, const char *version);
extern void fake_answer_rows(FakeScript *script, const char *rows);
extern void fake_answer_error(FakeScript *script, const char *sqlstate);

/* A script with all that bb_repl_connect asks for. */
extern FakeScript *fake_connected(int tli);

extern StringInfo fake_last_step(FakeScript *script);

/* Start a server, which ends with CurrentMemoryContext. */
extern FakeServer *fake_serve(const FakeScript *script);

/* Connect to ports of this machine, or to a new server for a script. */
extern BbReplConnection *fake_connect_ports(const BbReqCtx *ctx,
											const char *ports,
											const char *timeout);
extern BbReplConnection *fake_connect(const BbReqCtx *ctx,
									  const FakeScript *script);

#endif /* BB_FAKESERVER_H */
