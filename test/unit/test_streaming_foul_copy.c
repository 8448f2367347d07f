/*-------------------------------------------------------------------------
 *
 * test_streaming_foul_copy.c
 *	  Streams and base backups of a server that isn't one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "fakeserver.h"
#include "streaming/basebackup.h"
#include "streaming/walstream.h"
#include "utils/timestamp.h"

#define START UINT64CONST(0x3000000)

/* ---- WAL ---- */

/* And the beginning of bb_walstream_start. */
static FakeScript *
streaming(void)
{
	FakeScript *script = fake_connected(1);

	fake_answer_rows(script, SYSTEM "|1|0/3000028|~");
	fake_put_message(fake_step(script), 'W', "\0\0", 3);
	return script;
}

static void
put_wal(FakeScript *script, XLogRecPtr lsn, int length)
{
	StringInfo	body = makeStringInfo();

	appendStringInfoChar(body, 'w');
	fake_put_uint64(body, lsn);
	fake_put_uint64(body, lsn + length);
	fake_put_uint64(body, 0);
	for (int i = 0; i < length; i++)
		appendStringInfoChar(body, (char) i);
	fake_put_message(fake_last_step(script), 'd', body->data, body->len);
}

/* Read a message, or until there is an error. */
static BbStreamNext
next_of(const BbReqCtx *ctx, BbReplConnection *connection,
		BbStreamMessage *message)
{
	BbStreamNext next;

	while ((next = bb_walstream_next(ctx, connection, message)) ==
		   BB_STREAM_NOTHING)
		bb_walstream_wait(ctx, connection, true, -1);
	return next;
}

/* The second message of the stream is in the script's last step. */
static int
error_of_stream(const BbReqCtx *ctx, FakeScript *script)
{
	BbReplConnection *connection = fake_connect(ctx, script);
	BbStreamMessage message;
	int			sqlstate;

	bb_walstream_start(ctx, connection, "s", 1, START);
	CHECK(next_of(ctx, connection, &message) == BB_STREAM_WAL);
	CHECK(message.lsn == START && message.length == 100);
	CHECK(message.data[99] == 99);
	ERROR_OF(next_of(ctx, connection, &message), sqlstate);
	return sqlstate;
}

UNIT_TEST(foul_wal)
{
	static const struct
	{
		XLogRecPtr	lsn;
		int			length;
	}			wrong[] = {
		{START, 100},		/* again */
		{START + 99, 100},	/* backwards */
		{START + 101, 100}, /* a gap */
		{0, 100},
		{START + 100, 0},
		{START + 100, 16 * XLOG_BLCKSZ + 1},
		{PG_UINT64_MAX, 100},
	};

	for (int i = 0; i < lengthof(wrong); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = streaming();

		put_wal(script, START, 100);
		put_wal(script, wrong[i].lsn, wrong[i].length);
		CHECK(error_of_stream(ctx, script) == ERRCODE_PROTOCOL_VIOLATION);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_stream_messages)
{
	static const struct
	{
		const char *bytes;
		int			length;
	}			wrong[] = {{"w", 1},
				 {"w12345678123456781234567", 24},
				 {"k", 1},
				 {"k1234567812345678", 17},
				 {"k123456781234567800", 19},
				 {"x", 1},
				 {"r1", 2}};

	for (int i = 0; i < lengthof(wrong); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = streaming();

		put_wal(script, START, 100);
		fake_put_message(fake_last_step(script), 'd', wrong[i].bytes,
						 wrong[i].length);
		CHECK(error_of_stream(ctx, script) == ERRCODE_PROTOCOL_VIOLATION);
		unit_leave(inner);
	}
}

UNIT_TEST(foul_stream_is_cut)
{
	for (int cut = 0; cut < 200; cut++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = streaming();
		BbReplConnection *connection;
		BbStreamMessage message;

		put_wal(script, START, 100);
		put_wal(script, START + 100, 50);
		script->cut = cut;
		connection = fake_connect(ctx, script);
		CHECK_ERROR(
			{
				bb_walstream_start(ctx, connection, "s", 1, START);
				while (next_of(ctx, connection, &message) == BB_STREAM_WAL)
					;
			},
			ERRCODE_CONNECTION_FAILURE);
		unit_leave(inner);
	}
}

/* A reader that has no room isn't woken by WAL, but sends its feedback. */
UNIT_TEST(foul_not_listening)
{
	FakeScript *script = streaming();
	BbReplConnection *connection;
	BbStreamMessage message;
	TimestampTz start;
	int			waits = 0;

	put_wal(script, START, 100);
	/* the answer to the feedback */
	(void) fake_step(script);
	put_wal(script, START + 100, 100);
	script->silent = true;
	connection = fake_connect(ctx, script);
	bb_walstream_start(ctx, connection, "s", 1, START);
	CHECK(next_of(ctx, connection, &message) == BB_STREAM_WAL);
	bb_walstream_feedback(ctx, connection, START, START, false);
	start = GetCurrentTimestamp();
	do
	{
		bb_walstream_wait(ctx, connection, false, 300);
		waits++;
	} while (!TimestampDifferenceExceeds(start, GetCurrentTimestamp(), 299));
	/* a few for signals; WAL would have made it thousands */
	CHECK(waits < 100);
	/* meanwhile it has come */
	start = GetCurrentTimestamp();
	bb_walstream_wait(ctx, connection, true, 600000);
	CHECK(!TimestampDifferenceExceeds(start, GetCurrentTimestamp(), 300000));
	CHECK(bb_walstream_next(ctx, connection, &message) == BB_STREAM_WAL);
	CHECK(message.lsn == START + 100);
}

/* A server that doesn't read delays feedback, and nothing else. */
UNIT_TEST(foul_deaf)
{
	FakeScript *script = streaming();
	BbReplConnection *connection;
	BbStreamMessage message;
	BbReqCtx	limited = *ctx;

	put_wal(script, START, 100);
	script->deaf = true;
	script->silent = true;
	connection = fake_connect(ctx, script);
	bb_walstream_start(ctx, connection, "s", 1, START);
	CHECK(next_of(ctx, connection, &message) == BB_STREAM_WAL);
	/* more than the buffers of the sockets have */
	for (int i = 0; i < 200000; i++)
		bb_walstream_feedback(ctx, connection, START + i, START, false);
	/* what is late is sent once the server reads again */
	bb_walstream_wait(ctx, connection, false, 2000);
	limited.deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 200);
	CHECK_ERROR(bb_walstream_wait(&limited, connection, true, -1),
				ERRCODE_QUERY_CANCELED);
}

/* A removed segment is an error in the midst of the stream. */
UNIT_TEST(foul_stream_errors)
{
	FakeScript *script = streaming();

	put_wal(script, START, 100);
	fake_put_error(fake_last_step(script), "58P01");
	fake_put_ready(fake_last_step(script));
	CHECK(error_of_stream(ctx, script) == ERRCODE_UNDEFINED_FILE);

	/* the server is shutting down */
	script = streaming();
	put_wal(script, START, 100);
	fake_put_message(fake_last_step(script), 'C', "COPY 0", 7);
	CHECK(error_of_stream(ctx, script) == ERRCODE_CONNECTION_FAILURE);
}

/* The end of a timeline, and what the server may say of it. */
UNIT_TEST(foul_switches)
{
	static const struct
	{
		const char *rows;
		int			raised;
	}			ends[] = {
		{"2|0/3000064", 0},
		{"7|0/3000064", 0},
		{"1|0/3000064", ERRCODE_PROTOCOL_VIOLATION},
		{"0|0/3000064", ERRCODE_PROTOCOL_VIOLATION},
		{"2|0/0", ERRCODE_PROTOCOL_VIOLATION},
		{"2|~", ERRCODE_PROTOCOL_VIOLATION},
		{"2", ERRCODE_PROTOCOL_VIOLATION},
		{"2|0/3000064\n3|0/3000064", ERRCODE_PROTOCOL_VIOLATION},
	};

	for (int i = 0; i < lengthof(ends); i++)
	{
		MemoryContext inner = unit_enter();
		FakeScript *script = streaming();
		StringInfo	end;
		BbReplConnection *connection;
		BbStreamMessage message;
		int			sqlstate;

		put_wal(script, START, 100);
		fake_put_message(fake_last_step(script), 'c', "", 0);
		end = fake_step(script);
		fake_put_rows(end, ends[i].rows);
		fake_put_message(end, 'C', "START_REPLICATION", 18);
		fake_put_ready(end);
		fake_answer_rows(script, SYSTEM "|2|0/3000064|~");
		connection = fake_connect(ctx, script);
		bb_walstream_start(ctx, connection, "s", 1, START);
		CHECK(next_of(ctx, connection, &message) == BB_STREAM_WAL);
		ERROR_OF(CHECK(next_of(ctx, connection, &message) == BB_STREAM_SWITCH),
				 sqlstate);
		CHECK(sqlstate == ends[i].raised);
		if (sqlstate == 0)
		{
			CHECK(message.switch_lsn == START + 100);
			CHECK(message.next_tli == ends[i].rows[0] - '0');
			/* that stays so, and the connection takes commands */
			bb_walstream_feedback(ctx, connection, START, START, false);
			CHECK(next_of(ctx, connection, &message) == BB_STREAM_SWITCH);
			CHECK(bb_repl_identify(ctx, connection)->tli == 2);
		}
		unit_leave(inner);
	}
}

/* A server that has left the timeline before the position says where. */
UNIT_TEST(foul_left_before)
{
	FakeScript *script = fake_connected(5);
	BbReplConnection *connection;
	BbStreamMessage message;

	fake_answer_rows(script, SYSTEM "|5|0/5000000|~");
	fake_answer_rows(script, "00000005.history|1\t0/2000000\tx\n");
	/* a line feed would be another row */
	resetStringInfo(fake_last_step(script));
	fake_put_rows(fake_last_step(script), "00000005.history|1\t0/2000000\tx");
	fake_put_ready(fake_last_step(script));
	connection = fake_connect(ctx, script);
	bb_walstream_start(ctx, connection, "s", 1, START);
	CHECK(bb_walstream_next(ctx, connection, &message) == BB_STREAM_SWITCH);
	CHECK(message.next_tli == 5 && message.switch_lsn == 0x2000000);

	script = fake_connected(5);
	fake_answer_rows(script, SYSTEM "|5|0/5000000|~");
	fake_answer_rows(script, "00000005.history|nonsense");
	connection = fake_connect(ctx, script);
	CHECK_ERROR(bb_walstream_start(ctx, connection, "s", 1, START),
				ERRCODE_PROTOCOL_VIOLATION);
}

/* ---- base backups ---- */

/* Run a base backup; returns its SQLSTATE, 0 if it succeeds. */
static int
error_of_backup(const BbReqCtx *ctx, const char *start,
				const char *tablespaces, const char *messages[],
				const int lengths[], const char *end)
{
	FakeScript *script = fake_connected(1);
	StringInfo	to = fake_step(script);
	BbReplConnection *connection;
	BbServerBackupOptions options = {.label = "fake"};
	BbServerBackupPiece piece;
	int			sqlstate;

	fake_put_rows(to, start);
	fake_put_rows(to, tablespaces);
	fake_put_message(to, 'H', "\0\0", 3);
	for (int i = 0; messages[i] != NULL; i++)
		fake_put_message(to, 'd', messages[i], lengths[i]);
	fake_put_message(to, 'c', "", 0);
	fake_put_rows(to, end);
	fake_put_message(to, 'C', "SELECT", 7);
	fake_put_ready(to);
	connection = fake_connect(ctx, script);
	ERROR_OF(
		{
			(void) bb_serverbackup_start(ctx, connection, &options);
			while (bb_serverbackup_next(ctx, connection, &piece) !=
				   BB_SERVERBACKUP_END)
				;
		},
		sqlstate);
	return sqlstate;
}

#define BASE "nbase.tar\0"
#define OTHER "n16384.tar\0/there"
#define PROGRESS "p\0\0\0\0\0\0\0\1"

UNIT_TEST(foul_backups)
{
	static const struct
	{
		bool		right;
		const char *start;
		const char *tablespaces;
		const char *messages[6];
		int			lengths[6];
		const char *end;
	}			backups[] = {
#define S "0/3000028|1"
#define B "~|~|100"
#define E "0/3000100|1"
		{true, S, B, {BASE, "dx", PROGRESS}, {11, 2, 9}, E},
		{true,
		 S,
		 "16384|/there|1\n" B,
		 {OTHER, "dx", BASE, "dx"},
		 {18, 2, 11, 2},
		 E},
		{true, S, "~|~|~", {BASE}, {11}, E},
		/* the start, and the end */
		{false, "0/0|1", B, {BASE}, {11}, E},
		{false, "0/3000028|0", B, {BASE}, {11}, E},
		{false, "0/3000028", B, {BASE}, {11}, E},
		{false, S, B, {BASE}, {11}, "0/3000100|0"},
		{false, S, B, {BASE}, {11}, "~|~"},
		{false, S, B, {BASE}, {11}, "0/3000100"},
		/* tablespaces */
		{false, S, "", {BASE}, {11}, E},
		{false, S, "16384|/there|1", {OTHER}, {18}, E},
		{false, S, B "\n16384|/there|1", {BASE, OTHER}, {11, 18}, E},
		{false, S, B "\n" B, {BASE, BASE}, {11, 11}, E},
		{false, S, "16384|~|1\n" B, {OTHER, BASE}, {18, 11}, E},
		{false, S, "~|/there|1\n" B, {OTHER, BASE}, {18, 11}, E},
		{false, S, "0|/there|1\n" B, {OTHER, BASE}, {18, 11}, E},
		{false, S, "4294967296|/there|1\n" B, {OTHER, BASE}, {18, 11}, E},
		{false,
		 S,
		 "16384|/there|1\n16384|/there|1\n" B,
		 {OTHER, OTHER, BASE},
		 {18, 18, 11},
		 E},
		{false, S, "~|~|-1", {BASE}, {11}, E},
		{false, S, "~|~|99999999999999999999", {BASE}, {11}, E},
		{false, S, "~|~", {BASE}, {11}, E},
		/* archives */
		{false, S, B, {NULL}, {0}, E},
		{false, S, B, {BASE, BASE}, {11, 11}, E},
		{false, S, B, {OTHER}, {18}, E},
		{false, S, "16384|/there|1\n" B, {BASE, OTHER}, {11, 18}, E},
		{false, S, "16384|/there|1\n" B, {OTHER}, {18}, E},
		{false, S, B, {"nbase.tar", NULL}, {9}, E},
		{false, S, B, {"nbase.tar\0x"}, {11}, E},
		{false, S, B, {"nbase.tar\0\0"}, {12}, E},
		{false, S, B, {"n"}, {1}, E},
		{false, S, B, {"n"}, {2}, E},
		/* messages */
		{false, S, B, {"dx", BASE}, {2, 11}, E},
		{false, S, B, {BASE, "d"}, {11, 1}, E},
		{false, S, B, {BASE, "m"}, {11, 1}, E},
		{false, S, B, {BASE, "p"}, {11, 1}, E},
		{false, S, B, {BASE, PROGRESS}, {11, 8}, E},
		{false, S, B, {BASE, "\xff"}, {11, 1}, E},
#undef S
#undef B
#undef E
	};

	for (int i = 0; i < lengthof(backups); i++)
	{
		MemoryContext inner = unit_enter();
		int			sqlstate = error_of_backup(ctx, backups[i].start,
									   backups[i].tablespaces,
									   (const char **) backups[i].messages,
									   backups[i].lengths, backups[i].end);

		if (sqlstate != (backups[i].right ? 0 : ERRCODE_PROTOCOL_VIOLATION))
			elog(ERROR, "backup %d: sqlstate %s, %s", i,
				 unpack_sql_state(sqlstate), unit_last_error);
		unit_leave(inner);
	}
}
