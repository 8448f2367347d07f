/*-------------------------------------------------------------------------
 *
 * bb_basebackup.c
 *	  A program that writes a base backup from a page store on the client.
 *
 *	  server  ── COPY ──┐
 *						├─► copy_decoder ──► output ──► file, files
 *	  standard input  ──┘							└─► tar_reader ──► directory
 *
 * Bytes are passed on as they arrive, so that memory doesn't depend on the size
 * of the backup.  After an error the program exits with code 1, and files that
 * it created are removed (cleanup.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <sys/stat.h>
#include <unistd.h>

#include "backup_call.h"
#include "basebackup_options.h"
#include "cleanup.h"
#include "common/logging.h"
#include "copy_decoder.h"
#include "progress.h"

/* The size of a read, bytes. */
#define READ_SIZE (256 * 1024)

static BbOutput *
make_output(BbOptions *options)
{
	switch (options->to)
	{
		case BB_TARGET_DIRECTORY:
			return bb_output_directory_new(options->target,
										   &options->backup.mappings,
										   options->sync);
		case BB_TARGET_ARCHIVES:
			return bb_output_archives_new(options->target, options->sync);
		case BB_TARGET_FILE:
			break;
	}
	return bb_output_file_new(options->target, options->sync);
}

/* Read from standard input; returns 0 at its end. */
static size_t
read_input(char *buffer, size_t size)
{
	ssize_t		got;

	bb_wait_readable(STDIN_FILENO, "standard input");
	do
		got = read(STDIN_FILENO, buffer, size);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		pg_fatal("could not read standard input: %m");
	return got;
}

static void
decode_input(BbOptions *options)
{
	BbOutput   *output;
	BbCopyDecoder *decoder;
	char	   *buffer = pg_malloc(READ_SIZE);
	size_t		length;

	if (isatty(STDIN_FILENO))
		pg_fatal("--decode reads a backup from standard input, which is a "
				 "terminal");
	bb_cleanup_init(options->clean);
	output = make_output(options);
	decoder = bb_copy_decoder_new(output, "base.tar");
	if (options->progress)
		bb_progress_init(options->verbose, 0, 1);

	while ((length = read_input(buffer, READ_SIZE)) > 0)
		bb_copy_decoder_feed(decoder, buffer, length);
	bb_copy_decoder_end(decoder);
	bb_output_finish(output);
	pg_free(buffer);
}

/* Does each tablespace get an archive? */
static bool
splits(const BbServer *server, const BbOptions *options)
{
	return options->to == BB_TARGET_ARCHIVES &&
		bb_server_has(server, "bb_basebackup_archives");
}

/* Compose the COPY command of the backup. */
static char *
backup_query(const BbServer *server, const BbOptions *options)
{
	bool		split = splits(server, options);
	BbCall		call = bb_call_begin(server,
									 split ? "bb_basebackup_archives"
										   : "bb_basebackup_stream");

	bb_call_content(&call, &options->backup);
	bb_call_argument(&call, "compression", options->compression);
	bb_call_argument(&call, "max_rate", options->backup.max_rate);
	if (!options->estimate)
		bb_call_argument(&call, "progress", "false");
	bb_call_argument(&call, "jobs", options->backup.jobs);
	/* functions stream in a target list only */
	return psprintf("COPY (SELECT %s%s%s) TO STDOUT (FORMAT binary)",
					split ? "(r).archive, (r).data FROM (SELECT " : "",
					bb_call_end(&call), split ? " AS r) s" : "");
}

/* Wait until the server has sent data. */
static void
wait_for_server(const BbServer *server)
{
	bb_wait_readable(PQsocket(server->connection), "the server");
	if (!PQconsumeInput(server->connection))
		bb_server_fail(server, NULL, "backup failed");
}

/* Pass the whole backup to the decoder. */
static void
receive_copy(const BbServer *server, const char *query, BbCopyDecoder *decoder)
{
	PGconn	   *connection = server->connection;
	PGresult   *result;
	char	   *data;
	int			length;

	if (!PQsendQuery(connection, query))
		bb_server_fail(server, NULL, "backup failed");
	while (PQisBusy(connection))
		wait_for_server(server);
	result = PQgetResult(connection);
	if (PQresultStatus(result) != PGRES_COPY_OUT)
		bb_server_fail(server, result, "backup failed");
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
			wait_for_server(server);
	}
	if (length == -2)
		bb_server_fail(server, NULL, "backup failed");

	result = PQgetResult(connection);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		bb_server_fail(server, result, "backup failed");
	PQclear(result);
	bb_copy_decoder_end(decoder);
}

/* Ask the server for the totals of the progress line. */
static void
start_progress(BbServer *server, BbOptions *options, int tablespaces)
{
	int			archives = splits(server, options) ? tablespaces + 1 : 1;
	uint64		size = 0;

	/* the size of a compressed backup is unknown before its end */
	if (options->estimate && options->suffix[0] == '\0')
		size = bb_server_find_size(server, &options->backup, archives);
	bb_progress_init(options->verbose, size, archives);
}

static void
receive_backup(BbOptions *options)
{
	BbServer   *server = bb_server_connect(&options->connection);
	BbOutput   *output;
	int			tablespaces = 0;

	bb_server_find_lsn(server, &options->backup,
					   options->progress || options->verbose);
	if (options->backup.mappings.first != NULL ||
		(options->progress && splits(server, options)))
		tablespaces = bb_server_find_tablespaces(server, &options->backup);
	if (options->progress)
		start_progress(server, options, tablespaces);
	if (options->verbose && options->backup.lsn != NULL)
		pg_log_info("base backup at LSN %s", options->backup.lsn);

	/* from here on there are files that a failure has to remove */
	bb_cleanup_init(options->clean);
	output = make_output(options);
	receive_copy(server, backup_query(server, options),
				 bb_copy_decoder_new(output,
									 psprintf("base.tar%s", options->suffix)));
	if (options->verbose && options->sync)
		pg_log_info("syncing data to disk ...");
	bb_output_finish(output);
	bb_server_close(server);
}

int
main(int argc, char **argv)
{
	BbOptions	options;

	pg_logging_init(argv[0]);
	set_pglocale_pgservice(argv[0], PG_TEXTDOMAIN("bb_basebackup"));
	options = bb_options_parse(argc, argv);

	/* a backup contains all data of a cluster */
	umask(S_IRWXG | S_IRWXO);
	if (options.decode)
		decode_input(&options);
	else
		receive_backup(&options);
	bb_cleanup_success();
	bb_progress_end();
	if (options.verbose)
		pg_log_info("base backup completed");
	return 0;
}
