/*-------------------------------------------------------------------------
 *
 * basebackup.c
 *	  A base backup of a server: BASE_BACKUP on a replication connection.
 *
 *	  (start, tli) ── tablespaces ── CopyOut: ( 'n' ( 'd' | 'p' )* )* ── (end, tli)
 *
 * Without the option TABLESPACE_MAP, the archive of the data directory has the
 * symbolic links in pg_tblspc, as a data directory has them, instead of a file
 * "tablespace_map".  The server refuses a location of more than 99 bytes then.
 *
 * (perform_base_backup and parse_basebackup_options in basebackup.c,
 * basebackup_copy.c of PostgreSQL.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "storage/latch.h"
#include "streaming/basebackup.h"
#include "streaming/connection_internal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long the server may send nothing in the midst of the archives. */
#define SILENCE_TIMEOUT_MS (10 * 60 * 1000)

/* ---- start ---- */

static char *
literal(const char *value)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '\'');
	for (const char *p = value; *p; p++)
	{
		if (*p == '\'')
			appendStringInfoChar(&text, '\'');
		appendStringInfoChar(&text, *p);
	}
	appendStringInfoChar(&text, '\'');
	return text.data;
}

static char *
command_of(const BbServerBackupOptions *options)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command,
					 "BASE_BACKUP (LABEL %s, PROGRESS, CHECKPOINT '%s', WAIT "
					 "0, MANIFEST 'no', VERIFY_CHECKSUMS 0",
					 literal(options->label),
					 options->fast_checkpoint ? "fast" : "spread");
	if (options->max_rate_kb > 0)
		appendStringInfo(&command, ", MAX_RATE %d", options->max_rate_kb);
	appendStringInfoChar(&command, ')');
	return command.data;
}

static void
read_position(BbReplConnection *connection, const char *what, XLogRecPtr *lsn,
			  TimeLineID *tli)
{
	bb_answer_shape(connection, 1, 2);
	*lsn = bb_answer_lsn(connection, 0, 0, what);
	*tli = bb_answer_number(connection, 0, 1, "timeline ID of the backup", 1,
							PG_UINT32_MAX);
}

static BbServerTablespace *
read_tablespace(BbReplConnection *connection, int row, bool last)
{
	BbServerTablespace *tablespace = palloc0(sizeof(BbServerTablespace));

	if (bb_answer_null(connection, row, 0) != last ||
		bb_answer_null(connection, row, 1) != last)
		bb_repl_violation(connection,
						  "Row %d of the tablespaces is not in its place.",
						  row + 1);
	if (!last)
	{
		tablespace->spc = bb_answer_number(connection, row, 0,
										   "OID of a tablespace", 1,
										   PG_UINT32_MAX);
		tablespace->location = pstrdup(
			bb_answer_text(connection, row, 1, "location of a tablespace"));
	}
	if (!bb_answer_null(connection, row, 2))
		tablespace->bytes = 1024 *
			bb_answer_number(connection, row, 2, "size of a tablespace", 0,
							 PG_INT64_MAX / 1024);
	return tablespace;
}

/* The data directory is the last row, and its archive the last one. */
static List *
read_tablespaces(const BbReqCtx *ctx, BbReplConnection *connection)
{
	int			n = PQntuples(connection->result);
	List	   *tablespaces = NIL;

	bb_answer_shape(connection, Max(n, 1), 3);
	for (int i = 0; i < n; i++)
	{
		BbServerTablespace *tablespace = read_tablespace(connection, i,
														 i == n - 1);
		ListCell   *cell;

		bb_reqctx_check(ctx);
		foreach(cell, tablespaces)
		{
			if (((BbServerTablespace *) lfirst(cell))->spc == tablespace->spc)
				bb_repl_violation(connection, "Tablespace %u is named twice.",
								  tablespace->spc);
		}
		tablespaces = lappend(tablespaces, tablespace);
	}
	return tablespaces;
}

static void
next_result(const BbReqCtx *ctx, BbReplConnection *connection, long timeout_ms)
{
	if (bb_repl_next(ctx, connection, timeout_ms) == NULL)
		bb_repl_violation(connection, "The answer ends early.");
}

BbServerBackupStart
bb_serverbackup_start(const BbReqCtx *ctx, BbReplConnection *connection,
					  const BbServerBackupOptions *options)
{
	BbServerBackupStart start;
	MemoryContext old;

	bb_repl_send(ctx, connection, command_of(options));
	/* the checkpoint may take as long as the server's settings allow */
	next_result(ctx, connection, -1);
	read_position(connection, "start of the backup", &start.lsn, &start.tli);
	/* the server adds up the sizes of all files */
	next_result(ctx, connection, -1);
	start.tablespaces = read_tablespaces(ctx, connection);
	next_result(ctx, connection, SILENCE_TIMEOUT_MS);
	if (PQresultStatus(connection->result) != PGRES_COPY_OUT)
		bb_repl_violation(connection, "Instead of archives comes \"%s\".",
						  PQresStatus(PQresultStatus(connection->result)));

	old = MemoryContextSwitchTo(connection->context);
	connection->archives = list_copy(start.tablespaces);
	connection->in_archive = false;
	MemoryContextSwitchTo(old);
	return start;
}

/* ---- archives ---- */

/* Wait for the next message; -1: there is none. */
static int
next_message(const BbReqCtx *ctx, BbReplConnection *connection,
			 const char **data)
{
	TimestampTz begun = 0;
	int			length;

	bb_reqctx_check(ctx);
	while ((length = bb_repl_copied(connection, data)) == 0)
	{
		long		silent_ms = 0;

		if (begun == 0)
			begun = GetCurrentTimestamp();
		else
			silent_ms = TimestampDifferenceMilliseconds(begun,
														GetCurrentTimestamp());
		if (silent_ms >= SILENCE_TIMEOUT_MS)
		{
			connection->broken = true;
			ereport(ERROR,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("source \"%s\" sends no more of its base backup",
							connection->name),
					 errdetail("Nothing has come for %ld seconds.",
							   silent_ms / 1000)));
		}
		(void) bb_repl_wait(ctx, connection, true,
							SILENCE_TIMEOUT_MS - silent_ms);
	}
	return length;
}

/* 'n', its name, the path of the tablespace */
static void
take_archive(BbReplConnection *connection, const char *data, int length,
			 BbServerBackupPiece *piece)
{
	const char *name = data + 1;
	const char *name_end = memchr(name, '\0', length - 1);
	const char *path_end = NULL;
	const BbServerTablespace *next;
	const char *expected;

	if (name_end != NULL && name_end + 1 < data + length)
		path_end = memchr(name_end + 1, '\0', data + length - name_end - 1);
	if (path_end != data + length - 1)
		bb_repl_violation(connection,
						  "The header of an archive is not "
						  "valid.");
	if (connection->archives == NIL)
		bb_repl_violation(connection, "There is an archive too many.");
	next = linitial(connection->archives);
	expected = OidIsValid(next->spc) ? psprintf("%u.tar", next->spc)
									 : "base.tar";
	if (strcmp(name, expected) != 0)
		bb_repl_violation(connection,
						  "An archive is \"%.60s\" instead of \"%s\".", name,
						  expected);
	connection->archives = list_delete_first(connection->archives);
	connection->in_archive = true;
	piece->tablespace = next;
}

static BbServerBackupNext
take_end(const BbReqCtx *ctx, BbReplConnection *connection,
		 BbServerBackupPiece *piece)
{
	next_result(ctx, connection, SILENCE_TIMEOUT_MS);
	if (connection->archives != NIL)
		bb_repl_violation(connection, "There are %d archives too few.",
						  list_length(connection->archives));
	read_position(connection, "end of the backup", &piece->end_lsn,
				  &piece->end_tli);
	next_result(ctx, connection, BB_REPL_ANSWER_TIMEOUT);
	if (PQresultStatus(connection->result) != PGRES_COMMAND_OK)
		bb_repl_violation(connection, "The backup ends with \"%s\".",
						  PQresStatus(PQresultStatus(connection->result)));
	bb_repl_finish(ctx, connection);
	return BB_SERVERBACKUP_END;
}

BbServerBackupNext
bb_serverbackup_next(const BbReqCtx *ctx, BbReplConnection *connection,
					 BbServerBackupPiece *piece)
{
	const char *data;
	int			length = next_message(ctx, connection, &data);

	memset(piece, 0, sizeof(BbServerBackupPiece));
	if (length < 0)
		return take_end(ctx, connection, piece);
	if (data[0] == 'n')
	{
		take_archive(connection, data, length, piece);
		return BB_SERVERBACKUP_ARCHIVE;
	}
	if (data[0] == 'd' && length > 1 && connection->in_archive)
	{
		piece->data = data + 1;
		piece->length = length - 1;
		return BB_SERVERBACKUP_DATA;
	}
	if (data[0] == 'p' && length == 1 + sizeof(uint64))
	{
		uint64		bytes;

		memcpy(&bytes, data + 1, sizeof(bytes));
		piece->bytes_done = pg_ntoh64(bytes);
		return BB_SERVERBACKUP_PROGRESS;
	}
	bb_repl_violation(connection,
					  "A message of the backup has the type %d and %d bytes.",
					  (unsigned char) data[0], length);
}
