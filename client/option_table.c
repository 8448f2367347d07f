/*-------------------------------------------------------------------------
 *
 * option_table.c
 *	  The options of the program: getopt_long's tables, --help, the man page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "option_table.h"

/* The columns where an option's help begins, and where a line ends. */
#define HELP_COLUMN 25
#define LINE_WIDTH 79

/* manpage.awk reads this. */
static const BbOption options[] = {
	{NULL, 0, NULL, "Options controlling the output"},
	{"pgdata", 'D', "DIRECTORY", "receive base backup into directory"},
	{"format", 'F', "plain|tar",
	 "output format, p or t for short (default: plain)"},
	{"file", 'f', "FILE",
	 "write one tar with everything (\"-\": standard output)"},
	{"max-rate", 'r', "RATE",
	 "maximum transfer rate (in kB/s, or use suffix \"k\", \"M\" or \"G\")"},
	{"tablespace-mapping", 'T', "OLDDIR=NEWDIR",
	 "relocate the tablespace in OLDDIR, or with that OID, to NEWDIR; others become directories in pg_tblspc"},
	{"gzip", 'z', NULL, "compress tar output with gzip on the server"},
	{"compress", 'Z', "[server-]METHOD[:DETAIL]",
	 "compress tar output on the server as specified"},

	{NULL, 0, NULL, "Options controlling what is backed up"},
	{"lsn", OPTION_LSN, "LSN",
	 "back up the cluster as it was at LSN (default: the end of the timeline)"},
	{"time", OPTION_TIME, "TIME", "back up the cluster as it was at TIME"},
	{"store", OPTION_STORE, "SERVER", "page store (default: bbackup)"},
	{"timeline", OPTION_TIMELINE, "NAME",
	 "timeline of the store (default: main)"},
	{"new-tli", OPTION_NEW_TLI, "TLI", "timeline ID of the clone"},
	{"settings", OPTION_SETTINGS, "clone|source",
	 "configuration for a clone, which leaves the source alone (default), or that of the source as it is, for a server that takes its place"},
	{"thin", OPTION_THIN, NULL, "omit relation data"},

	{NULL, 0, NULL, "General options"},
	{"decode", OPTION_DECODE, NULL,
	 "read the backup from standard input, as COPY (SELECT bb_basebackup_stream(...)) TO ... (FORMAT binary) writes it"},
	{"jobs", 'j', "NUM", "use this many workers on the server"},
	{"label", 'l', "LABEL", "set backup label"},
	{"no-clean", 'n', NULL, "do not clean up after errors"},
	{"no-sync", 'N', NULL,
	 "do not wait for changes to be written safely to disk"},
	{"progress", 'P', NULL, "show progress information"},
	{"verbose", 'v', NULL, "output verbose messages"},
	{"version", 'V', NULL, "output version information, then exit"},
	{"manifest-checksums", OPTION_MANIFEST_CHECKSUMS,
	 "SHA224|SHA256|SHA384|SHA512|CRC32C|NONE",
	 "use algorithm for manifest checksums"},
	{"manifest-force-encode", OPTION_MANIFEST_FORCE_ENCODE, NULL,
	 "hex encode all file names in manifest"},
	{"no-estimate-size", OPTION_NO_ESTIMATE_SIZE, NULL,
	 "do not estimate the size of the backup on the server"},
	{"no-manifest", OPTION_NO_MANIFEST, NULL,
	 "suppress generation of backup manifest"},
	{"help", '?', NULL, "show this help, then exit"},

	{NULL, 0, NULL, "Connection options"},
	{"dbname", 'd', "CONNSTR",
	 "database that has the extension, or connection string (default: postgres)"},
	{"host", 'h', "HOSTNAME", "database server host or socket directory"},
	{"port", 'p', "PORT", "database server port number"},
	{"username", 'U', "NAME", "connect as specified database user"},
	{"no-password", 'w', NULL, "never prompt for password"},
	{"password", 'W', NULL,
	 "force password prompt (should happen automatically)"},

	{NULL, 0, NULL, "Options of pg_basebackup that change nothing here"},
	{"checkpoint", 'c', "fast|spread",
	 "ignored: there is no checkpoint to wait for"},
	{"wal-method", 'X', "fetch|stream",
	 "ignored: the WAL that a backup needs is in it"},
	{"no-slot", OPTION_NO_SLOT, NULL, "ignored: there is no replication"},
	{"no-verify-checksums", OPTION_NO_VERIFY_CHECKSUMS, NULL,
	 "ignored: pages are always verified"},
};

/* Options of pg_basebackup that are errors, and why. */
static const BbOption refused_options[] = {
	{"create-slot", 'C', NULL, "There is no replication."},
	{"slot", 'S', "SLOTNAME", "There is no replication."},
	{"status-interval", 's', "SECS", "There is no replication."},
	{"target", 't', "TARGET", "SQL functions make backups on the server."},
	{"waldir", OPTION_WALDIR, "WALDIR",
	 "Move pg_wal when the backup is complete."},
	{"write-recovery-conf", 'R', NULL,
	 "A clone has a new timeline ID, so it can't follow its parent."},
};

#define OPTION_COUNT (lengthof(options) + lengthof(refused_options))

static char short_options[2 * OPTION_COUNT + 1];
static struct option long_options[OPTION_COUNT + 1];

/* Add options to getopt_long's tables. */
static void
add_options(const BbOption *option, int count)
{
	static char *letter = short_options;
	static struct option *long_option = long_options;

	for (; count > 0; option++, count--)
	{
		if (option->name == NULL)
			continue;
		long_option->name = option->name;
		long_option->has_arg = option->argument ? required_argument
												: no_argument;
		long_option->val = option->value;
		long_option++;
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
	if (long_options[0].name == NULL)
	{
		add_options(options, lengthof(options));
		add_options(refused_options, lengthof(refused_options));
	}
	return getopt_long(argc, argv, short_options, long_options, NULL);
}

const BbOption *
bb_option_refused(int value)
{
	for (int i = 0; i < lengthof(refused_options); i++)
		if (refused_options[i].value == value)
			return &refused_options[i];
	return NULL;
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

void
bb_option_help(void)
{
	printf(
		"bb_basebackup takes a base backup out of a page store of bbackup.\n"
		"\n"
		"Usage:\n"
		"  bb_basebackup [OPTION]...\n");
	for (int i = 0; i < lengthof(options); i++)
	{
		const BbOption *option = &options[i];
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
