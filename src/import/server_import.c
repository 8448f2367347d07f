/*-------------------------------------------------------------------------
 *
 * server_import.c
 *	  Import of a running server as a new timeline of a page store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "import/directlayers.h"
#include "import/import_internal.h"
#include "import/receiving.h"
#include "import/server_import.h"
#include "stats/progress.h"
#include "wal/tlihistory.h"

typedef struct ServerSource
{
	BbImportSource base;
	BbReplConnection *connection;
	const BbServerBackupOptions *options;
	BbServerWal *wal;
	BbTempFile *temp;
} ServerSource;

/* ---- the backup ---- */

static uint64
expected_bytes(const BbServerBackupStart *start)
{
	uint64		bytes = 0;
	ListCell   *cell;

	foreach(cell, start->tablespaces)
		bytes += ((const BbServerTablespace *) lfirst(cell))->bytes;
	return bytes;
}

/* End the archive that is open, if one is. */
static void
end_archive(BbReceiving *receiving, BbTarReader **reader)
{
	if (*reader == NULL)
		return;
	bb_tarreader_end(*reader);
	*reader = NULL;
	if (receiving->prefix[0] == '\0')
		receiving->complete = true;
}

/* Receive all archives. */
static void
receive_archives(const BbReqCtx *ctx, BbReceiving *receiving,
				 BbReplConnection *connection, BbServerWal *wal)
{
	BbTarReader *reader = NULL;
	BbServerBackupPiece piece;
	BbServerBackupNext next;
	uint64		received = 0;

	while ((next = bb_serverbackup_next(ctx, connection, &piece)) !=
		   BB_SERVERBACKUP_END)
	{
		bb_reqctx_check(ctx);
		switch (next)
		{
			case BB_SERVERBACKUP_ARCHIVE:
				end_archive(receiving, &reader);
				receiving->prefix = OidIsValid(piece.tablespace->spc)
					? psprintf("pg_tblspc/%u/", piece.tablespace->spc)
					: "";
				reader = bb_tarreader_new(&bb_receiving_events, receiving);
				break;
			case BB_SERVERBACKUP_DATA:
				if (reader == NULL)
					ereport(ERROR,
							(errcode(ERRCODE_PROTOCOL_VIOLATION),
							 errmsg("server sent data outside of an archive")));
				bb_tarreader_feed(reader, piece.data, piece.length);
				received += piece.length;
				break;
			case BB_SERVERBACKUP_PROGRESS:
				bb_progress_import_done(received, 0);
				wal->check(ctx, wal);
				break;
			case BB_SERVERBACKUP_END:
				break;
		}
	}
	end_archive(receiving, &reader);
	if (!receiving->complete)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("server sent no archive of its data directory")));
}

/*
 * Add the history file of the tli, which a base backup doesn't have: pg_wal is
 * not in it.
 */
static void
add_history(BbReceivedTree *tree, TimeLineID tli, const char *text)
{
	BbSourceStat st = {.kind = BB_SOURCE_FILE, .mode = 0600};
	char		path[MAXPGPATH];

	if (text == NULL)
		return;
	st.size = strlen(text);
	snprintf(path, sizeof(path), XLOGDIR "/%08X.history", tli);
	bb_receivedtree_add(tree, path, &st, NULL, false);
	bb_receivedtree_append(tree, text, st.size);
}

/* Are the files those of the server that was asked, and of this backup? */
static void
check_server(const BbImport *import, const BbReplServer *server,
			 const BbServerBackupStart *start)
{
	const ControlFileData *control = &import->dir->control;
	const BbBackupLabel *label = import->dir->label;

	if (control->system_identifier != server->system_identifier ||
		control->xlog_seg_size != server->segment_size ||
		(control->data_checksum_version != 0) != import->checksums)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("server \"%s\" sent a control file that is not its own",
						import->path),
				 errdetail("It says system identifier " UINT64_FORMAT
						   ", WAL segments of %u bytes, data checksums of version %u; "
						   "the server says " UINT64_FORMAT ", %u bytes, %s.",
						   control->system_identifier, control->xlog_seg_size,
						   control->data_checksum_version,
						   server->system_identifier, server->segment_size,
						   import->checksums ? "with checksums"
											 : "no checksums")));
	if (label->start_lsn != start->lsn || label->tli != start->tli)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("server \"%s\" sent the " BB_BACKUP_LABEL_FILE
						" of another backup",
						import->path),
				 errdetail("It begins at " BB_LSN_FORMAT " on timeline ID %u, instead of " BB_LSN_FORMAT " on timeline ID %u.",
						   LSN_FORMAT_ARGS(label->start_lsn), label->tli,
						   LSN_FORMAT_ARGS(start->lsn), start->tli)));
}

/* The history file of a tli; NULL: it has none. */
static const char *
read_history(const BbReqCtx *ctx, BbReplConnection *connection, TimeLineID tli)
{
	return tli > 1 ? bb_repl_history(ctx, connection, tli) : NULL;
}

/*
 * The history of the tli of a base backup that has begun, from that of the
 * server's tli.  A standby's last checkpoint may be of an older one.
 */
static const char *
history_of_start(const BbReplServer *server, const char *history,
				 TimeLineID tli)
{
	if (tli > server->tli)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("server \"%s\" changed from timeline ID %u to %u when the base backup began",
						server->host, server->tli, tli),
				 errhint("Try again.")));
	if (tli == server->tli || tli == 1)
		return tli == 1 ? NULL : history;
	return bb_tlihistory_text(bb_tlihistory_parse(history, server->tli), NULL,
							  tli);
}

/*
 * Check that a base can follow the timeline, if there is one, before it is
 * received.
 */
static void
check_base(const BbImport *import, const BbReplServer *server, bool planned,
		   XLogRecPtr lsn, TimeLineID tli, const char *history)
{
	BbRebaseBase base = {
		.system_identifier = server->system_identifier,
		.segment_size = server->segment_size,
		.checksums = import->checksums,
		.lsn = lsn,
		.planned = planned,
		.tli = tli,
		.history = history,
	};

	if (import->rebase != NULL)
		bb_rebase_check(import->rebase, &base);
}

static void
receive(const BbReqCtx *ctx, BbImportSource *base, BbImport *import)
{
	ServerSource *source = (ServerSource *) base;
	BbReplConnection *connection = source->connection;
	const BbReplServer *server;
	const char *history;
	BbServerBackupStart start;
	BbReceiving receiving = {.ctx = ctx, .import = import};

	import->path = pstrdup(bb_repl_server(connection)->host);
	import->fuzzy = true;
	/* the control file, which says it too, is the last file */
	import->checksums = strcmp(bb_repl_show(ctx, connection, "data_checksums"),
							   "on") == 0;

	bb_progress_import_phase(BB_IMPORT_STARTING);
	server = bb_repl_server(connection);
	history = read_history(ctx, connection, server->tli);
	check_base(import, server, true, server->lsn, server->tli, history);
	source->wal->reserve(ctx, source->wal, server);
	start = bb_serverbackup_start(ctx, connection, source->options);
	if (import->rebase != NULL)
		check_base(import, server, false, start.lsn, start.tli,
				   history_of_start(server, history, start.tli));
	source->wal->receive(ctx, source->wal, start.tli, start.lsn);
	import->lsn = start.lsn;

	bb_progress_import_total(expected_bytes(&start), 0);
	bb_progress_import_phase(BB_IMPORT_RECEIVING);
	source->temp = bb_tempfile_new();
	receiving.tree = bb_receivedtree_new(import->path, source->temp);
	import->direct = bb_directlayers_new(import, source->temp);
	receive_archives(ctx, &receiving, connection, source->wal);
	import->history = read_history(ctx, connection, start.tli);
	add_history(receiving.tree, start.tli, import->history);

	bb_progress_import_phase(BB_IMPORT_CHECKING);
	import->dir = bb_datadir_received(ctx,
									  bb_receivedtree_finish(receiving.tree));
	check_server(import, bb_repl_server(connection), &start);
	import->wal = source->wal->origin(ctx, source->wal);
	import->checkpoint_wal = import->wal;
}

static void
release(BbImportSource *base)
{
	ServerSource *source = (ServerSource *) base;

	if (source->temp != NULL)
		bb_tempfile_close(source->temp);
}

BbImportResult
bb_import_from_server(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline, BbReplConnection *connection,
					  const BbServerBackupOptions *options, BbServerWal *wal,
					  BbRebase *rebase)
{
	ServerSource source = {
		.base = {.prepare = receive, .release = release},
		.connection = connection,
		.options = options,
		.wal = wal,
	};

	bb_timeline_name_check(timeline);
	return bb_import_run(ctx, objects, timeline, &source.base, rebase);
}

BbImportResult
bb_import_server(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline, BbReplConnection *connection,
				 const BbServerBackupOptions *options, BbServerWal *wal)
{
	return bb_import_from_server(ctx, objects, timeline, connection, options,
								 wal, NULL);
}
