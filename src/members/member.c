/*-------------------------------------------------------------------------
 *
 * member.c
 *	  Members of a backup, and the names of their kinds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/beneath.h"
#include "base/compat.h"
#include "files/tree.h"
#include "members/member.h"

static const char *const kind_names[] = {
	[BB_MEMBER_DIRECTORY] = "directory", [BB_MEMBER_VERSION] = "version",
	[BB_MEMBER_CONFIG] = "config",		 [BB_MEMBER_GENERATED] = "generated",
	[BB_MEMBER_LABEL] = "label",		 [BB_MEMBER_MAP] = "tablespace_map",
	[BB_MEMBER_SLRU] = "slru",			 [BB_MEMBER_RELMAP] = "relmap",
	[BB_MEMBER_RELATION] = "relation",	 [BB_MEMBER_TWOPHASE] = "twophase",
	[BB_MEMBER_ORIGIN] = "origin",		 [BB_MEMBER_SIGNAL] = "signal",
	[BB_MEMBER_HISTORY] = "history",	 [BB_MEMBER_WAL] = "wal",
	[BB_MEMBER_CONTROL] = "control",	 [BB_MEMBER_MANIFEST] = "manifest",
};

void
bb_member_init(BbMember *member, BbMemberKind kind, mode_t mode,
			   const char *format, ...)
{
	va_list		args;
	int			length;
	const char *complaint;

	member->kind = kind;
	member->content = BB_CONTENT_NONE;
	member->size = 0;
	member->mode = mode;
	member->tablespace = InvalidOid;
	member->apart = false;

	va_start(args, format);
	length = vsnprintf(member->path, sizeof(member->path), format, args);
	va_end(args);
	if (length < 0 || length >= sizeof(member->path))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("path of a file is too long"),
				 errdetail("It begins with \"%.64s\" and has %d bytes; the limit is %d.",
						   member->path, length, MAXPGPATH - 1)));
	/* checked here for all sinks and for everything that a store names */
	complaint = bb_storedpath_error(member->path);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" cannot be part of a backup",
						member->path),
				 errdetail("%s", complaint)));
}

void
bb_member_set_bytes(BbMember *member, const void *data, size_t length)
{
	member->content = BB_CONTENT_BYTES;
	member->size = length;
	member->source.bytes = data;
}

const char *
bb_member_file_path(const BbMember *member)
{
	return member->kind == BB_MEMBER_CONTROL ? BB_CONTROL_NEW : member->path;
}

const char *
bb_member_archive_path(const BbMember *member)
{
	const char *path = member->path;

	if (!OidIsValid(member->tablespace))
		return path;
	/* skip pg_tblspc/OID/ */
	for (int slashes = 0; slashes < 2; slashes++)
		path = strchr(path, '/') + 1;
	return path;
}

const char *
bb_member_kind_name(BbMemberKind kind)
{
	Assert(kind < lengthof(kind_names));
	return kind_names[kind];
}

/* ---- directories ---- */

/*
 * The directories that initdb makes (subdirs in PostgreSQL's initdb.c), and
 * pg_wal, which it makes separately.  Directories such as base/1 come with their
 * databases.
 */
/* only some versions have it */
#define SUMMARIES "pg_wal/summaries"

static const char *const directories[] = {
	"global",
	"pg_wal",
	"pg_wal/archive_status",
	SUMMARIES,
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

static bool
has_directory(const BbMajor *major, const char *path)
{
	return major->wal_summaries || strcmp(path, SUMMARIES) != 0;
}

const char *
bb_dirtree_get(const BbMajor *major, int n)
{
	for (int i = 0; i < lengthof(directories); i++)
		if (has_directory(major, directories[i]) && n-- == 0)
			return directories[i];
	return NULL;
}

bool
bb_dirtree_contains(const BbMajor *major, const char *path)
{
	for (int i = 0; i < lengthof(directories); i++)
		if (has_directory(major, directories[i]) &&
			strcmp(directories[i], path) == 0)
			return true;
	return false;
}
