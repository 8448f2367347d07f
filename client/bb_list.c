/*-------------------------------------------------------------------------
 *
 * bb_list.c
 *	  A program that lists what page stores have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/logging.h"
#include "option_table.h"
#include "rows.h"

static const BbOption own_options[] = {
	{NULL, 0, NULL, "Options controlling what is listed"},
	{"store", OPTION_STORE, "SERVER",
	 "page store (default: all that the role may use)"},
	{"timeline", OPTION_TIMELINE, "NAME", "only this timeline"},
	{"gaps", OPTION_GAPS, NULL,
	 "list gaps, where WAL was lost, instead of timelines"},
	{"keeps", OPTION_KEEPS, NULL,
	 "list what holds history (windows, points, pins, branches) instead of timelines"},
	{"restore-points", OPTION_RESTORE_POINTS, NULL,
	 "list restore points instead of timelines"},

	{NULL, 0, NULL, "General options"},
	{"json", OPTION_JSON, NULL, "output JSON instead of a table"},
	{"version", 'V', NULL, "output version information, then exit"},
	{"help", '?', NULL, "show this help, then exit"},
};

const BbProgram bb_program = {
	.name = "bb_list",
	.summary =
		"bb_list lists timelines in page stores of bbackup, and what can be restored.",
	.usage = "[OPTION]...",
	.tables = {BB_OPTION_TABLE(own_options),
			   BB_OPTION_TABLE(bb_connection_options)},
};

/* ---- what can be listed ---- */

static const BbColumn timeline_columns[] = {
	{"store", "Store", BB_COLUMN_TEXT},
	{"timeline", "Timeline", BB_COLUMN_TEXT},
	{"oldest_lsn", "Oldest LSN", BB_COLUMN_TEXT},
	{"oldest_time", "Oldest time", BB_COLUMN_TIME},
	{"newest_lsn", "Newest LSN", BB_COLUMN_TEXT},
	{"newest_time", "Newest time", BB_COLUMN_TIME},
	{"gaps", "Gaps", BB_COLUMN_NUMBER},
	{"points", "Points", BB_COLUMN_NUMBER},
	{"oldest_point", NULL, BB_COLUMN_TEXT},
	{"oldest_point_time", NULL, BB_COLUMN_TIME},
	{"held_by", NULL, BB_COLUMN_TEXT},
	{"retention", "Retention", BB_COLUMN_TEXT},
	{"layers", NULL, BB_COLUMN_NUMBER},
	{"bytes", "Size", BB_COLUMN_SIZE},
	{"bytes_window", NULL, BB_COLUMN_SIZE},
	{"bytes_points", NULL, BB_COLUMN_SIZE},
	{"bytes_expired", NULL, BB_COLUMN_SIZE},
	{"bytes_per_day", NULL, BB_COLUMN_SIZE},
	{"wal_needed", NULL, BB_COLUMN_TEXT},
};

static const BbColumn gap_columns[] = {
	{"store", "Store", BB_COLUMN_TEXT},
	{"timeline", "Timeline", BB_COLUMN_TEXT},
	{"gap_start", "Start LSN", BB_COLUMN_TEXT},
	{"start_time", "Start time", BB_COLUMN_TIME},
	{"gap_end", "End LSN", BB_COLUMN_TEXT},
	{"end_time", "End time", BB_COLUMN_TIME},
};

static const BbColumn keep_columns[] = {
	{"store", "Store", BB_COLUMN_TEXT},
	{"timeline", "Timeline", BB_COLUMN_TEXT},
	{"kind", "Kind", BB_COLUMN_TEXT},
	{"name", "Name", BB_COLUMN_TEXT},
	{"lsn", "LSN", BB_COLUMN_TEXT},
	{"time", "Time", BB_COLUMN_TIME},
	{"reason", "Reason", BB_COLUMN_TEXT},
	{"since", NULL, BB_COLUMN_TIME},
	{"owner", NULL, BB_COLUMN_TEXT},
	{"expires", "Expires", BB_COLUMN_TIME},
	{"holds", NULL, BB_COLUMN_BOOL},
};

static const BbColumn restore_point_columns[] = {
	{"store", "Store", BB_COLUMN_TEXT},
	{"timeline", "Timeline", BB_COLUMN_TEXT},
	{"name", "Name", BB_COLUMN_TEXT},
	{"lsn", "LSN", BB_COLUMN_TEXT},
	{"time", "Time", BB_COLUMN_TIME},
};

typedef struct ListKind
{
	int			option;
	const char *key; /* in JSON */
	const char *function;
	const char *alias; /* of its rows; renames a column "timeline" */
	const BbColumn *columns;
	int			count;
} ListKind;

static const ListKind kinds[] = {
	{0, "timelines", "bb_get_window", NULL, timeline_columns,
	 lengthof(timeline_columns)},
	{OPTION_GAPS, "gaps", "bb_gaps", "r(of)", gap_columns,
	 lengthof(gap_columns)},
	{OPTION_KEEPS, "keeps", "bb_keeps", "r(of)", keep_columns,
	 lengthof(keep_columns)},
	{OPTION_RESTORE_POINTS, "restore_points", "bb_restore_points", "r",
	 restore_point_columns, lengthof(restore_point_columns)},
};

typedef struct ListOptions
{
	ConnParams	connection;
	const ListKind *kind;
	const char *store;
	const char *timeline;
	bool		json;
} ListOptions;

/* ---- the query ---- */

/*
 * Compose the rows of the kind's function, of all timelines that are wanted, with
 * the columns "store" and "timeline".
 */
static char *
rows_of(const BbServer *server, const ListOptions *options)
{
	BbCall		windows = bb_call_begin(server, "bb_get_window");
	BbCall		call = bb_call_begin(server, options->kind->function);
	char	   *windows_text;

	bb_call_argument(&windows, "store", options->store);
	windows_text = psprintf(
		"(SELECT * FROM %s%s%s ORDER BY store, timeline) w",
		bb_call_end(&windows), options->timeline ? " WHERE timeline = " : "",
		options->timeline ? bb_server_literal(server, options->timeline) : "");
	if (options->kind->alias == NULL)
		return windows_text;
	return psprintf(
		"(SELECT store, timeline FROM %s) w,"
		" LATERAL %sstore => w.store, timeline => w.timeline) AS %s",
		windows_text, call.text.data, options->kind->alias);
}

static PGresult *
query(BbServer *server, const ListOptions *options)
{
	BbColumns	columns = {options->kind->columns, options->kind->count};

	return bb_server_ask(server,
						 bb_rows_select(columns, options->json,
										rows_of(server, options)),
						 psprintf("could not list %s", options->kind->key));
}

/* ---- the command line ---- */

static const ListKind *
kind_of(int option)
{
	for (int i = 1; i < lengthof(kinds); i++)
		if (kinds[i].option == option)
			return &kinds[i];
	return NULL;
}

static ListOptions
parse(int argc, char **argv)
{
	ListOptions options = {.connection = BB_CONNECTION_DEFAULT,
						   .kind = &kinds[0]};
	int			letter;

	bb_option_start(argc, argv);
	while ((letter = bb_option_next(argc, argv)) != -1)
	{
		if (bb_connection_option(letter, &options.connection))
			continue;
		switch (letter)
		{
			case OPTION_STORE:
				options.store = optarg;
				break;
			case OPTION_TIMELINE:
				options.timeline = optarg;
				break;
			case OPTION_JSON:
				options.json = true;
				break;
			default:
				if (kind_of(letter) == NULL)
					bb_option_try_help();
				if (options.kind != &kinds[0] &&
					options.kind != kind_of(letter))
					pg_fatal("only one of --gaps, --keeps and "
							 "--restore-points can be used at a time");
				options.kind = kind_of(letter);
		}
	}
	bb_option_no_arguments(argc, argv);
	return options;
}

/* Is there a timeline of that name?  The list alone doesn't tell. */
static void
check_timeline(BbServer *server, const ListOptions *options)
{
	BbCall		call = bb_call_begin(server, "bb_get_window");
	PGresult   *result;

	if (options->timeline == NULL)
		return;
	bb_call_argument(&call, "store", options->store);
	result = bb_server_ask_quietly(
		server,
		psprintf("SELECT 1 FROM %s WHERE timeline = %s", bb_call_end(&call),
				 bb_server_literal(server, options->timeline)),
		"could not find the timeline");
	if (PQntuples(result) == 0)
		pg_fatal("there is no timeline \"%s\"", options->timeline);
	PQclear(result);
}

int
main(int argc, char **argv)
{
	ListOptions options;
	BbServer   *server;
	PGresult   *result;

	pg_logging_init(argv[0]);
	set_pglocale_pgservice(argv[0], PG_TEXTDOMAIN("bb_list"));
	options = parse(argc, argv);
	server = bb_server_connect(&options.connection);
	bb_rows_settings(server, options.json);
	check_timeline(server, &options);
	result = query(server, &options);
	if (options.json)
	{
		putchar('{');
		bb_rows_array((BbColumns){options.kind->columns, options.kind->count},
					  options.kind->key, result);
		puts("}");
	}
	else
		bb_rows_table(server, result);
	bb_rows_end();
	PQclear(result);
	bb_server_close(server);
	return 0;
}
