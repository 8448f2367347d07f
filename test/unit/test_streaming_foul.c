/*-------------------------------------------------------------------------
 *
 * test_streaming_foul.c
 *	  Replication connections to a server that isn't one: commands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fakeserver.h"
#include "utils/timestamp.h"

/* ---- connecting ---- */

UNIT_TEST(foul_fake_server_is_one)
{
	const BbReplServer *server = bb_repl_server(
		fake_connect(ctx, fake_connected(3)));

	CHECK(server->tli == 3 && server->lsn == 0x3000028);
	CHECK(server->segment_size == 16 * 1024 * 1024);
}

/* Every truncation of every answer is an error, and never a wait. */
UNIT_TEST(foul_truncated_answers)
{
	FakeScript *script = fake_connected(1);
	int			steps = script->n;
	int			cases = 0;

	for (script->n = 1; script->n <= steps; script->n++)
	{
		for (script->cut = 0; script->cut < fake_last_step(script)->len;
			 script->cut++)
		{
			MemoryContext inner = unit_enter();

			CHECK_ERROR(fake_connect(ctx, script), ERRCODE_CONNECTION_FAILURE);
			unit_leave(inner);
			cases++;
		}
	}
	CHECK(cases > 200);
}

UNIT_TEST(foul_greetings)
{
	static const char *const greetings[] = {
		"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2p1\r\n",
		"220 mail ESMTP\r\n",
		"R\xff\xff\xff\xff",
		"R\x7f\xff\xff\xff\x01\x01\x01\x01",
		"E\x01\x01\x01\x01zzzz",
		"E!\xff\xfe no end",
	};

	for (int i = 0; i < lengthof(greetings); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = palloc0(sizeof(FakeScript));

		script->cut = -1;
		appendStringInfoString(fake_step(script), greetings[i]);
		CHECK_ERROR(fake_connect(ctx, script), ERRCODE_CONNECTION_FAILURE);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_silence)
{
	FakeScript *silent = palloc0(sizeof(FakeScript));
	FakeScript *stops = fake_connected(1);
	BbReqCtx	limited = *ctx;
	int			port;

	/* it accepts, and says nothing */
	silent->silent = true;
	port = fake_serve(silent)->port;
	CHECK_ERROR(fake_connect_ports(ctx, psprintf("%d", port), "1"),
				ERRCODE_CONNECTION_FAILURE);
	CHECK(strstr(unit_last_detail, "timeout expired") != NULL);
	/* the next host has its own time */
	CHECK(bb_repl_server(
			  fake_connect_ports(ctx,
								 psprintf("%d,%d", fake_serve(silent)->port,
										  fake_serve(fake_connected(2))->port),
								 "1"))
			  ->tli == 2);

	/* the deadline of the call ends all waits: to connect, and for an answer */
	limited.deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 200);
	CHECK_ERROR(fake_connect(&limited, silent), ERRCODE_QUERY_CANCELED);
	stops->silent = true;
	stops->n = 2;
	limited.deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 300);
	CHECK_ERROR(fake_connect(&limited, stops), ERRCODE_QUERY_CANCELED);
}

/* A host that answers to no packet. */
UNIT_TEST(foul_no_connection)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	length = sizeof(address);
	int			full[5];

	/* connections that nobody accepts fill the queue */
	full[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(full[0], (struct sockaddr *) &address, length) == 0 &&
		  listen(full[0], 0) == 0 &&
		  getsockname(full[0], (struct sockaddr *) &address, &length) == 0);
	for (int i = 1; i < lengthof(full); i++)
	{
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
						 0);
		(void) connect(full[i], (struct sockaddr *) &address, length);
	}
	CHECK_ERROR(fake_connect_ports(ctx,
								   psprintf("%d", ntohs(address.sin_port)),
								   "1"),
				ERRCODE_CONNECTION_FAILURE);
	CHECK(strstr(unit_last_detail, "timeout expired") != NULL);
	for (int i = 0; i < lengthof(full); i++)
		close(full[i]);
}

UNIT_TEST(foul_other_versions)
{
	static const char *const versions[] = {"9.6.24", "14.3", "99.1",
										   "bananas"};

	for (int i = 0; i < lengthof(versions); i++)
	{
		FakeScript *script = palloc0(sizeof(FakeScript));

		script->cut = -1;
		fake_answer_startup(script, versions[i]);
		CHECK_ERROR(fake_connect(ctx, script),
					ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	}
}

/* ---- commands ---- */

UNIT_TEST(foul_identities)
{
	static const char *const rows[] = {
		"0|1|0/3000028|~",
		"~|1|0/3000028|~",
		"-1|1|0/3000028|~",
		" 1|1|0/3000028|~",
		"18446744073709551616|1|0/3000028|~",
		"700000000000000000000000001|1|0/3000028|~",
		"7x|1|0/3000028|~",
		"7|0|0/3000028|~",
		"7|4294967296|0/3000028|~",
		"7|1|0/0|~",
		"7|1|~|~",
		"7|1|0x0/3000028|~",
		"7|1|123456789/0|~",
		"7|1|0/3000028/1|~",
		"7|1|0/|~",
		"7|1|/1|~",
		"7|1",
		"",
		"7|1|0/3000028|~\n7|1|0/3000028|~",
		"\xff|\xff|\xff|\xff",
	};

	for (int i = 0; i < lengthof(rows); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = palloc0(sizeof(FakeScript));

		script->cut = -1;
		fake_answer_startup(script, PG_VERSION);
		fake_answer_rows(script, rows[i]);
		CHECK_ERROR(fake_connect(ctx, script), ERRCODE_PROTOCOL_VIOLATION);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_settings)
{
	static const char *const values[] = {"",	  "~",			 "17MB",
										 "-16MB", "16XB",		 "512kB",
										 "2GB",	  "999999999999"};

	for (int i = 0; i < lengthof(values); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = fake_connected(1);

		script->n = 2;
		fake_answer_rows(script, values[i]);
		CHECK_ERROR(fake_connect(ctx, script), ERRCODE_PROTOCOL_VIOLATION);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_sqlstates)
{
	static const struct
	{
		const char *sent;
		int			raised;
	}			states[] = {
		{"42704", ERRCODE_UNDEFINED_OBJECT},
		{"58P01", ERRCODE_UNDEFINED_FILE},
		{"57P01", ERRCODE_ADMIN_SHUTDOWN},
		/* not that of this call */
		{"57014", ERRCODE_CONNECTION_FAILURE},
		{"00000", ERRCODE_PROTOCOL_VIOLATION},
		{"", ERRCODE_PROTOCOL_VIOLATION},
		{"4270", ERRCODE_PROTOCOL_VIOLATION},
		{"42\xff"
		 "04",
		 ERRCODE_PROTOCOL_VIOLATION},
		{"427040", ERRCODE_PROTOCOL_VIOLATION},
	};

	for (int i = 0; i < lengthof(states); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = fake_connected(1);
		BbReplConnection *connection;

		fake_answer_error(script, states[i].sent);
		fake_answer_rows(script, "on");
		connection = fake_connect(ctx, script);
		CHECK_ERROR(bb_repl_show(ctx, connection, "fsync"), states[i].raised);
		/* its text is shown, as text */
		CHECK(strcmp(unit_last_error, "the message\\xFF") == 0);
		/* and the next command is possible */
		CHECK(strcmp(bb_repl_show(ctx, connection, "fsync"), "on") == 0);
		unit_leave(inner);
	}
}

/* A server that is stopping refuses all commands with 55000. */
UNIT_TEST(foul_stopping)
{
	FakeScript *script = fake_connected(1);
	BbReplConnection *connection;
	BbReplSlot	slot;

	fake_answer_error(script, "55000");
	fake_answer_error(script, "55000");
	connection = fake_connect(ctx, script);
	CHECK_ERROR(bb_repl_slot_read(ctx, connection, "s"),
				ERRCODE_CONNECTION_FAILURE);

	/* but one that isn't has a logical slot */
	script = fake_connected(1);
	fake_answer_error(script, "55000");
	fake_answer_rows(script, SYSTEM "|1|0/3000028|~");
	connection = fake_connect(ctx, script);
	slot = bb_repl_slot_read(ctx, connection, "s");
	CHECK(slot.exists && !slot.physical);
}

UNIT_TEST(foul_slots)
{
	static const char *const rows[] = {"physical|0/0|1", "physical|1|1",
									   "physical|0/1|0", "physical|0/1|-1",
									   "physical",		 ""};

	for (int i = 0; i < lengthof(rows); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = fake_connected(1);
		BbReplConnection *connection;

		fake_answer_rows(script, rows[i]);
		connection = fake_connect(ctx, script);
		CHECK_ERROR(bb_repl_slot_read(ctx, connection, "s"),
					ERRCODE_PROTOCOL_VIOLATION);
		/* after that, nothing is believed any more */
		CHECK_ERROR(bb_repl_identify(ctx, connection),
					ERRCODE_CONNECTION_FAILURE);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_histories)
{
	static const char *const rows[] = {"00000003.history|1\t0/3000000\tx",
									   "../../etc/passwd|x",
									   "~|x",
									   "00000002.history|~",
									   "00000002.history|a\x01",
									   "00000002.history"};

	for (int i = 0; i < lengthof(rows); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = fake_connected(2);
		BbReplConnection *connection;

		fake_answer_rows(script, rows[i]);
		connection = fake_connect(ctx, script);
		CHECK_ERROR(bb_repl_history(ctx, connection, 2),
					ERRCODE_PROTOCOL_VIOLATION);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_system_changes)
{
	FakeScript *script = fake_connected(1);
	BbReplConnection *connection;

	fake_answer_rows(script, "8|1|0/3000028|~");
	connection = fake_connect(ctx, script);
	CHECK_ERROR(bb_repl_identify(ctx, connection), ERRCODE_PROTOCOL_VIOLATION);
}
