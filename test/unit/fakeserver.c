/*-------------------------------------------------------------------------
 *
 * fakeserver.c
 *	  A server that plays a script, for tests of replication connections.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/resource.h"
#include "fakeserver.h"
#include "nodes/pg_list.h"
#include "port/pg_bswap.h"

/* ---- bytes of the protocol ---- */

StringInfo
fake_step(FakeScript *script)
{
	CHECK(script->n < MAX_STEPS);
	return script->steps[script->n++] = makeStringInfo();
}

static void
put_int32(StringInfo to, int32 n)
{
	uint32		bytes = pg_hton32((uint32) n);

	appendBinaryStringInfo(to, (char *) &bytes, sizeof(bytes));
}

static void
put_int16(StringInfo to, int16 n)
{
	uint16		bytes = pg_hton16((uint16) n);

	appendBinaryStringInfo(to, (char *) &bytes, sizeof(bytes));
}

void
fake_put_uint64(StringInfo to, uint64 n)
{
	uint64		bytes = pg_hton64(n);

	appendBinaryStringInfo(to, (char *) &bytes, sizeof(bytes));
}

void
fake_put_message(StringInfo to, char type, const char *body, int length)
{
	appendStringInfoChar(to, type);
	put_int32(to, length + 4);
	appendBinaryStringInfo(to, body, length);
}

static void
put_parameter(StringInfo to, const char *name, const char *value)
{
	StringInfo	body = makeStringInfo();

	appendBinaryStringInfo(body, name, strlen(name) + 1);
	appendBinaryStringInfo(body, value, strlen(value) + 1);
	fake_put_message(to, 'S', body->data, body->len);
}

void
fake_put_ready(StringInfo to)
{
	fake_put_message(to, 'Z', "I", 1);
}

/* "a|b|c": columns of text; "~" is NULL. */
static List *
columns_of(const char *row)
{
	List	   *columns = NIL;

	for (;;)
	{
		size_t		length = strcspn(row, "|");

		columns = lappend(columns, pnstrdup(row, length));
		if (row[length] == '\0')
			return columns;
		row += length + 1;
	}
}

static void
put_row(StringInfo to, const char *row)
{
	StringInfo	body = makeStringInfo();
	List	   *columns = columns_of(row);
	ListCell   *cell;

	put_int16(body, list_length(columns));
	foreach(cell, columns)
	{
		const char *value = lfirst(cell);

		if (strcmp(value, "~") == 0)
		{
			put_int32(body, -1);
			continue;
		}
		put_int32(body, strlen(value));
		appendBinaryStringInfo(body, value, strlen(value));
	}
	fake_put_message(to, 'D', body->data, body->len);
}

/* Rows, separated by line feeds, with as many columns as the first. */
void
fake_put_rows(StringInfo to, const char *rows)
{
	StringInfo	body = makeStringInfo();
	const char *first = pnstrdup(rows, strcspn(rows, "\n"));
	int			n = list_length(columns_of(first));

	put_int16(body, n);
	for (int i = 0; i < n; i++)
	{
		appendBinaryStringInfo(body, "c", 2);
		put_int32(body, 0);
		put_int16(body, 0);
		put_int32(body, 25);
		put_int16(body, -1);
		put_int32(body, -1);
		put_int16(body, 0);
	}
	fake_put_message(to, 'T', body->data, body->len);
	while (*rows != '\0')
	{
		size_t		length = strcspn(rows, "\n");

		put_row(to, pnstrdup(rows, length));
		rows += length + (rows[length] == '\n');
	}
	fake_put_message(to, 'C', "SELECT", 7);
}

void
fake_put_error(StringInfo to, const char *sqlstate)
{
	StringInfo	body = makeStringInfo();

	appendStringInfo(body, "SERROR%cVERROR%cC%s%cMthe message\xff%c%c", 0, 0,
					 sqlstate, 0, 0, 0);
	fake_put_message(to, 'E', body->data, body->len);
}

/* ---- scripts ---- */

void
fake_answer_rows(FakeScript *script, const char *rows)
{
	StringInfo	to = fake_step(script);

	fake_put_rows(to, rows);
	fake_put_ready(to);
}

void
fake_answer_error(FakeScript *script, const char *sqlstate)
{
	StringInfo	to = fake_step(script);

	fake_put_error(to, sqlstate);
	fake_put_ready(to);
}

void
fake_answer_startup(FakeScript *script, const char *version)
{
	StringInfo	to = fake_step(script);
	StringInfo	authenticated = makeStringInfo();

	put_int32(authenticated, 0);
	fake_put_message(to, 'R', authenticated->data, 4);
	put_parameter(to, "server_version", version);
	put_parameter(to, "client_encoding", "SQL_ASCII");
	put_parameter(to, "in_hot_standby", "off");
	put_parameter(to, "default_transaction_read_only", "off");
	fake_put_ready(to);
}

/* All that bb_repl_connect asks for. */
FakeScript *
fake_connected(int tli)
{
	FakeScript *script = palloc0(sizeof(FakeScript));

	script->cut = -1;
	fake_answer_startup(script, PG_VERSION);
	fake_answer_rows(script, psprintf(SYSTEM "|%d|0/3000028|~", tli));
	fake_answer_rows(script, "16MB");
	fake_answer_rows(script, "1min");
	return script;
}

StringInfo
fake_last_step(FakeScript *script)
{
	return script->steps[script->n - 1];
}

/* ---- the fake server ---- */

static bool
read_all(int fd, char *to, size_t length)
{
	while (length > 0)
	{
		ssize_t		n = read(fd, to, length);

		if (n <= 0)
			return false;
		to += n;
		length -= n;
	}
	return true;
}

/* Read a message; the startup message has no type. */
static bool
read_message(int fd, bool typed)
{
	char		head[5];
	char		rest[8192];
	uint32		length;

	if (!read_all(fd, typed ? head : head + 1, typed ? 5 : 4))
		return false;
	memcpy(&length, head + 1, sizeof(length));
	length = pg_ntoh32(length) - 4;
	return length < sizeof(rest) && read_all(fd, rest, length);
}

/* In the child: nothing here may use what belongs to the server process. */
static void
play(int listening, const FakeScript *script)
{
	int			fd = accept(listening, NULL, NULL);
	char		byte;

	for (int i = 0; i < script->n && read_message(fd, i > 0); i++)
	{
		size_t		length = script->steps[i]->len;

		if (i == script->n - 1 && script->cut >= 0)
			length = script->cut;
		if (write(fd, script->steps[i]->data, length) != length)
			break;
	}
	if (script->deaf)
		sleep(1);
	while (script->silent && read(fd, &byte, 1) > 0)
		;
	/* so that the client gets all, whatever it has sent */
	shutdown(fd, SHUT_WR);
	while (read(fd, &byte, 1) > 0)
		;
	_exit(0);
}

static void
end_server(void *arg)
{
	FakeServer *server = arg;

	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

FakeServer *
fake_serve(const FakeScript *script)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	length = sizeof(address);
	int			listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FakeServer *server = palloc(sizeof(FakeServer));
	int			small = 4096;

	/* inherited by its connections */
	if (script->deaf)
		setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	CHECK(bind(listening, (struct sockaddr *) &address, length) == 0 &&
		  listen(listening, 8) == 0 &&
		  getsockname(listening, (struct sockaddr *) &address, &length) == 0);
	server->port = ntohs(address.sin_port);
	server->pid = fork();
	CHECK(server->pid >= 0);
	if (server->pid == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		play(listening, script);
	}
	close(listening);
	bb_on_reset(CurrentMemoryContext, end_server, server);
	return server;
}

BbReplConnection *
fake_connect_ports(const BbReqCtx *ctx, const char *ports, const char *timeout)
{
	static const char *keywords[] = {"host",	   "port",
									 "user",	   "sslmode",
									 "gssencmode", "connect_timeout",
									 NULL};
	const char *values[] = {strchr(ports, ',') != NULL ? "127.0.0.1,localhost"
													   : "127.0.0.1",
							ports,
							"nobody",
							"disable",
							"disable",
							timeout,
							NULL};
	BbReplTarget target = {.name = "fake",
						   .keywords = keywords,
						   .values = values};

	return bb_repl_connect(ctx, &target);
}

BbReplConnection *
fake_connect(const BbReqCtx *ctx, const FakeScript *script)
{
	return fake_connect_ports(ctx, psprintf("%d", fake_serve(script)->port),
							  "0");
}
