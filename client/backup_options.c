/*-------------------------------------------------------------------------
 *
 * backup_options.c
 *	  Which backup a program makes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "backup_options.h"
#include "cleanup.h"
#include "common/logging.h"
#include "option_table.h"

/* Bounds of --max-rate in kB/s, which are those of the server. */
#define MAX_RATE_LOWER 32
#define MAX_RATE_UPPER 1048576

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

/* Options whose value is taken as it is.  Returns false if it is another option. */
static bool
text_option(int letter, BbBackupOptions *options)
{
	static const struct
	{
		int			letter;
		size_t		field;
	}			fields[] = {
		{'l', offsetof(BbBackupOptions, label)},
		{OPTION_LSN, offsetof(BbBackupOptions, lsn)},
		{OPTION_TIME, offsetof(BbBackupOptions, time)},
		{OPTION_TARGET, offsetof(BbBackupOptions, recovery_target)},
		{OPTION_STORE, offsetof(BbBackupOptions, store)},
		{OPTION_TIMELINE, offsetof(BbBackupOptions, timeline)},
		{OPTION_SETTINGS, offsetof(BbBackupOptions, settings)},
		{OPTION_MANIFEST_CHECKSUMS,
		 offsetof(BbBackupOptions, manifest_checksums)},
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

bool
bb_backup_option(int letter, BbBackupOptions *options)
{
	if (text_option(letter, options))
		return true;
	switch (letter)
	{
		case 'j':
			options->jobs = bb_option_positive(optarg, "-j/--jobs");
			return true;
		case 'r':
			options->max_rate = max_rate(optarg);
			return true;
		case 'T':
			bb_mappings_add(&options->mappings, optarg);
			return true;
		case OPTION_NEW_TLI:
			options->new_tli = bb_option_positive(optarg, "--new-tli");
			return true;
		case OPTION_EXCLUSIVE:
			options->exclusive = true;
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

void
bb_backup_options_check(const BbBackupOptions *options)
{
	const char *target = options->recovery_target;

	if ((options->lsn != NULL) + (options->time != NULL) + (target != NULL) >
		1)
		pg_fatal(
			"only one of --lsn, --time and --target can be used at a time");
	if (options->exclusive && options->time == NULL && target == NULL)
		pg_fatal("--exclusive needs --time or --target");
	if (options->manifest != NULL && strcmp(options->manifest, "no") == 0 &&
		options->manifest_checksums != NULL)
		pg_fatal("--no-manifest and --manifest-checksums can't be used "
				 "together");
}
