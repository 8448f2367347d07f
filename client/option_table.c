/*-------------------------------------------------------------------------
 *
 * option_table.c
 *	  The options of a program: getopt_long's tables, --help, the man page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <limits.h>

#include "common/logging.h"
#include "fe_utils/option_utils.h"
#include "option_table.h"

/* The columns where an option's help begins, and where a line ends. */
#define HELP_COLUMN 25
#define LINE_WIDTH 79

/* More than any program has. */
#define OPTIONS_MAX 64

/* manpage.awk reads these. */
const BbOption bb_connection_options[] = {
	{NULL, 0, NULL, "Connection options"},
	{"dbname", 'd', "CONNSTR",
	 "database that has the extension, or connection string (default: postgres)"},
	{"host", 'h', "HOSTNAME", "database server host or socket directory"},
	{"port", 'p', "PORT", "database server port number"},
	{"username", 'U', "NAME", "connect as specified database user"},
	{"no-password", 'w', NULL, "never prompt for password"},
	{"password", 'W', NULL,
	 "force password prompt (should happen automatically)"},
};

const BbOption bb_content_options[] = {
	{NULL, 0, NULL, "Options controlling what is backed up"},
	{"lsn", OPTION_LSN, "LSN",
	 "back up the cluster as it was at LSN (default: the end of the timeline)"},
	{"time", OPTION_TIME, "TIME",
	 "back up the cluster as it was at TIME, or at an interval ago (\"-10 min\")"},
	{"target", OPTION_TARGET, "name:NAME|xid:XID|time:TIME|lsn:LSN|latest",
	 "back up the cluster as recovery to that target would leave it"},
	{"exclusive", OPTION_EXCLUSIVE, NULL,
	 "stop just before the target, not just after it (recovery_target_inclusive)"},
	{"store", OPTION_STORE, "SERVER", "page store (default: bbackup)"},
	{"timeline", OPTION_TIMELINE, "NAME",
	 "timeline of the store (default: main)"},
	{"new-tli", OPTION_NEW_TLI, "TLI", "timeline ID of the clone"},
	{"settings", OPTION_SETTINGS, "clone|source",
	 "configuration for a clone, which leaves the source alone (default), or that of the source as it is, for a server that takes its place"},
	{"thin", OPTION_THIN, NULL, "omit relation data"},
};

static char short_options[2 * OPTIONS_MAX + 1];
static struct option long_options[OPTIONS_MAX + 1];

/* Has getopt_long's table a long option already?  The first one counts. */
static bool
has_long_option(const char *name)
{
	for (const struct option *option = long_options; option->name != NULL;
		 option++)
		if (strcmp(option->name, name) == 0)
			return true;
	return false;
}

/* Add options to getopt_long's tables. */
static void
add_options(const BbOptionTable *table)
{
	static char *letter = short_options;
	static struct option *long_option = long_options;

	for (const BbOption *option = table->options;
		 option < table->options + table->count; option++)
	{
		if (option->name == NULL)
			continue;
		if (!has_long_option(option->name))
		{
			long_option->name = option->name;
			long_option->has_arg = option->argument ? required_argument
													: no_argument;
			long_option->val = option->value;
			long_option++;
		}
		if (option->value >= OPTION_DECODE || option->value == '?')
			continue;
		*letter++ = (char) option->value;
		if (option->argument != NULL)
			*letter++ = ':';
	}
}

int
bb_option_next(int argc, char **argv)
{
	return getopt_long(argc, argv, short_options, long_options, NULL);
}

const BbOption *
bb_option_refused(int value)
{
	const BbOptionTable *table = &bb_program.refused;

	for (int i = 0; i < table->count; i++)
		if (table->options[i].value == value)
			return &table->options[i];
	return NULL;
}

void
bb_option_try_help(void)
{
	pg_log_error_hint("Try \"%s --help\" for more information.",
					  bb_program.name);
	exit(1);
}

void
bb_option_no_arguments(int argc, char **argv)
{
	if (optind < argc)
	{
		pg_log_error("too many command-line arguments (first is \"%s\")",
					 argv[optind]);
		bb_option_try_help();
	}
}

const char *
bb_option_positive(const char *value, const char *option)
{
	int			number;

	if (!option_parse_int(value, option, 1, INT_MAX, &number))
		exit(1);
	return psprintf("%d", number);
}

/* Print the help of an option, which itself ended before "column". */
static void
print_help(const char *text, int column)
{
	if (column >= HELP_COLUMN)
		column = printf("\n") - 1;
	column += printf("%*s", HELP_COLUMN - 1 - column, "");
	for (int length; *text != '\0'; text += length + (text[length] == ' '))
	{
		length = (int) strcspn(text, " ");
		if (column + 1 + length > LINE_WIDTH)
			column = printf("\n%*s", HELP_COLUMN - 1, "") - 1;
		column += printf(" %.*s", length, text);
	}
	printf("\n");
}

static void
print_table(const BbOptionTable *table)
{
	for (int i = 0; i < table->count; i++)
	{
		const BbOption *option = &table->options[i];
		int			column;

		if (option->name == NULL)
		{
			printf("\n%s:\n", option->help);
			continue;
		}
		column = option->value < OPTION_DECODE
			? printf("  -%c, ", option->value)
			: printf("      ");
		column += printf("--%s%s%s", option->name, option->argument ? "=" : "",
						 option->argument ? option->argument : "");
		print_help(option->help, column);
	}
}

/* Only the first argument counts, since getopt_long returns '?' on error. */
void
bb_option_start(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";

	if (strcmp(first, "--help") == 0 || strcmp(first, "-?") == 0)
	{
		printf("%s\n\nUsage:\n  %s %s\n", bb_program.summary, bb_program.name,
			   bb_program.usage);
		for (int i = 0; i < lengthof(bb_program.tables); i++)
			print_table(&bb_program.tables[i]);
		if (bb_program.notes != NULL)
			printf("\n%s\n", bb_program.notes);
		exit(0);
	}
	if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0)
	{
		printf("%s (bbackup) %s, for PostgreSQL %s\n", bb_program.name,
			   BB_VERSION, PG_VERSION);
		exit(0);
	}
	for (int i = 0; i < lengthof(bb_program.tables); i++)
		add_options(&bb_program.tables[i]);
	add_options(&bb_program.refused);
}
