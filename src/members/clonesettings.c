/*-------------------------------------------------------------------------
 *
 * clonesettings.c
 *	  The configuration of a backup: settings of the source that a clone must
 *	  not have, and settings that its data need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "base/compat.h"
#include "lib/stringinfo.h"
#include "members/clonesettings.h"
#include "members/confparse.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* A block of postgresql.auto.conf, with everything between its ends. */
typedef struct Block
{
	const char *begin; /* a line each, with its end */
	const char *end;
} Block;

static const Block needs_block = {
	"# begin of settings that the data need (bbackup)\n",
	"# end of settings that the data need (bbackup)\n",
};

#define NEEDS_COMMENT                                                              \
	"# bbackup made this data directory.  The configuration that it was made\n"    \
	"# with has less than the data need at their LSN; a server would not start,\n" \
	"# or would lose some of them.\n"

static const Block clone_block = {
	"# begin of settings that keep a clone apart (bbackup)\n",
	"# end of settings that keep a clone apart (bbackup)\n",
};

#define CLONE_COMMENT                                                                \
	"# bbackup made this data directory as a clone, which may run beside its\n"      \
	"# source.  These settings keep it from writing to the WAL archive of the\n"     \
	"# source, from following its primary, and from using its publishers'\n"         \
	"# replication slots.  They take effect since they come last.  To replace the\n" \
	"# source by this cluster, make the backup with settings => 'source'.\n"

#define ALL BB_MAJOR_OLDEST, BB_MAJOR_NEWEST

/*
 * A user can change all of them later.  The recovery settings have an effect
 * only in a server that recovers (recovery.signal); without these lines it would
 * use old settings of its source.
 */
static const struct
{
	const char *name;
	const char *value;
	int			first_major; /* that has it */
	int			last_major;
}			clone_settings[] = {
	{"archive_mode", "off", ALL},
	{"primary_conninfo", "", ALL},
	{"primary_slot_name", "", ALL},
	{"restore_command", "", ALL},
	{"archive_cleanup_command", "", ALL},
	{"recovery_end_command", "", ALL},
	{"promote_trigger_file", "", BB_MAJOR_OLDEST, 15},
	{"recovery_target", "", ALL},
	{"recovery_target_name", "", ALL},
	{"recovery_target_time", "", ALL},
	{"recovery_target_xid", "", ALL},
	{"recovery_target_lsn", "", ALL},
	{"recovery_target_inclusive", "on", ALL},
	{"recovery_target_timeline", "latest", ALL},
	{"recovery_target_action", "pause", ALL},
	{"synchronous_standby_names", "", ALL},
	{"max_logical_replication_workers", "0", ALL},
	{"sync_replication_slots", "off", 17, BB_MAJOR_NEWEST},
	{"synchronized_standby_slots", "", 17, BB_MAJOR_NEWEST},
};

/* See the header. */
static const char *const disabled_names[] = {
	"data_directory",
	"external_pid_file",
};

#define DISABLED "# disabled in a clone (bbackup): "

/* How many replication origins a server has room for. */
#define ORIGINS_DEFAULT 10

/* The state of a call of bb_clonesettings_apply. */
typedef struct Settings
{
	const BbReqCtx *ctx;
	BbSmallFiles *files;
	BbSettingsOption option;
	const BbDataNeeds *needs;
	BbConf		conf;
	StringInfoData raised; /* lines of the block */
	List	   *notices;
} Settings;

static void
add_notice(Settings *settings, char *message, char *detail)
{
	BbSettingNotice *notice = palloc(sizeof(BbSettingNotice));

	notice->message = message;
	notice->detail = detail;
	settings->notices = lappend(settings->notices, notice);
}

/* ---- texts ---- */

/* Cut a block out of a text, unless the block has no end. */
static void
cut_block(char *text, size_t *length, const Block *block)
{
	char	   *begin;
	char	   *end;

	while ((begin = strstr(text, block->begin)) != NULL &&
		   (end = strstr(begin, block->end)) != NULL)
	{
		size_t		rest;

		end += strlen(block->end);
		rest = text + *length - end;
		memmove(begin, end, rest + 1);
		*length = begin + rest - text;
	}
}

static void
append_block(StringInfo text, const Block *block, const char *comment,
			 const char *lines)
{
	if (text->len > 0 && text->data[text->len - 1] != '\n')
		appendStringInfoChar(text, '\n');
	appendStringInfo(text, "%s%s%s%s", block->begin, comment, lines,
					 block->end);
}

static char *
clone_lines(const BbMajor *major)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (int i = 0; i < lengthof(clone_settings); i++)
		if (major->number >= clone_settings[i].first_major &&
			major->number <= clone_settings[i].last_major)
			appendStringInfo(&lines, "%s = '%s'\n", clone_settings[i].name,
							 clone_settings[i].value);
	return lines.data;
}

/* Turn a line of a captured file into a comment. */
static void
disable_line(Settings *settings, const BbConfSetting *setting)
{
	size_t		length;
	char	   *text = bb_smallfiles_read(settings->ctx, settings->files,
										  setting->path, &length);
	const char *line = text;
	StringInfoData changed;

	for (int i = 1; i < setting->line; i++)
	{
		line = memchr(line, '\n', text + length - line);
		if (line == NULL)
			elog(ERROR, "file \"%s\" has no line %d", setting->path,
				 setting->line);
		line++;
	}
	initStringInfo(&changed);
	appendBinaryStringInfo(&changed, text, line - text);
	appendStringInfoString(&changed, DISABLED);
	appendBinaryStringInfo(&changed, line, text + length - line);
	bb_smallfiles_write(settings->files, setting->path, changed.data,
						changed.len);
	pfree(text);
}

static bool
is_disabled(const BbConfSetting *setting)
{
	for (int i = 0; i < lengthof(disabled_names); i++)
		if (pg_strcasecmp(setting->name, disabled_names[i]) == 0)
			return true;
	return false;
}

/* ---- what the data need ---- */

/*
 * The value of a parameter; its default if the files don't set it, or don't set
 * it to a number.
 */
static int64
number_of(const Settings *settings, const char *name, int unless_set,
		  int flags)
{
	const char *value = bb_conf_value(&settings->conf, name);
	int			number;

	return value != NULL && parse_int(value, &number, flags, NULL)
		? number
		: unless_set;
}

static void
raise_setting(Settings *settings, const char *name, const char *to,
			  const char *why)
{
	const char *value = bb_conf_value(&settings->conf, name);

	appendStringInfo(&settings->raised, "%s = '%s'\n", name, to);
	add_notice(settings,
			   psprintf("\"%s\" is set to %s in the configuration of the "
						"backup",
						name, to),
			   value == NULL
				   ? psprintf("The captured configuration does not set it. %s",
							  why)
				   : psprintf("The captured configuration has \"%s\". %s",
							  value, why));
}

static void
raise_number(Settings *settings, const char *name, int unless_set, int flags,
			 int64 least, const char *unit, const char *why)
{
	if (number_of(settings, name, unless_set, flags) < least)
		raise_setting(settings, name, psprintf(INT64_FORMAT "%s", least, unit),
					  why);
}

/*
 * A server takes the locks of its prepared transactions again.  Its table has
 * room for max_locks_per_transaction locks for each process and prepared
 * transaction (NLOCKENTS in lock.c, InitializeMaxBackends in postinit.c).  As
 * much room as the source had is enough.
 */
static void
raise_locks(Settings *settings, int64 prepared)
{
	const BbControl *control = settings->needs->control;
	double		others = number_of(settings, "autovacuum_max_workers", 3, 0) +
		1;
	double		source = others + control->max_connections +
		control->max_worker_processes + control->max_wal_senders +
		control->max_prepared_xacts;
	double		here = others +
		number_of(settings, "max_connections", 100, 0) +
		number_of(settings, "max_worker_processes", 8, 0) +
		number_of(settings, "max_wal_senders", 10, 0) + prepared;
	double		least = ceil(source * control->max_locks_per_xact /
							 Max(here, 1));

	raise_number(settings, "max_locks_per_transaction",
				 control->major->max_locks, 0, (int64) Min(least, INT_MAX), "",
				 "The cluster had room for more locks, and a server takes "
				 "those of prepared transactions when it starts.");
}

static void
raise_prepared(Settings *settings)
{
	const BbDataNeeds *needs = settings->needs;
	int64		least = Max(needs->prepared,
							(uint32) Max(needs->control->max_prepared_xacts,
										 0));

	if (needs->prepared == 0)
		return;
	raise_number(settings, "max_prepared_transactions", 0, 0, least, "",
				 psprintf("Prepared transactions at this LSN: %u.",
						  needs->prepared));
	raise_locks(settings,
				Max(number_of(settings, "max_prepared_transactions", 0, 0),
					least));
}

static void
raise_commit_timestamps(Settings *settings)
{
	const char *value = bb_conf_value(&settings->conf,
									  "track_commit_timestamp");
	bool		on = false;

	if (value != NULL)
		(void) parse_bool(value, &on);
	if (settings->needs->control->track_commit_timestamp && !on)
		raise_setting(settings, "track_commit_timestamp", "on",
					  "A server that does not track commit timestamps "
					  "removes the existing ones.");
}

static void
raise_all(Settings *settings)
{
	const BbDataNeeds *needs = settings->needs;
	int64		two_segments = needs->control->wal_segment_size / (512 * 1024);
	const char *wal_size = "That is two WAL segments, the least that a server "
						   "takes.";

	raise_prepared(settings);
	raise_commit_timestamps(settings);
	raise_number(settings, needs->control->major->origins_setting,
				 ORIGINS_DEFAULT, 0, needs->origins, "",
				 psprintf("Replication origins at this LSN: %u.",
						  needs->origins));
	raise_number(settings, "min_wal_size", 80, GUC_UNIT_MB, two_segments, "MB",
				 wal_size);
	raise_number(settings, "max_wal_size", 1024, GUC_UNIT_MB, two_segments,
				 "MB", wal_size);
}

/* ---- what a clone must not have ---- */

/*
 * With the source's directory, two servers would write into the same log files,
 * and truncate each other's (log_truncate_on_rotation).
 */
static bool
logs_elsewhere(const Settings *settings)
{
	const char *directory = bb_conf_value(&settings->conf, "log_directory");

	return directory != NULL && directory[0] != '\0' &&
		!path_is_relative_and_below_cwd(directory);
}

static void
keep_apart(Settings *settings, StringInfo text)
{
	char	   *lines = clone_lines(settings->needs->control->major);

	if (logs_elsewhere(settings))
		lines = psprintf("%slog_directory = 'log'\n", lines);
	append_block(text, &clone_block, CLONE_COMMENT, lines);
}

/* Add NOTICEs about included files that aren't in the backup. */
static void
report_included(Settings *settings, const List *included, const char *why)
{
	ListCell   *cell;

	foreach(cell, included)
		add_notice(settings,
				   psprintf("configuration includes \"%s\", which is not in "
							"the backup",
							(char *) lfirst(cell)),
				   pstrdup(why));
}

List *
bb_clonesettings_apply(const BbReqCtx *ctx, BbSmallFiles *files,
					   BbSettingsOption option, const BbDataNeeds *needs)
{
	Settings	settings = {
		.ctx = ctx,
		.files = files,
		.option = option,
		.needs = needs,
	};
	StringInfoData text;
	size_t		before;
	size_t		length;
	char	   *captured;
	ListCell   *cell;

	captured = bb_smallfiles_read(ctx, files, PG_AUTOCONF_FILENAME, &before);
	length = before;
	if (captured != NULL)
	{
		cut_block(captured, &length, &needs_block);
		if (option == BB_SETTINGS_CLONE)
			cut_block(captured, &length, &clone_block);
		if (length != before)
			bb_smallfiles_write(files, PG_AUTOCONF_FILENAME, captured, length);
	}

	initStringInfo(&settings.raised);
	settings.conf = bb_conf_parse(ctx, files);
	report_included(&settings, settings.conf.missing,
					"It did not exist, or was omitted, when the data "
					"directory was imported. A server does not start without "
					"it.");
	report_included(
		&settings, settings.conf.outside,
		"It is outside the data directory. A server reads it where "
		"it is, or does not start without it.");
	raise_all(&settings);
	if (option == BB_SETTINGS_CLONE)
		foreach(cell, settings.conf.settings)
			if (is_disabled(lfirst(cell)))
				disable_line(&settings, lfirst(cell));
	if (option != BB_SETTINGS_CLONE && settings.raised.len == 0)
		return settings.notices;

	/* read it again, since lines in it may have been disabled */
	captured = bb_smallfiles_read(ctx, files, PG_AUTOCONF_FILENAME, &length);
	initStringInfo(&text);
	if (captured != NULL)
		appendBinaryStringInfo(&text, captured, length);
	if (settings.raised.len > 0)
		append_block(&text, &needs_block, NEEDS_COMMENT, settings.raised.data);
	if (option == BB_SETTINGS_CLONE)
		keep_apart(&settings, &text);
	bb_smallfiles_write(files, PG_AUTOCONF_FILENAME, text.data, text.len);
	return settings.notices;
}
