/*-------------------------------------------------------------------------
 *
 * sessionworker_settings.c
 *	  The settings that a session worker takes over from its starter.
 *
 * These are all settings of bbackup that a session can change, and those of
 * the server on which its tasks depend: messages and the log, date and time
 * formats, and limits of memory and temporary files.
 *
 * PostgreSQL hands all settings to a parallel worker (RestoreGUCState() in
 * guc.c).  That is not possible here.  It first resets transaction_read_only
 * and the like, which their check hooks refuse on a standby and in a
 * transaction that has a snapshot; and hooks that read catalogs
 * (default_text_search_config, temp_tablespaces, session_authorization) refuse
 * objects that the starter's transaction has created, or that another
 * transaction has dropped.  A worker needs none of these settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "lib/stringinfo.h"
#include "process/sessionworker_internal.h"
#include "utils/guc.h"

#define PREFIX "bbackup."

/* Settings of the server.  None of them has a hook that reads a catalog. */
static const char *const server_settings[] = {"application_name",
											  "backtrace_functions",
											  "client_min_messages",
											  "DateStyle",
											  "IntervalStyle",
											  "lc_messages",
											  "log_error_verbosity",
											  "log_min_error_statement",
											  "log_min_messages",
											  "log_temp_files",
											  "maintenance_work_mem",
											  "temp_file_limit",
											  "TimeZone",
											  "work_mem"};

static void
pack(StringInfo packed, const char *name)
{
	const char *value = GetConfigOption(name, false, false);

	appendBinaryStringInfo(packed, name, (int) strlen(name) + 1);
	appendBinaryStringInfo(packed, value, (int) strlen(value) + 1);
}

char *
bb_sessionworker_settings_pack(size_t *length)
{
	StringInfoData packed;
	struct config_generic **all;
	int			n;

	initStringInfo(&packed);
	for (int i = 0; i < lengthof(server_settings); i++)
		pack(&packed, server_settings[i]);

	all = bb_compat_settings(&n);
	for (int i = 0; i < n; i++)
	{
		if (strncmp(all[i]->name, PREFIX, strlen(PREFIX)) == 0 &&
			(all[i]->context == PGC_SUSET || all[i]->context == PGC_USERSET))
			pack(&packed, all[i]->name);
	}
	*length = packed.len;
	return packed.data;
}

void
bb_sessionworker_settings_apply(const char *packed, size_t length)
{
	const char *end = packed + length;

	while (packed < end)
	{
		const char *name = packed;
		const char *value = name + strlen(name) + 1;
		const char *now = GetConfigOption(name, true, false);

		packed = value + strlen(value) + 1;
		/* the starter was allowed to set it, or did not set it */
		if (now == NULL || strcmp(now, value) != 0)
			(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
									 GUC_ACTION_SET, true, ERROR, false);
	}
}
