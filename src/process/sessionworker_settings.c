/*-------------------------------------------------------------------------
 *
 * sessionworker_settings.c
 *	  The settings that a session worker takes over from its starter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "lib/stringinfo.h"
#include "process/sessionworker_settings.h"
#include "utils/guc.h"

#define OUR_PREFIX "bbackup."

/* Settings of the server.  None of them has a hook that reads a catalog. */
static const char *const server_settings[] = {
	"application_name",
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
	"work_mem",
};

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
		if (strncmp(all[i]->name, OUR_PREFIX, strlen(OUR_PREFIX)) == 0 &&
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
