/*-------------------------------------------------------------------------
 *
 * bb_import.c
 *	  A program that sends a base backup to a page store.
 *
 *	  standard input, file ──────────────────────────┐
 *	  directory ──► base_tree.h ──► tar_writer.h ────┴──► import_stream.h
 *
 * Bytes are passed on as they are read, so that memory doesn't depend on the size
 * of the backup.  The server stores them as they come, and removes all of them if
 * the stream isn't complete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base_tree.h"
#include "cleanup.h"
#include "common/logging.h"
#include "import_stream.h"
#include "option_table.h"
#include "progress.h"
#include "rows.h"

/* The size of a message, bytes. */
#define MESSAGE_SIZE (256 * 1024)

static const BbOption own_options[] = {
	{NULL, 0, NULL, "Options controlling where it is stored"},
	{"store", OPTION_STORE, "SERVER", "page store (default: bbackup)"},
	{"timeline", OPTION_TIMELINE, "NAME",
	 "name of the new timeline (default: main)"},

	{NULL, 0, NULL, "Options controlling the WAL of the backup"},
	{"restore-command", OPTION_RESTORE_COMMAND, "COMMAND",
	 "command on the server that fetches WAL, as the server's restore_command"},
	{"wal-directory", OPTION_WAL_DIRECTORY, "SERVERDIR",
	 "directory on the server with the WAL (default: the WAL in the backup)"},

	{NULL, 0, NULL, "General options"},
	{"json", OPTION_JSON, NULL, "output JSON instead of a table"},
	{"progress", 'P', NULL, "show progress information"},
	{"verbose", 'v', NULL, "output verbose messages"},
	{"version", 'V', NULL, "output version information, then exit"},
	{"help", '?', NULL, "show this help, then exit"},
};

const BbProgram bb_program = {
	.name = "bb_import",
	.summary =
		"bb_import stores a base backup of this machine in a page store of bbackup.",
	.usage = "[OPTION]... BACKUP",
	.tables = {BB_OPTION_TABLE(own_options),
			   BB_OPTION_TABLE(bb_connection_options)},
	.notes =
		"BACKUP is a directory (pg_basebackup -Fp or -Ft), a tar, or \"-\": a tar on\n"
		"standard input. Tars may be compressed.",
};

static const BbColumn columns[] = {
	{"timeline", "Timeline", BB_COLUMN_TEXT},
	{"lsn", "LSN", BB_COLUMN_TEXT},
	{"databases", "Databases", BB_COLUMN_NUMBER},
	{"relations", "Relations", BB_COLUMN_NUMBER},
	{"pages", "Pages", BB_COLUMN_NUMBER},
	{"bytes_read", "Bytes read", BB_COLUMN_NUMBER},
	{"bytes_stored", "Bytes stored", BB_COLUMN_NUMBER},
	{"duration", "Duration", BB_COLUMN_DURATION},
};

typedef struct ImportOptions
{
	ConnParams	connection;
	const char *backup;
	const char *store;
	const char *timeline;
	const char *wal_directory;
	const char *restore_command;
	bool		json;
	bool		progress;
	bool		verbose;
} ImportOptions;

/* ---- the command line ---- */

static bool
text_option(int letter, ImportOptions *options)
{
	switch (letter)
	{
		case OPTION_STORE:
			options->store = optarg;
			return true;
		case OPTION_TIMELINE:
			options->timeline = optarg;
			return true;
		case OPTION_WAL_DIRECTORY:
			options->wal_directory = optarg;
			return true;
		case OPTION_RESTORE_COMMAND:
			options->restore_command = optarg;
			return true;
		default:
			return false;
	}
}

static ImportOptions
parse(int argc, char **argv)
{
	ImportOptions options = {.connection = BB_CONNECTION_DEFAULT};
	int			letter;

	bb_option_start(argc, argv);
	while ((letter = bb_option_next(argc, argv)) != -1)
	{
		if (bb_connection_option(letter, &options.connection) ||
			text_option(letter, &options))
			continue;
		switch (letter)
		{
			case 'P':
				options.progress = true;
				break;
			case 'v':
				options.verbose = true;
				break;
			case OPTION_JSON:
				options.json = true;
				break;
			default:
				bb_option_try_help();
		}
	}
	if (optind >= argc)
	{
		pg_log_error("no base backup specified");
		bb_option_try_help();
	}
	options.backup = argv[optind++];
	bb_option_no_arguments(argc, argv);
	return options;
}

/* ---- sending ---- */

/* Bytes that are collected, so that a message is of some size. */
typedef struct Outbox
{
	BbServer   *server;
	size_t		filled;
	char		bytes[MESSAGE_SIZE];
} Outbox;

static void
send_collected(Outbox *outbox)
{
	if (outbox->filled > 0)
		bb_import_send(outbox->server, outbox->bytes, outbox->filled);
	bb_progress_add(outbox->filled);
	outbox->filled = 0;
}

static void
put(void *arg, const char *data, size_t length)
{
	Outbox	   *outbox = arg;

	while (length > 0)
	{
		size_t		some = Min(length, MESSAGE_SIZE - outbox->filled);

		memcpy(outbox->bytes + outbox->filled, data, some);
		outbox->filled += some;
		data += some;
		length -= some;
		if (outbox->filled == MESSAGE_SIZE)
			send_collected(outbox);
	}
}

/* Send a descriptor, as it arrives. */
static void
send_descriptor(Outbox *outbox, int fd, const char *what)
{
	for (;;)
	{
		ssize_t		got;

		bb_wait_readable(fd, what);
		got = read(fd, outbox->bytes + outbox->filled,
				   MESSAGE_SIZE - outbox->filled);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			pg_fatal("could not read %s: %m", what);
		if (got == 0)
			break;
		outbox->filled += got;
		if (outbox->filled == MESSAGE_SIZE)
			send_collected(outbox);
	}
}

/* The backup, opened before the server is asked for anything. */
typedef struct Source
{
	bool		directory;
	bool		tars; /* in it */
	int			fd;	  /* of standard input or a file */
	const char *what; /* for messages */
	uint64		size; /* 0: unknown */
} Source;

static Source
open_source(const ImportOptions *options)
{
	Source		source = {.fd = STDIN_FILENO, .what = "standard input"};
	struct stat st;

	if (strcmp(options->backup, "-") == 0)
	{
		if (isatty(STDIN_FILENO))
			pg_fatal("a backup is read from standard input, which is a "
					 "terminal");
		return source;
	}
	if (stat(options->backup, &st) != 0)
		pg_fatal("could not stat \"%s\": %m", options->backup);
	source.directory = S_ISDIR(st.st_mode);
	if (source.directory)
	{
		source.tars = bb_base_check(options->backup);
		if (options->progress)
			source.size = bb_base_size(options->backup, source.tars);
		return source;
	}
	source.what = psprintf("file \"%s\"", options->backup);
	source.fd = open(options->backup, O_RDONLY | O_CLOEXEC);
	if (source.fd < 0)
		pg_fatal("could not open %s: %m", source.what);
	source.size = S_ISREG(st.st_mode) ? st.st_size : 0;
	return source;
}

static PGresult *
import_source(BbServer *server, const ImportOptions *options,
			  const Source *source)
{
	static Outbox outbox;
	BbCall		call = bb_call_begin(server, "bb_import_copy");
	BbTarWriter writer = {.put = put, .arg = &outbox};

	bb_call_argument(&call, "store", options->store);
	bb_call_argument(&call, "timeline", options->timeline);
	bb_call_argument(&call, "wal_directory", options->wal_directory);
	bb_call_argument(&call, "restore_command", options->restore_command);
	bb_import_begin(server, &call);
	outbox.server = server;
	if (source->directory)
		bb_base_write(&writer, options->backup, source->tars);
	else
		send_descriptor(&outbox, source->fd, source->what);
	send_collected(&outbox);
	bb_progress_archive_done();
	bb_progress_end();
	if (options->verbose)
		pg_log_info("backup sent, waiting for the server to import its WAL");
	return bb_import_end(server);
}

static void
print_result(const BbServer *server, const PGresult *result, bool json)
{
	if (json)
	{
		bb_rows_object(BB_COLUMNS(columns), result, 0);
		putchar('\n');
	}
	else
		bb_rows_table(server, result);
	bb_rows_end();
}

int
main(int argc, char **argv)
{
	ImportOptions options;
	Source		source;
	BbServer   *server;
	PGresult   *result;

	pg_logging_init(argv[0]);
	set_pglocale_pgservice(argv[0], PG_TEXTDOMAIN("bb_import"));
	options = parse(argc, argv);
	bb_cleanup_init(true);
	source = open_source(&options);
	server = bb_server_connect(&options.connection);
	bb_rows_settings(server, options.json);
	if (options.progress)
		bb_progress_init(false, source.size, 1);
	result = import_source(server, &options, &source);
	print_result(server, result, options.json);
	PQclear(result);
	bb_server_close(server);
	return 0;
}
