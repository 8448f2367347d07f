/*-------------------------------------------------------------------------
 *
 * bb_check.c
 *	  A program that checks page stores, as plugins of monitoring systems do.
 *
 *	  exit code		0	  1		   2		 3
 *					OK	  WARNING  CRITICAL	 UNKNOWN: nothing was checked
 *
 * (Monitoring Plugins Development Guidelines, "Plugin Return Codes")
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "cleanup.h"
#include "common/logging.h"
#include "option_table.h"
#include "rows.h"

static const BbOption own_options[] = {
	{NULL, 0, NULL, "Options controlling what is checked"},
	{"store", OPTION_STORE, "SERVER",
	 "page store (default: all that the role may use)"},
	{"timeline", OPTION_TIMELINE, "NAME", "only this timeline"},
	{"no-write", OPTION_NO_WRITE, NULL,
	 "do not try whether the store can be written to"},

	{NULL, 0, NULL, "Options controlling limits"},
	{"full-within", OPTION_FULL_WITHIN, "INTERVAL",
	 "warn if the disk of a store is going to be full within this time (default: 14 days)"},
	{"max-age", OPTION_MAX_AGE, "INTERVAL",
	 "how old the end of a timeline may be (default: any age)"},
	{"max-copy-lag", OPTION_MAX_COPY_LAG, "INTERVAL",
	 "how far a copy may be behind (default: 1 hour)"},
	{"max-key-age", OPTION_MAX_KEY_AGE, "INTERVAL",
	 "how old the key of an encrypted store may be (default: 2 years)"},
	{"max-lag", OPTION_MAX_LAG, "INTERVAL",
	 "how far following may be behind (default: 5 minutes)"},
	{"max-lag-bytes", OPTION_MAX_LAG_BYTES, "BYTES",
	 "the same in bytes of WAL (default: 1073741824)"},
	{"min-free-percent", OPTION_MIN_FREE_PERCENT, "PERCENT",
	 "how much of the disk must be free (default: 10)"},
	{"pin-notice", OPTION_PIN_NOTICE, "INTERVAL",
	 "how long before it expires a pin is named (default: 7 days)"},

	{NULL, 0, NULL, "General options"},
	{"json", OPTION_JSON, NULL, "output JSON instead of a table"},
	{"quiet", 'q', NULL, "omit checks that are well"},
	{"version", 'V', NULL, "output version information, then exit"},
	{"help", '?', NULL, "show this help, then exit"},
};

const BbProgram bb_program = {
	.name = "bb_check",
	.summary = "bb_check says whether page stores of bbackup are well.",
	.usage = "[OPTION]...",
	.tables = {BB_OPTION_TABLE(own_options),
			   BB_OPTION_TABLE(bb_connection_options)},
	.notes = "Exit codes: 0 ok, 1 warning, 2 critical, 3 nothing was checked.",
};

/* The exit codes; the last one is that of every error. */
static const char *const statuses[] = {"ok", "warning", "critical", "unknown"};
#define CRITICAL 2
#define UNKNOWN 3

static const BbColumn columns[] = {
	{"check_name", "Check", BB_COLUMN_TEXT},
	{"store", "Store", BB_COLUMN_TEXT},
	{"timeline", "Timeline", BB_COLUMN_TEXT},
	{"status", "Status", BB_COLUMN_TEXT},
	{"message", "Message", BB_COLUMN_TEXT},
	{"hint", NULL, BB_COLUMN_TEXT},
};
#define STATUS_COLUMN 3
#define MESSAGE_COLUMN 4
#define HINT_COLUMN 5

/* Options that are arguments of bb_check(), which has the defaults. */
static const struct
{
	int			option;
	const char *argument;
}			arguments[] = {
	{OPTION_STORE, "store"},
	{OPTION_TIMELINE, "timeline"},
	{OPTION_FULL_WITHIN, "full_within"},
	{OPTION_MAX_AGE, "max_age"},
	{OPTION_MAX_COPY_LAG, "max_copy_lag"},
	{OPTION_MAX_KEY_AGE, "max_key_age"},
	{OPTION_MAX_LAG, "max_lag"},
	{OPTION_MAX_LAG_BYTES, "max_lag_bytes"},
	{OPTION_MIN_FREE_PERCENT, "min_free_percent"},
	{OPTION_PIN_NOTICE, "pin_notice"},
};

typedef struct CheckOptions
{
	ConnParams	connection;
	const char *values[lengthof(arguments)];
	bool		write;
	bool		json;
	bool		quiet;
} CheckOptions;

static bool checked; /* the exit code is a result */

/* What fails ends the program by exit(1), which would be a warning. */
static void
exit_unknown(void)
{
	if (!checked)
	{
		fflush(stdout);
		_exit(UNKNOWN);
	}
}

static bool
argument_option(int letter, CheckOptions *options)
{
	for (int i = 0; i < lengthof(arguments); i++)
	{
		if (arguments[i].option == letter)
		{
			options->values[i] = optarg;
			return true;
		}
	}
	return false;
}

static CheckOptions
parse(int argc, char **argv)
{
	CheckOptions options = {.connection = BB_CONNECTION_DEFAULT,
							.write = true};
	int			letter;

	bb_option_start(argc, argv);
	atexit(exit_unknown);
	while ((letter = bb_option_next(argc, argv)) != -1)
	{
		if (bb_connection_option(letter, &options.connection) ||
			argument_option(letter, &options))
			continue;
		switch (letter)
		{
			case OPTION_NO_WRITE:
				options.write = false;
				break;
			case OPTION_JSON:
				options.json = true;
				break;
			case 'q':
				options.quiet = true;
				break;
			default:
				bb_option_try_help();
		}
	}
	bb_option_no_arguments(argc, argv);
	return options;
}

static char *
compose(const BbServer *server, const CheckOptions *options)
{
	BbCall		call = bb_call_begin(server, "bb_check");

	for (int i = 0; i < lengthof(arguments); i++)
		bb_call_argument(&call, arguments[i].argument, options->values[i]);
	if (!options->write)
		bb_call_argument(&call, "write", "false");
	return bb_call_end(&call);
}

/* How many rows have each status. */
static void
count_rows(const PGresult *result, int *counts)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		const char *text = PQgetvalue(result, row, STATUS_COLUMN);
		int			status = 0;

		while (status < UNKNOWN && strcmp(text, statuses[status]) != 0)
			status++;
		counts[status]++;
	}
}

/* The worst status; a status that is new to this program is critical. */
static int
worst_of(const int *counts)
{
	if (counts[UNKNOWN] > 0)
		return CRITICAL;
	for (int status = CRITICAL; status > 0; status--)
		if (counts[status] > 0)
			return status;
	return 0;
}

static void
print_json(const PGresult *result, int status)
{
	printf("{\"status\": \"%s\", ", statuses[status]);
	bb_rows_array(BB_COLUMNS(columns), "checks", result);
	puts("}");
}

/* Is a row shown? */
static bool
is_shown(const PGresult *result, int row, bool quiet)
{
	return !quiet ||
		strcmp(PQgetvalue(result, row, STATUS_COLUMN), statuses[0]) != 0;
}

/* The message of a row, with its hint below. */
static char *
message_of(const PGresult *result, int row)
{
	const char *message = PQgetvalue(result, row, MESSAGE_COLUMN);

	return PQgetisnull(result, row, HINT_COLUMN)
		? pg_strdup(message)
		: psprintf("%s\nHint: %s", message,
				   PQgetvalue(result, row, HINT_COLUMN));
}

static void
print_table(const BbServer *server, const PGresult *result, bool quiet)
{
	printTableOpt options = bb_rows_table_options(server);
	printTableContent content;
	int			shown = 0;

	for (int row = 0; row < PQntuples(result); row++)
		shown += is_shown(result, row, quiet);
	if (shown == 0)
		return;
	printTableInit(&content, &options, NULL, HINT_COLUMN, shown);
	for (int i = 0; i < HINT_COLUMN; i++)
		printTableAddHeader(&content, unconstify(char *, columns[i].title),
							false, 'l');
	for (int row = 0; row < PQntuples(result); row++)
	{
		if (!is_shown(result, row, quiet))
			continue;
		for (int i = 0; i < MESSAGE_COLUMN; i++)
			printTableAddCell(&content, PQgetvalue(result, row, i), false,
							  false);
		printTableAddCell(&content, message_of(result, row), false, true);
	}
	printTable(&content, stdout, false, NULL);
	printTableCleanup(&content);
}

/* Print the line that a monitoring system shows, then the rows. */
static void
print_text(const BbServer *server, const PGresult *result, int status,
		   const int *counts, bool quiet)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL"};

	printf("BBACKUP %s - %d critical, %d warning, %d ok\n", words[status],
		   counts[CRITICAL] + counts[UNKNOWN], counts[1], counts[0]);
	print_table(server, result, quiet);
}

int
main(int argc, char **argv)
{
	CheckOptions options;
	BbServer   *server;
	PGresult   *result;
	int			counts[lengthof(statuses)] = {0};
	int			status;

	pg_logging_init(argv[0]);
	set_pglocale_pgservice(argv[0], PG_TEXTDOMAIN("bb_check"));
	options = parse(argc, argv);
	server = bb_server_connect(&options.connection);
	bb_rows_settings(server, options.json);
	result = bb_server_ask(server,
						   bb_rows_select(BB_COLUMNS(columns), true,
										  compose(server, &options)),
						   "could not check");
	if (PQntuples(result) == 0)
		bb_fatal_hint("The role needs USAGE on its foreign server.",
					  "there is no page store to check");
	count_rows(result, counts);
	status = worst_of(counts);
	if (options.json)
		print_json(result, status);
	else
		print_text(server, result, status, counts, options.quiet);
	bb_rows_end();
	PQclear(result);
	bb_server_close(server);
	checked = true;
	return status;
}
