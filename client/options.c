/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The command line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <limits.h>

#include "cleanup.h"
#include "common/logging.h"
#include "compat.h"
#include "fe_utils/option_utils.h"
#include "option_table.h"
#include "options.h"

/* Bounds of --max-rate in kB/s, which are those of the server. */
#define MAX_RATE_LOWER 32
#define MAX_RATE_UPPER 1048576

/* Options of the target, which are checked together. */
typedef struct FormatOptions
{
	char		format; /* 'p', 't'; '\0': no option */
	const char *directory;
	const char *file;
} FormatOptions;

pg_noreturn static void try_help(void);
pg_noreturn static void not_here(const char *option, const char *hint);

static void
try_help(void)
{
	pg_log_error_hint("Try \"bb_basebackup --help\" for more information.");
	exit(1);
}

/*
 * Return the kB in the unit that "unit" begins with; NULL if it begins with
 * none.  (pg_basebackup has k and M only.)
 */
static const double *
find_unit(const char *unit, const char **end)
{
	static const struct
	{
		const char *name;
		double		kb;
	}			units[] = {{"kB", 1},			  {"k", 1},
				 {"MB", 1024},		  {"M", 1024},
				 {"GB", 1024 * 1024}, {"G", 1024 * 1024}};

	for (int i = 0; i < lengthof(units); i++)
	{
		size_t		length = strlen(units[i].name);

		if (strncmp(unit, units[i].name, length) == 0)
		{
			*end = unit + length;
			return &units[i].kb;
		}
	}
	return NULL;
}

/* Convert a rate to kB/s for the server. */
static const char *
max_rate(const char *value)
{
	char	   *after;
	const char *end;
	const double *unit;
	double		rate;

	errno = 0;
	rate = strtod(value, &after);
	if (after == value || errno != 0)
		pg_fatal("transfer rate \"%s\" is not a valid value", value);
	if (rate <= 0)
		pg_fatal("transfer rate must be greater than zero");
	while (isspace((unsigned char) *after))
		after++;
	end = after;
	if ((unit = find_unit(after, &end)) != NULL)
		rate *= *unit;
	while (isspace((unsigned char) *end))
		end++;
	if (*end != '\0')
		bb_fatal_hint(
			"Valid units are \"kB\", \"MB\" and \"GB\", or \"k\", \"M\" "
			"and \"G\".",
			"invalid --max-rate unit: \"%s\"", after);
	if (!(rate >= MAX_RATE_LOWER && rate <= MAX_RATE_UPPER))
		pg_fatal("transfer rate \"%s\" is out of range", value);
	return psprintf("%d", (int) rate);
}

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

static const char *
positive(const char *value, const char *option)
{
	int			number;

	if (!option_parse_int(value, option, 1, INT_MAX, &number))
		exit(1);
	return psprintf("%d", number);
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

/* Options whose value is taken as it is.  Returns false if it is another option. */
static bool
text_option(int letter, BbOptions *options)
{
	static const struct
	{
		int			letter;
		size_t		field;
	}			fields[] = {
		{'d', offsetof(BbOptions, connection.dbname)},
		{'h', offsetof(BbOptions, connection.pghost)},
		{'p', offsetof(BbOptions, connection.pgport)},
		{'U', offsetof(BbOptions, connection.pguser)},
		{'l', offsetof(BbOptions, label)},
		{OPTION_LSN, offsetof(BbOptions, lsn)},
		{OPTION_TIME, offsetof(BbOptions, time)},
		{OPTION_STORE, offsetof(BbOptions, store)},
		{OPTION_TIMELINE, offsetof(BbOptions, timeline)},
		{OPTION_SETTINGS, offsetof(BbOptions, settings)},
		{OPTION_MANIFEST_CHECKSUMS, offsetof(BbOptions, manifest_checksums)},
	};

	for (int i = 0; i < lengthof(fields); i++)
	{
		if (fields[i].letter == letter)
		{
			*(const char **) ((char *) options + fields[i].field) = optarg;
			return true;
		}
	}
	return false;
}

/* Options of the contents of the backup, for the server. */
static bool
content_option(int letter, BbOptions *options)
{
	switch (letter)
	{
		case 'j':
			options->jobs = positive(optarg, "-j/--jobs");
			return true;
		case 'r':
			options->max_rate = max_rate(optarg);
			return true;
		case 'z':
			set_compression(options, "gzip");
			return true;
		case 'Z':
			set_compression(options, optarg);
			return true;
		case OPTION_NEW_TLI:
			options->new_tli = positive(optarg, "--new-tli");
			return true;
		case OPTION_THIN:
			options->thin = true;
			return true;
		case OPTION_NO_MANIFEST:
			options->manifest = "no";
			return true;
		case OPTION_MANIFEST_FORCE_ENCODE:
			options->manifest = "force-encode";
			return true;
		default:
			return false;
	}
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
		case 'T':
			bb_mappings_add(&options->mappings, optarg);
			return true;
		case 'w':
			options->connection.prompt_password = TRI_NO;
			return true;
		case 'W':
			options->connection.prompt_password = TRI_YES;
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
		try_help();
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

/* Check which options can be used together. */
static void
check_options(const BbOptions *options)
{
	if (options->lsn != NULL && options->time != NULL)
		pg_fatal("options --lsn and --time can't be used together");
	if (options->manifest != NULL && strcmp(options->manifest, "no") == 0 &&
		options->manifest_checksums != NULL)
		pg_fatal("--no-manifest and --manifest-checksums can't be used "
				 "together");
	if (options->to == BB_TARGET_DIRECTORY)
	{
		if (options->suffix[0] != '\0')
			pg_fatal("only tar mode backups can be compressed");
	}
	else if (options->mappings.first != NULL)
		pg_fatal("only plain mode backups can have a tablespace mapping");

	if (!options->decode)
		return;
	if (options->lsn || options->time || options->store || options->timeline ||
		options->new_tli || options->settings || options->label ||
		options->compression || options->manifest ||
		options->manifest_checksums || options->max_rate || options->jobs ||
		options->thin)
		bb_fatal_hint(
			"Use the arguments of the function that makes the backup.",
			"--decode can't be used with options of the backup");
	for (const BbMapping *mapping = options->mappings.first; mapping != NULL;
		 mapping = mapping->next)
		if (mapping->old_dir != NULL)
			bb_fatal_hint(
				"Use --tablespace-mapping=OID=NEWDIR.",
				"--decode does not know which tablespace is in \"%s\"",
				mapping->old_dir);
}

/* Only the first argument counts, since getopt_long returns '?' on error. */
static void
help_or_version(int argc, char **argv)
{
	if (argc < 2)
		return;
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)
		bb_option_help();
	else if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		printf("bb_basebackup (bbackup) %s, for PostgreSQL %s\n", BB_VERSION,
			   PG_VERSION);
	else
		return;
	exit(0);
}

BbOptions
bb_options_parse(int argc, char **argv)
{
	BbOptions	options = {.connection = {.dbname = ""},
						   .suffix = "",
						   .estimate = true,
						   .sync = true,
						   .clean = true};
	FormatOptions format = {0};
	int			letter;

	help_or_version(argc, argv);
	while ((letter = bb_option_next(argc, argv)) != -1)
		if (!text_option(letter, &options) &&
			!content_option(letter, &options) &&
			!output_option(letter, &options, &format) &&
			!foreign_option(letter))
			try_help(); /* getopt_long has reported the error */
	if (optind < argc)
	{
		pg_log_error("too many command-line arguments (first is \"%s\")",
					 argv[optind]);
		try_help();
	}
	decide_target(&options, &format);
	check_options(&options);
	return options;
}
