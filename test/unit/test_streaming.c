/*-------------------------------------------------------------------------
 *
 * test_streaming.c
 *	  Replication connections, to this very server.
 *
 * What other servers answer, which no server should, is in t/400_source.pl.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "streaming/basebackup.h"
#include "streaming/connection.h"
#include "streaming/hosts_internal.h"
#include "streaming/walstream.h"
#include "unit.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* Connect to this server, as the role that runs the tests. */
static BbReplConnection *
connect_here(const BbReqCtx *ctx)
{
	static const char *keywords[] = {"host", "port", "user", NULL};
	const char *values[] = {pstrdup(GetConfigOption("unix_socket_directories",
													false, false)),
							psprintf("%d", PostPortNumber),
							GetUserNameFromId(GetUserId(), false), NULL};
	BbReplTarget target = {.name = "here",
						   .keywords = keywords,
						   .values = values};

	return bb_repl_connect(ctx, &target);
}

UNIT_TEST(streaming_identifies)
{
	BbReplConnection *connection = connect_here(ctx);
	const BbReplServer *server = bb_repl_server(connection);

	CHECK(server->system_identifier == GetSystemIdentifier());
	CHECK(server->tli == 1);
	CHECK(server->lsn > 0 && server->lsn <= GetFlushRecPtr(NULL));
	CHECK(server->segment_size == wal_segment_size);
	CHECK(server->version_num == PG_VERSION_NUM);
	CHECK(server->sender_timeout_ms == 60000);
	CHECK(!server->in_recovery && !server->encrypted);
	CHECK(strcmp(bb_repl_show(ctx, connection, "wal_level"), "replica") == 0);
	/* an error leaves the connection usable */
	CHECK_ERROR(bb_repl_show(ctx, connection, "no_such_setting"),
				ERRCODE_UNDEFINED_OBJECT);
	CHECK_ERROR(bb_repl_history(ctx, connection, 1), ERRCODE_UNDEFINED_FILE);
	CHECK(bb_repl_identify(ctx, connection)->lsn >= server->lsn);
	bb_repl_close(connection);
}

UNIT_TEST(streaming_slots)
{
	BbReplConnection *connection = connect_here(ctx);
	BbReplConnection *other = connect_here(ctx);
	BbReplSlot	slot = bb_repl_slot_read(ctx, connection, "unit_slot");

	CHECK(!slot.exists);
	/* to drop a slot that doesn't exist is no error */
	bb_repl_slot_drop(ctx, connection, "unit_slot");
	bb_repl_slot_create(ctx, connection, "unit_slot", false);
	slot = bb_repl_slot_read(ctx, other, "unit_slot");
	CHECK(slot.exists && slot.physical && slot.restart_lsn != 0);
	CHECK_ERROR(bb_repl_slot_create(ctx, other, "unit_slot", false),
				ERRCODE_DUPLICATE_OBJECT);
	bb_repl_slot_drop(ctx, other, "unit_slot");
	CHECK(!bb_repl_slot_read(ctx, connection, "unit_slot").exists);

	/* a temporary one belongs to its connection */
	bb_repl_slot_create(ctx, connection, "unit_temporary", true);
	CHECK_ERROR(bb_repl_slot_drop(ctx, other, "unit_temporary"),
				ERRCODE_OBJECT_IN_USE);
	/* a name is a name, whatever is in it */
	CHECK_ERROR(bb_repl_slot_create(ctx, other, "a\" LOGICAL \"b", false),
				ERRCODE_INVALID_NAME);
	CHECK(!bb_repl_slot_read(ctx, other, "x\" y").exists);
	bb_repl_close(connection);
	bb_repl_close(other);
}

UNIT_TEST(streaming_wal)
{
	BbReplConnection *connection = connect_here(ctx);
	XLogRecPtr	start = bb_repl_server(connection)->lsn;
	XLogRecPtr	at;
	BbStreamMessage message;
	BbStreamNext next;

	start -= start % wal_segment_size;
	at = start;
	bb_repl_slot_create(ctx, connection, "unit_stream", true);
	bb_walstream_start(ctx, connection, "unit_stream", 1, start);
	while (at < bb_repl_server(connection)->lsn)
	{
		next = bb_walstream_next(ctx, connection, &message);
		if (next == BB_STREAM_NOTHING)
			bb_walstream_wait(ctx, connection, true, -1);
		else if (next == BB_STREAM_WAL)
		{
			CHECK(message.lsn == at && message.length > 0);
			CHECK(message.source_lsn >= at);
			if (at == start)
				CHECK(((XLogPageHeader) message.data)->xlp_pageaddr == start);
			at += message.length;
			bb_walstream_feedback(ctx, connection, at, start, false);
		}
		else
			CHECK(next == BB_STREAM_KEEPALIVE);
	}
	/* a question is answered, though nothing else happens */
	bb_walstream_feedback(ctx, connection, at, start, true);
	while ((next = bb_walstream_next(ctx, connection, &message)) !=
		   BB_STREAM_KEEPALIVE)
	{
		if (next == BB_STREAM_NOTHING)
			bb_walstream_wait(ctx, connection, true, -1);
	}
	/* no command in the midst of a stream */
	CHECK_ERROR(bb_repl_identify(ctx, connection), ERRCODE_CONNECTION_FAILURE);
	bb_repl_close(connection);

	connection = connect_here(ctx);
	CHECK_ERROR(bb_walstream_start(ctx, connection, "unit_missing", 1, start),
				ERRCODE_UNDEFINED_OBJECT);
	CHECK_ERROR(bb_walstream_start(ctx, connection, NULL, 7, start),
				ERRCODE_INTERNAL_ERROR);
	bb_repl_close(connection);
}

UNIT_TEST(streaming_base_backup)
{
	BbReplConnection *connection = connect_here(ctx);
	BbServerBackupOptions options = {.label = "it's a \"unit\" test\\",
									 .fast_checkpoint = true};
	BbServerBackupStart start = bb_serverbackup_start(ctx, connection,
													  &options);
	const BbServerTablespace *tablespace;
	BbServerBackupPiece piece;
	BbServerBackupNext next;
	uint64		bytes = 0;
	uint64		reported = 0;
	int			archives = 0;

	CHECK(start.tli == 1 && start.lsn != 0);
	CHECK(list_length(start.tablespaces) == 1);
	tablespace = linitial(start.tablespaces);
	CHECK(tablespace->spc == InvalidOid && tablespace->location == NULL);
	CHECK(tablespace->bytes > 1024 * 1024);
	while ((next = bb_serverbackup_next(ctx, connection, &piece)) !=
		   BB_SERVERBACKUP_END)
	{
		if (next == BB_SERVERBACKUP_ARCHIVE)
		{
			CHECK(piece.tablespace == tablespace);
			archives++;
		}
		else if (next == BB_SERVERBACKUP_DATA)
		{
			if (bytes == 0)
				CHECK(strcmp(piece.data, "backup_label") == 0);
			bytes += piece.length;
		}
		else
		{
			CHECK(piece.bytes_done >= reported);
			reported = piece.bytes_done;
		}
	}
	CHECK(archives == 1 && bytes > tablespace->bytes / 2);
	CHECK(piece.end_tli == 1 && piece.end_lsn > start.lsn);
	/* and now it takes commands again */
	CHECK(bb_repl_identify(ctx, connection)->tli == 1);
	bb_repl_close(connection);
}

UNIT_TEST(streaming_closes_with_its_context)
{
	for (int i = 0; i < 50; i++)
	{
		MemoryContext inner = unit_enter();

		(void) connect_here(ctx);
		unit_leave(inner);
	}
	/* all have ended, or there would be no sender left */
	bb_repl_close(connect_here(ctx));
}

/* The list begins with another host, and has all of them. */
UNIT_TEST(streaming_first_host)
{
	const char *keywords[] = {"host", "port", NULL};
	const char *values[] = {"a,b,c", "1,2,3", NULL};
	BbReplTarget target = {.name = "list",
						   .keywords = keywords,
						   .values = values};

	CHECK(bb_repl_host_count(&target) == 3);
	for (int first = 0; first < 7; first++)
	{
		List	   *hosts;

		target.first_host = first;
		hosts = bb_replhosts_of(&target);
		CHECK(list_length(hosts) == 3);
		for (int i = 0; i < 3; i++)
		{
			const BbReplHost *host = list_nth(hosts, i);

			CHECK(host->host[0] == 'a' + (first + i) % 3);
			CHECK(host->port[0] == '1' + (first + i) % 3);
		}
	}
}
