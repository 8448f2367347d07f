/*-------------------------------------------------------------------------
 *
 * basebackup_options.c
 *	  The command line of bb_basebackup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "basebackup_options.h"
#include "cleanup.h"
#include "common/logging.h"
#include "option_table.h"

static const BbOption own_options[] = {
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
};

static const BbOption general_options[] = {
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
};

static const BbOption ignored_options[] = {
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

const BbProgram bb_program = {
	.name = "bb_basebackup",
	.summary =
		"bb_basebackup takes a base backup out of a page store of bbackup.",
	.usage = "[OPTION]...",
	.tables = {BB_OPTION_TABLE(own_options),
			   BB_OPTION_TABLE(bb_content_options),
			   BB_OPTION_TABLE(general_options),
			   BB_OPTION_TABLE(bb_connection_options),
			   BB_OPTION_TABLE(ignored_options)},
	.refused = BB_OPTION_TABLE(refused_options),
};

/* Options of the target, which are checked together. */
typedef struct FormatOptions
{
	char		format; /* 'p', 't'; '\0': no option */
	const char *directory;
	const char *file;
} FormatOptions;

pg_noreturn static void not_here(const char *option, const char *hint);

/*
 * The value is METHOD[:DETAIL], or a level of gzip, as in pg_basebackup.  The
 * server compresses, and it checks the detail.
 */
static void
set_compression(BbOptions *options, const char *value)
{
	static const struct
	{
		const char *name;
		const char *suffix;
	}			methods[] = {{"none", ""},
				   {"gzip", ".gz"},
				   {"lz4", ".lz4"},
				   {"zstd", ".zst"}};
	size_t		length;

	if (strncmp(value, "client-", strlen("client-")) == 0)
		bb_fatal_hint(
			"Without \"client-\" the server compresses; --file=- can "
			"be piped to a program.",
			"compression by the client is not supported");
	if (strncmp(value, "server-", strlen("server-")) == 0)
		value += strlen("server-");
	else if (value[0] != '\0' && value[strspn(value, "0123456789")] == '\0')
		value = atoi(value) == 0 ? "none" : psprintf("gzip:%s", value);

	length = strcspn(value, ":");
	for (int i = 0; i < lengthof(methods); i++)
	{
		if (strlen(methods[i].name) == length &&
			strncmp(value, methods[i].name, length) == 0)
		{
			options->compression = value;
			options->suffix = methods[i].suffix;
			return;
		}
	}
	pg_fatal("unrecognized compression algorithm: \"%.*s\"", (int) length,
			 value);
}

/* Refuse an option of pg_basebackup. */
static void
not_here(const char *option, const char *hint)
{
	bb_fatal_hint(hint, "option %s of pg_basebackup does not apply here",
				  option);
}

static void
check_wal_method(const char *value)
{
	if (strcmp(value, "n") == 0 || strcmp(value, "none") == 0)
		not_here("-X none", "A backup always contains the WAL that it needs.");
	if (strcmp(value, "f") != 0 && strcmp(value, "fetch") != 0 &&
		strcmp(value, "s") != 0 && strcmp(value, "stream") != 0)
		pg_fatal("invalid wal-method option \"%s\", must be \"fetch\", "
				 "\"stream\", or \"none\"",
				 value);
}

static void
set_format(FormatOptions *format, const char *value)
{
	if (strcmp(value, "p") == 0 || strcmp(value, "plain") == 0)
		format->format = 'p';
	else if (strcmp(value, "t") == 0 || strcmp(value, "tar") == 0)
		format->format = 't';
	else
		pg_fatal("invalid output format \"%s\", must be \"plain\" or \"tar\"",
				 value);
}

/* Options of the output and of the program. */
static bool
output_option(int letter, BbOptions *options, FormatOptions *format)
{
	switch (letter)
	{
		case 'D':
			format->directory = optarg;
			return true;
		case 'f':
			format->file = optarg;
			return true;
		case 'F':
			set_format(format, optarg);
			return true;
		case 'n':
			options->clean = false;
			return true;
		case 'N':
			options->sync = false;
			return true;
		case 'P':
			options->progress = true;
			return true;
		case 'z':
			set_compression(options, "gzip");
			return true;
		case 'Z':
			set_compression(options, optarg);
			return true;
		case 'v':
			options->verbose = true;
			return true;
		case OPTION_DECODE:
			options->decode = true;
			return true;
		case OPTION_NO_ESTIMATE_SIZE:
			options->estimate = false;
			return true;
		default:
			return false;
	}
}

/* Options of pg_basebackup that change nothing, or are errors. */
static bool
foreign_option(int letter)
{
	const BbOption *option = bb_option_refused(letter);

	switch (letter)
	{
		case 'c':
			if (strcmp(optarg, "fast") != 0 && strcmp(optarg, "spread") != 0)
				pg_fatal("invalid checkpoint argument \"%s\", must be "
						 "\"fast\" or \"spread\"",
						 optarg);
			return true;
		case 'X':
			check_wal_method(optarg);
			return true;
		case OPTION_NO_SLOT:
		case OPTION_NO_VERIFY_CHECKSUMS:
			return true;
	}
	if (option != NULL)
		not_here(option->value < OPTION_DECODE
					 ? psprintf("-%c/--%s", option->value, option->name)
					 : psprintf("--%s", option->name),
				 option->help);
	return false;
}

/* Set the target of the backup. */
static void
decide_target(BbOptions *options, const FormatOptions *format)
{
	bool		tar = format->format == 't';

	if (format->file != NULL)
	{
		if (format->directory != NULL)
			pg_fatal("options -D/--pgdata and -f/--file can't be used "
					 "together");
		if (format->format == 'p')
			pg_fatal("a file can't have the plain format");
		options->to = BB_TARGET_FILE;
		options->target = format->file;
	}
	else if (format->directory == NULL)
	{
		pg_log_error("no target directory specified");
		bb_option_try_help();
	}
	else if (strcmp(format->directory, "-") == 0)
	{
		if (!tar)
			bb_fatal_hint("Use --format=tar.",
						  "standard output can't have the plain format");
		options->to = BB_TARGET_FILE;
		options->target = format->directory;
	}
	else
	{
		char	   *directory = pg_strdup(format->directory);

		canonicalize_path(directory);
		options->to = tar ? BB_TARGET_ARCHIVES : BB_TARGET_DIRECTORY;
		options->target = directory;
	}
}

/* pg_basebackup's -t isn't a target of recovery. */
static void
check_target(const char *target)
{
	if (target != NULL &&
		(strncmp(target, "server", strlen("server")) == 0 ||
		 strncmp(target, "client", strlen("client")) == 0 ||
		 strcmp(target, "blackhole") == 0))
		not_here("-t/--target",
				 "SQL functions make backups on the server. "
				 "Here, --target is that of a recovery.");
}

/* Check which options can be used together. */
static void
check_options(const BbOptions *options)
{
	const BbBackupOptions *backup = &options->backup;

	bb_backup_options_check(backup);
	check_target(backup->recovery_target);
	if (options->to == BB_TARGET_DIRECTORY)
	{
		if (options->suffix[0] != '\0')
			pg_fatal("only tar mode backups can be compressed");
	}
	else if (backup->mappings.first != NULL)
		pg_fatal("only plain mode backups can have a tablespace mapping");

	if (!options->decode)
		return;
	if (backup->lsn || backup->time || backup->recovery_target ||
		backup->store || backup->timeline || backup->new_tli ||
		backup->settings || backup->label || options->compression ||
		backup->manifest || backup->manifest_checksums || backup->max_rate ||
		backup->jobs || backup->thin)
		bb_fatal_hint(
			"Use the arguments of the function that makes the backup.",
			"--decode can't be used with options of the backup");
	for (const BbMapping *mapping = backup->mappings.first; mapping != NULL;
		 mapping = mapping->next)
		if (mapping->old_dir != NULL)
			bb_fatal_hint(
				"Use --tablespace-mapping=OID=NEWDIR.",
				"--decode does not know which tablespace is in \"%s\"",
				mapping->old_dir);
}

BbOptions
bb_options_parse(int argc, char **argv)
{
	BbOptions	options = {.connection = BB_CONNECTION_DEFAULT,
						   .suffix = "",
						   .estimate = true,
						   .sync = true,
						   .clean = true};
	FormatOptions format = {0};
	int			letter;

	bb_option_start(argc, argv);
	while ((letter = bb_option_next(argc, argv)) != -1)
		if (!bb_connection_option(letter, &options.connection) &&
			!bb_backup_option(letter, &options.backup) &&
			!output_option(letter, &options, &format) &&
			!foreign_option(letter))
			bb_option_try_help(); /* getopt_long has reported the error */
	bb_option_no_arguments(argc, argv);
	decide_target(&options, &format);
	check_options(&options);
	return options;
}
