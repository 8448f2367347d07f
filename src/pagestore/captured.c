/*-------------------------------------------------------------------------
 *
 * captured.c
 *	  Which files of a data directory are captured as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/beneath.h"
#include "pagestore/captured.h"

/* Directories of the server and its logs: nothing in them is captured. */
static const char *const known_directories[] = {
	"base",		   "global",	"log",			"lost+found",	"pg_commit_ts",
	"pg_dynshmem", "pg_log",	"pg_logical",	"pg_multixact", "pg_notify",
	"pg_replslot", "pg_serial", "pg_snapshots", "pg_stat",		"pg_stat_tmp",
	"pg_subtrans", "pg_tblspc", "pg_twophase",	"pg_wal",		"pg_xact",
};

/*
 * Files that are omitted: those that pg_basebackup omits (excludeFiles in
 * PostgreSQL's basebackup.c), those of another backup, and those that would
 * make a clone wait for WAL.  A backup generates PG_VERSION.
 */
static const struct
{
	const char *name;
	bool		prefix; /* and all names that begin with it */
}			excluded_files[] = {
	{"PG_VERSION", false},
	{"backup_label", false},
	{"backup_manifest", false},
	{"current_logfiles", false},
	{"current_logfiles.tmp", false},
	{"pg_internal.init", true},
	{"pgsql_tmp", true},
	{"postgresql.auto.conf.tmp", false},
	{"postmaster.opts", false},
	{"postmaster.pid", false},
	{"recovery.signal", false},
	{"standby.signal", false},
	{"tablespace_map", false},
};

bool
bb_captured_is_known_directory(const char *name)
{
	for (int i = 0; i < lengthof(known_directories); i++)
		if (strcmp(name, known_directories[i]) == 0)
			return true;
	return false;
}

bool
bb_captured_is_excluded(const char *name)
{
	for (int i = 0; i < lengthof(excluded_files); i++)
	{
		const char *excluded = excluded_files[i].name;

		if (excluded_files[i].prefix
				? strncmp(name, excluded, strlen(excluded)) == 0
				: strcmp(name, excluded) == 0)
			return true;
	}
	return false;
}

bool
bb_captured_is_history(const char *path)
{
	const char *prefix = XLOGDIR "/";

	return strncmp(path, prefix, strlen(prefix)) == 0 &&
		IsTLHistoryFileName(path + strlen(prefix));
}

const char *
bb_captured_error(const char *path)
{
	const char *complaint = bb_storedpath_error(path);
	const char *slash = strchr(path, '/');
	char		first[BB_STOREDPATH_PART_MAX + 1];

	if (complaint != NULL)
		return complaint;
	if (bb_captured_is_history(path))
		return NULL;
	strlcpy(first, path, slash != NULL ? slash - path + 1 : sizeof(first));
	if (bb_captured_is_known_directory(first))
		return "The path is in a directory whose files are never captured.";
	if (slash == NULL && bb_captured_is_excluded(path))
		return "A file of that name is never captured.";
	return NULL;
}
