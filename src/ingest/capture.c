/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  The small files of a data directory that are kept as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog_internal.h"
#include "ingest/capture.h"
#include "storage/fd.h"

/* Larger ones are no configuration; bytes. */
#define CAPTURE_MAX_SIZE (16 * 1024 * 1024)

/* A name in a ustar header, with its zero (pgtar.h). */
#define TAR_NAME_SIZE 100

/* Directories that the server knows, and logs: nothing in them is captured. */
static const char *const known_directories[] = {
	"base", "global", "log", "lost+found",
	"pg_commit_ts", "pg_dynshmem", "pg_log", "pg_logical",
	"pg_multixact", "pg_notify", "pg_replslot", "pg_serial",
	"pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans",
	"pg_tblspc", "pg_twophase", "pg_wal", "pg_xact",
};

/*
 * Files that are left out, by the beginning of their name: what pg_basebackup
 * leaves out (excludeFiles in PostgreSQL's basebackup.c), and what belongs to
 * a backup or would make a clone wait for WAL.  PG_VERSION is made anew.
 */
static const char *const excluded_files[] = {
	"PG_VERSION", "backup_label", "backup_manifest",
	"current_logfiles", "pg_internal.init", "pgsql_tmp",
	"postgresql.auto.conf.tmp", "postmaster.opts", "postmaster.pid",
	"recovery.signal", "standby.signal", "tablespace_map",
};

static bool
is_known_directory(const char *name)
{
	for (int i = 0; i < lengthof(known_directories); i++)
		if (strcmp(name, known_directories[i]) == 0)
			return true;
	return false;
}

static bool
is_excluded(const char *name)
{
	for (int i = 0; i < lengthof(excluded_files); i++)
		if (strncmp(name, excluded_files[i], strlen(excluded_files[i])) == 0)
			return true;
	return false;
}

static void
warn_left_out(const char *path, const char *detail)
{
	ereport(WARNING,
			(errmsg("file \"%s\" is left out of the import", path),
			 errdetail("%s", detail)));
}

static void
add_file(BbInventory *inventory, const char *full, const char *path,
		 const struct stat *st)
{
	BbCapturedFile *file;

	if (st->st_size > CAPTURE_MAX_SIZE)
	{
		warn_left_out(full, "It is too large to be configuration.");
		return;
	}
	if (strlen(path) >= TAR_NAME_SIZE)
	{
		warn_left_out(full, "Its path is too long for tar.");
		return;
	}
	file = palloc0(sizeof(BbCapturedFile));
	file->mode = st->st_mode & 0777;
	file->size = st->st_size;
	file->path = pstrdup(path);
	inventory->files = lappend(inventory->files, file);
	inventory->bytes += file->size;
}

/*
 * Capture the files in a directory ("": the data directory itself), and in
 * those below it that the server doesn't know.
 */
static void
capture_directory(const BbReqCtx *ctx, const BbDataDir *dir,
				  const char *below, BbInventory *inventory)
{
	bool		top = below[0] == '\0';
	char	   *path = psprintf("%s%s%s", dir->path, top ? "" : "/", below);
	DIR		   *handle = AllocateDir(path);
	struct dirent *entry;

	while ((entry = ReadDir(handle, path)) != NULL)
	{
		const char *name = entry->d_name;
		char	   *full;
		char	   *relative;
		struct stat st;

		bb_reqctx_check(ctx);
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		full = psprintf("%s/%s", path, name);
		relative = psprintf("%s%s%s", below, top ? "" : "/", name);

		if (lstat(full, &st) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", full)));
		if (S_ISDIR(st.st_mode))
		{
			if (!top || !is_known_directory(name))
				capture_directory(ctx, dir, relative, inventory);
		}
		else if ((top && (is_known_directory(name) || is_excluded(name))))
			continue;			/* a link to where pg_wal is, say */
		else if (stat(full, &st) < 0)
			warn_left_out(full, "It is a broken symbolic link.");
		else if (S_ISREG(st.st_mode))
			add_file(inventory, full, relative, &st);
		else
			warn_left_out(full, S_ISDIR(st.st_mode)
						  ? "It is a link to a directory."
						  : "It is not a regular file.");
		pfree(full);
		pfree(relative);
	}
	FreeDir(handle);
	pfree(path);
}

static void
capture_histories(const BbReqCtx *ctx, const BbDataDir *dir,
				  BbInventory *inventory)
{
	char	   *path = psprintf("%s/" XLOGDIR, dir->path);
	DIR		   *handle = AllocateDir(path);
	struct dirent *entry;

	while ((entry = ReadDir(handle, path)) != NULL)
	{
		char	   *full;
		char	   *relative;
		struct stat st;

		bb_reqctx_check(ctx);
		if (!IsTLHistoryFileName(entry->d_name))
			continue;
		full = psprintf("%s/%s", path, entry->d_name);
		relative = psprintf(XLOGDIR "/%s", entry->d_name);
		if (stat(full, &st) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", full)));
		if (S_ISREG(st.st_mode))
			add_file(inventory, full, relative, &st);
		pfree(full);
		pfree(relative);
	}
	FreeDir(handle);
	pfree(path);
}

static int
compare_files(const ListCell *a, const ListCell *b)
{
	return strcmp(((const BbCapturedFile *) lfirst(a))->path,
				  ((const BbCapturedFile *) lfirst(b))->path);
}

void
bb_capture_find(const BbReqCtx *ctx, const BbDataDir *dir,
				BbInventory *inventory)
{
	uint32		ordinal = 0;
	ListCell   *cell;

	capture_directory(ctx, dir, "", inventory);
	capture_histories(ctx, dir, inventory);
	list_sort(inventory->files, compare_files);
	foreach (cell, inventory->files)
		((BbCapturedFile *) lfirst(cell))->ordinal = ++ordinal;
}
