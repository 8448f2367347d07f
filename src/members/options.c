/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The options of a base backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "members/options.h"
#include "utils/builtins.h"

BbBackupOptions
bb_options_defaults(void)
{
	return (BbBackupOptions){
		.full = true,
		.progress = true,
		.compression = {.algorithm = PG_COMPRESSION_NONE},
		.manifest = BB_MANIFEST_YES,
		.manifest_checksums = CHECKSUM_TYPE_CRC32C,
		.jobs = 1,
	};
}

void
bb_options_set_label(BbBackupOptions *options, const char *label)
{
	if (label == NULL)
		return;
	if (strlen(label) > BB_LABEL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backup label too long (max %d bytes)",
						BB_LABEL_MAX)));
	/* it is one line of backup_label */
	if (strpbrk(label, "\n\r") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backup label must be one line")));
	options->label = label;
}

void
bb_options_set_max_rate(BbBackupOptions *options, int max_rate)
{
	if (max_rate < BB_MAX_RATE_LOWER || max_rate > BB_MAX_RATE_UPPER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is outside the valid range for parameter \"%s\" "
						"(%d .. %d)",
						max_rate, "max_rate", BB_MAX_RATE_LOWER,
						BB_MAX_RATE_UPPER),
				 errhint("The unit is kB/s.")));
	options->max_rate = max_rate;
}

/* Was the server, and so bbackup, built with this method? */
static void
check_build(pg_compress_algorithm algorithm)
{
	switch (algorithm)
	{
		case PG_COMPRESSION_NONE:
#ifdef HAVE_LIBZ
		case PG_COMPRESSION_GZIP:
#endif
#ifdef USE_LZ4
		case PG_COMPRESSION_LZ4:
#endif
#ifdef USE_ZSTD
		case PG_COMPRESSION_ZSTD:
#endif
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("this build does not support compression with %s",
							get_compress_algorithm_name(algorithm)),
					 errhint("The server was built without it.")));
	}
}

void
bb_options_set_compression(BbBackupOptions *options, const char *compression)
{
	char	   *method;
	char	   *detail;
	char	   *error;

	if (compression == NULL)
		return;
	method = pstrdup(compression);
	detail = strchr(method, ':');
	if (detail != NULL)
		*detail++ = '\0';
	if (!parse_compress_algorithm(method, &options->compression.algorithm))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("unrecognized compression algorithm: \"%s\"", method)));
	check_build(options->compression.algorithm);
	parse_compress_specification(options->compression.algorithm, detail,
								 &options->compression);
	error = validate_compress_specification(&options->compression);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid compression specification: %s", error)));
}

/* Return 0 or 1: the enumerations have the values in this order. */
static int
choose(const char *option, const char *value, const char *zero,
	   const char *one)
{
	if (pg_strcasecmp(value, zero) == 0)
		return 0;
	if (pg_strcasecmp(value, one) == 0)
		return 1;
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("unrecognized %s option: \"%s\"", option, value),
			 errhint("Valid values are \"%s\" and \"%s\".", zero, one)));
}

void
bb_options_set_tablespaces(BbBackupOptions *options, const char *tablespaces)
{
	if (tablespaces != NULL)
		options->tablespaces = choose("tablespaces", tablespaces, "in-place",
									  "archives");
}

void
bb_options_set_settings(BbBackupOptions *options, const char *settings)
{
	if (settings != NULL)
		options->settings = choose("settings", settings, "clone", "source");
}

/* As parse_basebackup_options of PostgreSQL's basebackup.c. */
void
bb_options_set_manifest(BbBackupOptions *options, const char *manifest,
						const char *checksums)
{
	bool		wanted;

	if (manifest == NULL)
		;
	else if (parse_bool(manifest, &wanted))
		options->manifest = wanted ? BB_MANIFEST_YES : BB_MANIFEST_NO;
	else if (pg_strcasecmp(manifest, "force-encode") == 0)
		options->manifest = BB_MANIFEST_FORCE_ENCODE;
	else
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("unrecognized manifest option: \"%s\"", manifest)));

	if (checksums == NULL)
		return;
	if (!pg_checksum_parse_type((char *) checksums,
								&options->manifest_checksums))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("unrecognized checksum algorithm: \"%s\"",
						checksums)));
	if (options->manifest == BB_MANIFEST_NO)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("manifest checksums require a backup manifest")));
}

void
bb_options_set_jobs(BbBackupOptions *options, int jobs)
{
	if (jobs < 1 || jobs > BB_JOBS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is outside the valid range for parameter \"%s\" "
						"(%d .. %d)",
						jobs, "jobs", 1, BB_JOBS_MAX)));
	options->jobs = jobs;
}
