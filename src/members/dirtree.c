/*-------------------------------------------------------------------------
 *
 * dirtree.c
 *	  The directories that every data directory has.
 *
 * These are the ones that initdb makes (subdirs in PostgreSQL's initdb.c), and
 * pg_wal, which it makes separately.  Directories such as base/1 come with their
 * databases.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "members/dirtree.h"

static const char *const directories[] = {
	"global",
	"pg_wal",
	"pg_wal/archive_status",
#ifdef BB_HAVE_WAL_SUMMARIES
	"pg_wal/summaries",
#endif
	"pg_commit_ts",
	"pg_dynshmem",
	"pg_notify",
	"pg_serial",
	"pg_snapshots",
	"pg_subtrans",
	"pg_twophase",
	"pg_multixact",
	"pg_multixact/members",
	"pg_multixact/offsets",
	"base",
	"pg_replslot",
	"pg_tblspc",
	"pg_stat",
	"pg_stat_tmp",
	"pg_xact",
	"pg_logical",
	"pg_logical/snapshots",
	"pg_logical/mappings",
};

const char *
bb_dirtree_get(int n)
{
	return n < lengthof(directories) ? directories[n] : NULL;
}

bool
bb_dirtree_contains(const char *path)
{
	for (int i = 0; i < lengthof(directories); i++)
		if (strcmp(directories[i], path) == 0)
			return true;
	return false;
}
