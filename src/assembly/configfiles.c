/*-------------------------------------------------------------------------
 *
 * configfiles.c
 *	  Captured files, the directories they need, and generated ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "assembly/configfiles.h"
#include "assembly/dirtree.h"

/* The files that are generated when they weren't captured. */
enum
{
	POSTGRESQL_CONF,
	PG_HBA_CONF,
	PG_IDENT_CONF,
	REQUIRED_COUNT
};

static const char *const required_names[REQUIRED_COUNT] = {
	[POSTGRESQL_CONF] = "postgresql.conf",
	[PG_HBA_CONF] = "pg_hba.conf",
	[PG_IDENT_CONF] = "pg_ident.conf",
};

#define GENERATED_COMMENT \
	"# Made by bbackup: the data directory that this is a backup of had no\n" \
	"# such file; its server kept its configuration elsewhere.\n"

struct BbConfigFiles
{
	BbPageStore *store;
	XLogRecPtr	lsn;
	mode_t		directory_mode;
	bool		captured[REQUIRED_COUNT];

	/* iteration */
	BbCatalogScan *scan; /* NULL: not begun, or at its end */
	bool		begun;
	BbCapturedFile file; /* the one to come, once its directories are out */
	bool		pending;
	List	   *directories; /* char *: made for captured files */
	int			generated;	 /* of required_names, how many were looked at */
};

static int
compare_paths(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* A file that came twice would be written twice. */
static void
check_once(const BbConfigFiles *files, List *paths)
{
	const char *before = NULL;
	ListCell   *cell;

	list_sort(paths, compare_paths);
	foreach(cell, paths)
	{
		const char *path = lfirst(cell);

		if (before != NULL && strcmp(before, path) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("timeline \"%s\" has captured file \"%s\" twice",
							bb_pagestore_info(files->store)->timeline, path)));
		before = path;
	}
}

BbConfigFiles *
bb_configfiles_new(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbConfigFiles *files = palloc0(sizeof(BbConfigFiles));
	BbCatalogScan *scan;
	BbCapturedFile file;
	List	   *paths = NIL;

	files->store = store;
	files->lsn = lsn;
	files->directory_mode = bb_pagestore_info(store)->directory_mode;

	scan = bb_catalog_scan_new(ctx, store, BB_KEY_FILE_ENTRY, lsn);
	while (bb_catalog_next_file(ctx, scan, &file))
	{
		for (int i = 0; i < REQUIRED_COUNT; i++)
			if (strcmp(file.path, required_names[i]) == 0)
				files->captured[i] = true;
		paths = lappend(paths, file.path);
	}
	bb_catalog_scan_close(scan);
	check_once(files, paths);
	list_free_deep(paths);
	return files;
}

char *
bb_configfiles_read(const BbReqCtx *ctx, BbConfigFiles *files,
					const char *path)
{
	BbCatalogScan *scan;
	BbCapturedFile file;
	bool		found = false;
	char	   *text;

	scan = bb_catalog_scan_new(ctx, files->store, BB_KEY_FILE_ENTRY,
							   files->lsn);
	while (!found && bb_catalog_next_file(ctx, scan, &file))
	{
		found = strcmp(file.path, path) == 0;
		pfree(file.path);
	}
	bb_catalog_scan_close(scan);
	if (!found)
		return NULL;

	text = palloc(file.size + 1);
	text[file.size] = '\0';
	for (uint64 at = 0; at < file.size; at += BLCKSZ)
	{
		uint32		length = Min(BLCKSZ, file.size - at);
		BbKey		key = bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, file.ordinal, 0,
									  at / BLCKSZ);
		BbValue		value;

		bb_reqctx_check(ctx);
		value = bb_pagestore_need(ctx, files->store, &key, files->lsn, length);
		memcpy(text + at, value.data, length);
	}
	if (strlen(text) != file.size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("captured file \"%s\" is not text", path),
				 errdetail("It has a zero byte at offset %zu.",
						   strlen(text))));
	return text;
}

/*
 * The first directory on the way to path that the backup doesn't have yet,
 * in *directory; false when there is none.
 */
static bool
missing_directory(const BbConfigFiles *files, const char *path,
				  char *directory, size_t size)
{
	for (const char *slash = strchr(path, '/'); slash != NULL;
		 slash = strchr(slash + 1, '/'))
	{
		bool		known;
		ListCell   *cell;

		strlcpy(directory, path, Min(size, slash - path + 1));
		known = bb_dirtree_contains(directory);
		foreach(cell, files->directories)
			known = known || strcmp(lfirst(cell), directory) == 0;
		if (!known)
			return true;
	}
	return false;
}

static bool
is_history(const char *path)
{
	const char *prefix = XLOGDIR "/";

	return strncmp(path, prefix, strlen(prefix)) == 0 &&
		IsTLHistoryFileName(path + strlen(prefix));
}

static bool
next_captured(const BbReqCtx *ctx, BbConfigFiles *files, const char *without,
			  BbMember *member)
{
	char		directory[MAXPGPATH];

	if (!files->begun)
	{
		files->scan = bb_catalog_scan_new(ctx, files->store,
										  BB_KEY_FILE_ENTRY, files->lsn);
		files->begun = true;
	}
	while (!files->pending)
	{
		if (files->scan == NULL)
			return false;
		if (!bb_catalog_next_file(ctx, files->scan, &files->file))
		{
			bb_catalog_scan_close(files->scan);
			files->scan = NULL;
			return false;
		}
		if (without != NULL && strcmp(files->file.path, without) == 0)
			pfree(files->file.path);
		else
			files->pending = true;
	}

	if (missing_directory(files, files->file.path, directory,
						  sizeof(directory)))
	{
		bb_member_init(member, BB_MEMBER_DIRECTORY, files->directory_mode,
					   "%s", directory);
		files->directories = lappend(files->directories, pstrdup(directory));
		return true;
	}

	bb_member_init(member,
				   is_history(files->file.path) ? BB_MEMBER_HISTORY
				   : BB_MEMBER_CONFIG,
				   files->file.mode, "%s", files->file.path);
	member->content = BB_CONTENT_FILE;
	member->size = files->file.size;
	member->source.file.ordinal = files->file.ordinal;
	pfree(files->file.path);
	files->pending = false;
	return true;
}

/*
 * What the server needs to start here and to keep what it finds: a place for
 * each prepared transaction, and the commit timestamps, which it would throw
 * away if it didn't know that it is to track them.
 */
static char *
generate_postgresql_conf(const ControlFileData *control)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, GENERATED_COMMENT);
	if (control->max_prepared_xacts > 0)
		appendStringInfo(&buf, "max_prepared_transactions = %d\n",
						 control->max_prepared_xacts);
	if (control->track_commit_timestamp)
		appendStringInfoString(&buf, "track_commit_timestamp = on\n");
	return buf.data;
}

static bool
next_generated(BbConfigFiles *files, const ControlFileData *control,
			   BbMember *member)
{
	const char *text = NULL;
	int			which;

	while (files->generated < REQUIRED_COUNT &&
		   files->captured[files->generated])
		files->generated++;
	if (files->generated == REQUIRED_COUNT)
		return false;

	which = files->generated++;
	switch (which)
	{
		case POSTGRESQL_CONF:
			text = generate_postgresql_conf(control);
			break;
		case PG_HBA_CONF:
			text = GENERATED_COMMENT "local all all peer\n";
			break;
		case PG_IDENT_CONF:
			text = GENERATED_COMMENT;
			break;
	}
	bb_member_init(member, BB_MEMBER_GENERATED, files->directory_mode & 0666,
				   "%s", required_names[which]);
	bb_member_set_bytes(member, text, strlen(text));
	return true;
}

bool
bb_configfiles_next(const BbReqCtx *ctx, BbConfigFiles *files,
					const char *without, const ControlFileData *control,
					BbMember *member)
{
	return next_captured(ctx, files, without, member) ||
		next_generated(files, control, member);
}
