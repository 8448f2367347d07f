/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings bbackup.*: definitions and checks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

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
int			bb_setting_s3_timeout_s = 30;
int			bb_setting_s3_retry_time_s = 60;
char	   *bb_setting_s3_ca_file = "";
int			bb_setting_download_behavior = BB_DOWNLOAD_ALLOW;
bool		bb_setting_download_error_as_warn = false;
int			bb_setting_eviction_threshold_s = 0;
int			bb_setting_track_calls = 1000;

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

static bool
check_store_directory(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0')
		return true;
	if (!is_absolute_path(*newval))
	{
		GUC_check_errdetail("The store directory must be an absolute path.");
		return false;
	}
	canonicalize_path(*newval);
	return true;
}

void
bb_settings_init(void)
{
	DefineCustomStringVariable("bbackup.store_directory",
							   "Directory of the default page store.",
							   "Empty: beside the data directory, with "
							   "\".bbackup\" appended to its name.",
							   &bb_setting_store_directory, "", PGC_SUSET,
							   GUC_SUPERUSER_ONLY, check_store_directory, NULL,
							   NULL);

	DefineCustomIntVariable("bbackup.call_timeout",
							"Time after which a call of bbackup is canceled.",
							"0 waits without limit.",
							&bb_setting_call_timeout_ms, 0, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomEnumVariable("bbackup.compression",
							 "Compression of the blocks of new layers.", NULL,
							 &bb_setting_compression, BB_COMPRESSION_DEFAULT,
							 compression_options, PGC_USERSET, 0, NULL, NULL,
							 NULL);

	DefineCustomIntVariable(
		"bbackup.checkpoint_distance",
		"Memory that ingest fills before it writes layers.", NULL,
		&bb_setting_checkpoint_distance_mb, 256, 1, 16384, PGC_USERSET,
		GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.layer_size",
							"Size at which a new layer file is cut.", NULL,
							&bb_setting_layer_size_mb, 256, 1, 16384,
							PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.redo_processes",
							"Most redo helpers that a session starts.", NULL,
							&bb_setting_redo_processes, 2, 1, 64, PGC_USERSET,
							0, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.redo_timeout",
							"Time after which a redo helper that does nothing "
							"is given up.",
							"0 waits without limit.",
							&bb_setting_redo_timeout_ms, 60000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomStringVariable("bbackup.redo_preload_libraries",
							   "Libraries that redo helpers load, for their "
							   "custom resource managers.",
							   "As shared_preload_libraries.",
							   &bb_setting_redo_preload_libraries, "",
							   PGC_SUSET, GUC_LIST_INPUT | GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("bbackup.redo_seccomp",
							 "Redo helpers must lock themselves down by "
							 "seccomp.",
							 "If off, they run without.",
							 &bb_setting_redo_seccomp, true, PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.s3_timeout",
							"Time after which a request to object storage "
							"that gets nowhere is tried again.",
							NULL, &bb_setting_s3_timeout_s, 30, 1, 3600,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.s3_retry_time",
							"Time for which a request to object storage that "
							"failed is tried again.",
							"Zero: it is not.", &bb_setting_s3_retry_time_s,
							60, 0, 86400, PGC_USERSET, GUC_UNIT_S, NULL, NULL,
							NULL);

	DefineCustomStringVariable(
		"bbackup.s3_ca_file",
		"File with the certificates of authorities that "
		"object storage is to be trusted by.",
		"Empty: those of the system.", &bb_setting_s3_ca_file, "", PGC_SUSET,
		0, NULL, NULL, NULL);

	DefineCustomEnumVariable("bbackup.download_behavior",
							 "What calls do when they need a layer that is "
							 "not resident.",
							 NULL, &bb_setting_download_behavior,
							 BB_DOWNLOAD_ALLOW, download_options, PGC_USERSET,
							 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("bbackup.on_demand_download_behavior_treat_"
							 "error_as_warn",
							 "Download, with a warning, what would be "
							 "refused.",
							 NULL, &bb_setting_download_error_as_warn, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("bbackup.eviction_threshold",
							"Time after which a resident layer that nobody "
							"has used is evicted.",
							"0 keeps all that there is room for.",
							&bb_setting_eviction_threshold_s, 0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);

	/*
	 * Shared memory is sized by it when the server starts.  Where there is
	 * none of ours, each session looks at it once; and only a library that is
	 * preloaded may define a setting of the postmaster.
	 */
	DefineCustomIntVariable("bbackup.track_calls",
							"Calls that statistics remember after their end.",
							NULL, &bb_setting_track_calls, 1000, 0, 1000000,
							process_shared_preload_libraries_in_progress
								? PGC_POSTMASTER
								: PGC_SIGHUP,
							0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("bbackup");
}
