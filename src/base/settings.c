/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings bbackup.*: definitions and checks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "base/bindirs.h"
#include "base/compress.h"
#include "base/reqctx.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "utils/guc.h"

char	   *bb_setting_store_directory = NULL;
int			bb_setting_call_timeout_ms = 0;
int			bb_setting_compression = BB_COMPRESSION_DEFAULT;
int			bb_setting_layer_size_mb = 256;
int			bb_setting_checkpoint_distance_mb = 256;
int			bb_setting_redo_processes = 2;
int			bb_setting_redo_timeout_ms = 60000;
char	   *bb_setting_redo_preload_libraries = "";
bool		bb_setting_redo_seccomp = true;
char	   *bb_setting_redo_bindir = "";
int			bb_setting_s3_timeout_s = 30;
int			bb_setting_s3_retry_time_s = 60;
char	   *bb_setting_s3_ca_file = "";
char	   *bb_setting_as_of = NULL;
int			bb_setting_download_behavior = BB_DOWNLOAD_ALLOW;
bool		bb_setting_download_error_as_warn = false;
int			bb_setting_eviction_threshold_s = 0;
int			bb_setting_track_calls = 1000;
char	   *bb_setting_spool_directory = "";
int			bb_setting_spool_size_mb = 1024;
int			bb_setting_flush_interval_ms = 1000;
int			bb_setting_removal_delay_s = 3600;
bool		bb_setting_upkeep = false;
int			bb_setting_upkeep_naptime_s = 60;
int			bb_setting_upkeep_rate_mb = 0;
int			bb_setting_upkeep_cpu_share = 50;
int			bb_setting_upkeep_compression = BB_COMPRESSION_SMALL;
int			bb_setting_merge_layers = 7;
int			bb_setting_image_percent = 100;
int			bb_setting_cache_free_space_mb = 0;
int			bb_setting_verify_interval_s = 7 * 86400;
int			bb_setting_restore_test_interval_s = 0;
bool		bb_setting_restore_test_start = false;
char	   *bb_setting_restore_test_query = "";
char	   *bb_setting_restore_test_directory = "";

bool		bb_settings_defined = false;

static const struct config_enum_entry compression_options[] =
	{{"none", BB_COMPRESSION_NONE, false},
#ifdef USE_LZ4
	 {"lz4", BB_COMPRESSION_LZ4, false},
#endif
#ifdef USE_ZSTD
	 {"zstd", BB_COMPRESSION_ZSTD, false},
#endif
	 {NULL, 0, false}};

static const struct config_enum_entry download_options[] =
	{{"download", BB_DOWNLOAD_ALLOW, false},
	 {"warn", BB_DOWNLOAD_WARN, false},
	 {"error", BB_DOWNLOAD_ERROR, false},
	 {NULL, 0, false}};

/* An empty string means the default. */
static bool
check_directory(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0')
		return true;
	if (!is_absolute_path(*newval))
	{
		GUC_check_errdetail("The directory must be an absolute path.");
		return false;
	}
	canonicalize_path(*newval);
	return true;
}

void
bb_settings_init(void)
{
	/* only a preloaded library may define a PGC_POSTMASTER setting */
	GucContext	restart = process_shared_preload_libraries_in_progress
		? PGC_POSTMASTER
		: PGC_SIGHUP;

	DefineCustomStringVariable("bbackup.store_directory",
							   "Sets the directory of the default page store.",
							   "An empty string means the name of the data "
							   "directory with \".bbackup\" appended.",
							   &bb_setting_store_directory, "", PGC_SUSET,
							   GUC_SUPERUSER_ONLY, check_directory, NULL,
							   NULL);

	DefineCustomIntVariable(
		"bbackup.call_timeout",
		"Sets the maximum duration of a call of bbackup.",
		"Longer calls are canceled. A value of 0 turns this off.",
		&bb_setting_call_timeout_ms, 0, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS,
		NULL, NULL, NULL);

	DefineCustomStringVariable(
		"bbackup.as_of",
		"Sets when tables of the past are read that do not say so themselves.",
		"An LSN, a time, an interval such as \"-10 min\", or a recovery target "
		"such as \"name:RESTORE_POINT\". An empty string means the end of the "
		"timeline.",
		&bb_setting_as_of, "", PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable("bbackup.compression",
							 "Sets the compression method of new layers.",
							 NULL, &bb_setting_compression,
							 BB_COMPRESSION_DEFAULT, compression_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.checkpoint_distance",
		"Sets the memory that ingest uses before it writes layers.", NULL,
		&bb_setting_checkpoint_distance_mb, 256, 1, 16384, PGC_USERSET,
		GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.layer_size",
							"Sets the approximate size of new layer files.",
							NULL, &bb_setting_layer_size_mb, 256, 1, 16384,
							PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.redo_processes",
		"Sets the maximum number of redo helpers of a session.", NULL,
		&bb_setting_redo_processes, 2, 1, 64, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"bbackup.redo_timeout",
		"Sets the time to wait for a redo helper that makes no progress.",
		"After that time the request fails. A value of 0 turns this off.",
		&bb_setting_redo_timeout_ms, 60000, 0, INT_MAX, PGC_USERSET,
		GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomStringVariable(
		"bbackup.redo_preload_libraries",
		"Lists libraries with custom resource managers "
		"to load into redo helpers.",
		"The syntax is that of shared_preload_libraries.",
		&bb_setting_redo_preload_libraries, "", PGC_SUSET,
		GUC_LIST_INPUT | GUC_SUPERUSER_ONLY, NULL, NULL, NULL);

	DefineCustomBoolVariable(
		"bbackup.redo_seccomp",
		"Restricts the system calls of redo helpers by seccomp.",
		"If this is on and seccomp is not available, redo fails.",
		&bb_setting_redo_seccomp, true, PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomStringVariable(
		"bbackup.redo_bindir",
		"Lists directories with the programs of other major versions, for redo of their pages.",
		"Each element has the form VERSION=DIRECTORY. bbackup has to be installed there, too.",
		&bb_setting_redo_bindir, "", PGC_SUSET, GUC_SUPERUSER_ONLY,
		bb_bindirs_check, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.s3_timeout",
		"Sets the time to wait for object storage that makes no progress.",
		"After that time the request is retried.", &bb_setting_s3_timeout_s,
		30, 1, 3600, PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.s3_retry_time",
		"Sets the time during which a failed request to object storage is retried.",
		"A value of 0 turns retries off.", &bb_setting_s3_retry_time_s, 60, 0,
		86400, PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomStringVariable(
		"bbackup.s3_ca_file",
		"Sets the file of the certificate authorities that are trusted for object storage.",
		"An empty string means those of the system.", &bb_setting_s3_ca_file,
		"", PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable(
		"bbackup.download_behavior",
		"Sets what a call does when it needs a layer that is not resident.",
		NULL, &bb_setting_download_behavior, BB_DOWNLOAD_ALLOW,
		download_options, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable(
		"bbackup.on_demand_download_behavior_treat_error_as_warn",
		"Replaces bbackup.download_behavior = error by warn.", NULL,
		&bb_setting_download_error_as_warn, false, PGC_SUSET, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"bbackup.eviction_threshold",
		"Sets the time after which an unused resident layer is evicted.",
		"A value of 0 turns this off: layers are evicted for lack of space only.",
		&bb_setting_eviction_threshold_s, 0, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S,
		NULL, NULL, NULL);

	/*
	 * It determines the size of shared memory when the server starts.  Without
	 * shared memory each session reads it once.
	 */
	DefineCustomIntVariable(
		"bbackup.track_calls",
		"Sets the number of ended calls that statistics remember.", NULL,
		&bb_setting_track_calls, 1000, 0, 1000000, restart, 0, NULL, NULL,
		NULL);

	/* All processes that follow a server must agree on it. */
	DefineCustomStringVariable(
		"bbackup.spool_directory",
		"Sets the directory for WAL that was received from a followed server "
		"and is not in a page store yet.",
		"An empty string means the name of the data directory with "
		"\".bbackup_spool\" appended.",
		&bb_setting_spool_directory, "", restart, GUC_SUPERUSER_ONLY,
		check_directory, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.spool_size",
		"Sets the maximum size of the WAL that is kept there for each "
		"followed server.",
		"When it is reached, receiving waits until WAL is stored.",
		&bb_setting_spool_size_mb, 1024, 64, 16 * 1024 * 1024, PGC_SIGHUP,
		GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.flush_interval",
		"Sets the time after which WAL of a followed server is stored.",
		"A value of 0 turns this off: WAL is stored by "
		"bbackup.checkpoint_distance and on demand only.",
		&bb_setting_flush_interval_ms, 1000, 0, INT_MAX, PGC_SIGHUP,
		GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomBoolVariable(
		"bbackup.upkeep", "Runs the upkeep of page stores in the background.",
		"It requires that the library is in shared_preload_libraries.",
		&bb_setting_upkeep, false, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.upkeep_naptime",
							"Sets the time between two rounds of upkeep.",
							NULL, &bb_setting_upkeep_naptime_s, 60, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.upkeep_rate",
		"Sets the megabytes that upkeep may read and write each second.",
		"A value of 0 means no limit.", &bb_setting_upkeep_rate_mb, 0, 0,
		1000000, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.upkeep_cpu_share",
		"Sets the share of one processor that upkeep may use, in percent.",
		"Redo helpers are not counted. A value of 100 means no limit.",
		&bb_setting_upkeep_cpu_share, 50, 1, 100, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomEnumVariable(
		"bbackup.upkeep_compression",
		"Sets the compression method of layers that upkeep writes.", NULL,
		&bb_setting_upkeep_compression, BB_COMPRESSION_SMALL,
		compression_options, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.merge_layers",
		"Sets the number of delta layers that a read of a page may have to "
		"open.",
		"If there are more, upkeep merges layers. Lower values make reads "
		"faster, and upkeep writes more.",
		&bb_setting_merge_layers, 7, 2, 1000, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"bbackup.image_percent",
		"Sets the size of the changes since an image at which upkeep makes "
		"a new one, in percent of the image.",
		"A value of 0 turns this off: upkeep makes no images.",
		&bb_setting_image_percent, 100, 0, 10000, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"bbackup.cache_free_space",
		"Sets the space that is kept free in the file systems of caches.",
		"If there is less, the background process of bbackup.upkeep evicts "
		"layers. A value of 0 turns this off.",
		&bb_setting_cache_free_space_mb, 0, 0, INT_MAX, PGC_SIGHUP,
		GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.removal_delay",
		"Sets the time from when a layer is not read any more until it is removed.",
		"Calls that began before may still read it.",
		&bb_setting_removal_delay_s, 3600, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S,
		NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.verify_interval",
		"Sets how often the background process of bbackup.upkeep verifies each timeline.",
		"A value of 0 turns this off.", &bb_setting_verify_interval_s,
		7 * 86400, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"bbackup.restore_test_interval",
		"Sets how often the background process of bbackup.upkeep does a restore test of each timeline.",
		"A value of 0 turns this off.", &bb_setting_restore_test_interval_s, 0,
		0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomBoolVariable(
		"bbackup.restore_test_start",
		"Lets these tests start a server, instead of only making a backup.",
		NULL, &bb_setting_restore_test_start, false, PGC_SIGHUP, 0, NULL, NULL,
		NULL);

	DefineCustomStringVariable(
		"bbackup.restore_test_query",
		"Sets the query that these servers have to answer in each database.",
		"An empty string means that the tables are counted.",
		&bb_setting_restore_test_query, "", PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable(
		"bbackup.restore_test_directory",
		"Sets the directory in which restored servers are started.",
		"An empty string means the directory of temporary files in the data directory.",
		&bb_setting_restore_test_directory, "", PGC_SUSET, GUC_SUPERUSER_ONLY,
		check_directory, NULL, NULL);

	MarkGUCPrefixReserved("bbackup");
	bb_settings_defined = true;
}
