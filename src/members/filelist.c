/*-------------------------------------------------------------------------
 *
 * filelist.c
 *	  The members of a base backup, stage after stage.
 *
 * A stage is a function that makes the next member of its kind, or returns
 * false after the last one.  The table of stages is the order of a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "common/sha2.h"
#include "members/databasefiles.h"
#include "members/filelist.h"
#include "members/generatedfiles.h"
#include "pagestore/originfile.h"
#include "utils/memutils.h"

struct BbFileList
{
	MemoryContext context; /* owns this struct and everything in it */
	const BbBackupPlan *plan;
	bool		archives; /* of tablespaces */

	uint64		manifest_size; /* of the text so far, without its end */
	bool		files_listed;  /* does the text list a file yet? */
	StringInfoData part;	   /* scratch, for its size */

	int			stage;
	/* the state of the stage */
	int			step;
	BbCatalogScan *scan;
	BbDatabaseFiles *databases;
	BbSmallFilesWalk small;
};

typedef bool (*Stage) (const BbReqCtx *ctx, BbFileList *list,
					   BbMember *member);

static bool
next_directory(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const char *path = bb_dirtree_get(list->plan->major, list->step++);

	if (path == NULL)
		return false;
	bb_member_init(member, BB_MEMBER_DIRECTORY, list->plan->directory_mode,
				   "%s", path);
	return true;
}

/* The directory of a tablespace, or the directory that a server has in it. */
static void
init_tablespace(BbFileList *list, int n, bool below, BbMember *member)
{
	const BbTablespace *tablespace = list_nth(list->plan->tablespaces, n);
	const char *rest = "";

	if (below)
		rest = psprintf("/%s", bb_major_version_directory(list->plan->major));
	bb_member_init(member, BB_MEMBER_DIRECTORY, list->plan->directory_mode,
				   "pg_tblspc/%u%s", tablespace->spc, rest);
}

/*
 * A tablespace in a separate archive: the directory in its location, and the
 * databases in it.
 */
static bool
next_archived(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const List *tablespaces = list->plan->tablespaces;
	const BbTablespace *tablespace;

	if (!list->archives)
		return false;
	if (list->databases != NULL &&
		bb_databasefiles_next(ctx, list->databases, member))
	{
		tablespace = list_nth(tablespaces, list->step - 1);
		member->tablespace = tablespace->spc;
		return true;
	}
	if (list->databases != NULL)
		bb_databasefiles_close(list->databases);
	list->databases = NULL;

	if (list->step == list_length(tablespaces))
		return false;
	tablespace = list_nth(tablespaces, list->step);
	list->databases = bb_databasefiles_new(ctx, list->plan, tablespace->spc);
	init_tablespace(list, list->step++, true, member);
	member->tablespace = tablespace->spc;
	return true;
}

/*
 * Tablespaces are directories in place, where the source had symbolic links:
 * a link would make a clone on the same machine write into its parent's
 * files.
 */
static bool
next_tablespace(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	int			step = list->step++;

	if (list->archives || step / 2 == list_length(list->plan->tablespaces))
		return false;
	init_tablespace(list, step / 2, step % 2 != 0, member);
	return true;
}

/* A file whose content is given; returns true. */
static bool
init_file(BbFileList *list, BbMember *member, BbMemberKind kind,
		  const char *path, const char *data, size_t length)
{
	bb_member_init(member, kind, list->plan->file_mode, "%s", path);
	bb_member_set_bytes(member, data, length);
	return true;
}

static bool
next_map(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	StringInfoData map;

	if (!list->archives || list->step++ > 0)
		return false;
	bb_generatedfile_map(list->plan->tablespaces, &map);
	return map.len > 0 &&
		init_file(list, member, BB_MEMBER_MAP, "tablespace_map", map.data,
				  map.len);
}

static bool
next_version(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const char *version = list->plan->version;

	return list->step++ == 0 &&
		init_file(list, member, BB_MEMBER_VERSION, "PG_VERSION", version,
				  strlen(version));
}

static bool
next_config(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	return bb_smallfiles_next(&list->small, member);
}

static bool
next_label(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const char *label = list->plan->label;

	return label != NULL && list->step++ == 0 &&
		init_file(list, member, BB_MEMBER_LABEL, BB_LABEL_FILE, label,
				  strlen(label));
}

static bool
next_slru(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	BbSlruSegment segment;

	if (list->scan == NULL)
		list->scan = bb_catalog_scan_new(ctx, &list->plan->snapshot,
										 BB_KEY_SLRU_SIZE);
	if (!bb_catalog_next_slru_segment(ctx, list->scan, &segment))
		return false;

	bb_member_init(member, BB_MEMBER_SLRU, list->plan->file_mode, "%s",
				   bb_slru_path(list->plan->major, segment.slru,
								segment.segment));
	member->content = BB_CONTENT_SLRU;
	member->size = (uint64) segment.pages * BLCKSZ;
	member->source.slru.slru = segment.slru;
	member->source.slru.segment = segment.segment;
	return true;
}

static bool
next_database_file(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	if (list->databases == NULL)
		list->databases = bb_databasefiles_new(ctx, list->plan,
											   list->archives
												   ? DEFAULTTABLESPACE_OID
												   : InvalidOid);
	return bb_databasefiles_next(ctx, list->databases, member);
}

static bool
next_twophase(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	BbTwophase	twophase;

	if (list->scan == NULL)
		list->scan = bb_catalog_scan_new(ctx, &list->plan->snapshot,
										 BB_KEY_TWOPHASE_SIZE);
	if (!bb_catalog_next_twophase(ctx, list->scan, &twophase))
		return false;

	bb_member_init(member, BB_MEMBER_TWOPHASE, list->plan->file_mode,
				   "pg_twophase/%0*llX", list->plan->major->twophase_digits,
				   (unsigned long long) twophase.xid);
	member->content = BB_CONTENT_TWOPHASE;
	member->size = (uint64) twophase.size + sizeof(pg_crc32c);
	member->source.xid = twophase.xid;
	return true;
}

static bool
next_origin(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const StringInfoData *file = &list->plan->origins;

	return list->step++ == 0 &&
		init_file(list, member, BB_MEMBER_ORIGIN, BB_ORIGIN_FILE, file->data,
				  file->len);
}

/* A full backup is for a stock server, which doesn't know these files. */
static bool
next_signal(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	static const char *const names[] = {"neon.signal", "zenith.signal"};
	const char *signal = list->plan->signal;

	return !list->plan->options.full && list->step < lengthof(names) &&
		init_file(list, member, BB_MEMBER_SIGNAL, names[list->step++], signal,
				  strlen(signal));
}

/*
 * The history file, and the status file that makes a server archive it, as
 * writeTimeLineHistory in PostgreSQL's timeline.c leaves them.  Without the
 * history file, recovery along the clone's WAL would be impossible.
 */
static bool
next_history(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const char *history = list->plan->seed->history;
	TimeLineID	tli = list->plan->seed->wal.tli;
	char		name[MAXFNAMELEN];
	int			step = list->step++;

	TLHistoryFileName(name, tli);
	if (step == 0)
	{
		bb_member_init(member, BB_MEMBER_HISTORY, list->plan->file_mode,
					   XLOGDIR "/%s", name);
		bb_member_set_bytes(member, history, strlen(history));
	}
	else if (step == 1)
	{
		bb_member_init(member, BB_MEMBER_HISTORY, list->plan->file_mode,
					   XLOGDIR "/archive_status/%s.ready", name);
		bb_member_set_bytes(member, "", 0);
	}
	return step <= 1;
}

static bool
next_wal(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const BbSeed *seed = list->plan->seed;
	XLogSegNo	segment = seed->first_segment + list->step++;
	char		name[MAXFNAMELEN];

	if (segment > seed->last_segment)
		return false;
	XLogFileName(name, seed->wal.tli, segment, seed->wal.segment_size);
	bb_member_init(member, BB_MEMBER_WAL, list->plan->file_mode, XLOGDIR "/%s",
				   name);
	member->content = BB_CONTENT_WAL;
	member->size = seed->wal.segment_size;
	member->source.wal = segment;
	return true;
}

static bool
next_control(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	if (list->step++ > 0)
		return false;
	bb_member_init(member, BB_MEMBER_CONTROL, list->plan->file_mode,
				   XLOG_CONTROL_FILE);
	member->content = BB_CONTENT_CONTROL;
	member->size = PG_CONTROL_FILE_SIZE;
	return true;
}

/* Empty "part", and return how many bytes it had. */
static uint64
part_size(BbFileList *list)
{
	uint64		size = list->part.len;

	resetStringInfo(&list->part);
	return size;
}

/* A file takes as much room in the manifest whatever its checksum is. */
static void
count_in_manifest(BbFileList *list, const BbMember *member)
{
	static const uint8 checksum[PG_CHECKSUM_MAX_LENGTH];

	if (!bb_backupmanifest_lists(member))
		return;
	bb_backupmanifest_file(&list->plan->manifest, &list->part,
						   !list->files_listed, member->path, member->size,
						   checksum);
	list->manifest_size += part_size(list);
	list->files_listed = true;
}

static bool
has_manifest(const BbFileList *list)
{
	return list->plan->options.manifest != BB_MANIFEST_NO;
}

static bool
next_manifest(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	static const uint8 checksum[PG_SHA256_DIGEST_LENGTH];

	if (!has_manifest(list) || list->step++ > 0)
		return false;
	bb_member_init(member, BB_MEMBER_MANIFEST, list->plan->file_mode,
				   BB_MANIFEST_FILE);
	bb_backupmanifest_end(&list->plan->manifest, &list->part);
	bb_backupmanifest_checksum(&list->part, checksum);
	member->content = BB_CONTENT_MANIFEST;
	member->apart = list->archives;
	member->size = list->manifest_size + part_size(list);
	return true;
}

static const Stage stages[] = {
	next_archived,
	next_directory,
	next_tablespace,
	next_map,
	next_version,
	next_config,
	next_label,
	next_slru,
	next_database_file,
	next_twophase,
	next_origin,
	next_signal,
	next_history,
	next_wal,
	/* last of the files that a server needs: no server starts without it */
	next_control,
	next_manifest,
};

BbFileList *
bb_filelist_new(const BbBackupPlan *plan)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup file list",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbFileList *list = palloc0(sizeof(BbFileList));

	list->context = context;
	list->plan = plan;
	list->archives = plan->options.tablespaces == BB_TABLESPACES_ARCHIVES;
	list->small.files = plan->files;
	list->small.major = plan->major;
	if (has_manifest(list))
	{
		initStringInfo(&list->part);
		bb_backupmanifest_begin(&plan->manifest, &list->part);
		list->manifest_size = part_size(list);
	}

	MemoryContextSwitchTo(old_context);
	return list;
}

static void
end_stage(BbFileList *list)
{
	if (list->scan != NULL)
		bb_catalog_scan_close(list->scan);
	list->scan = NULL;
	list->step = 0;
	list->stage++;
}

bool
bb_filelist_next(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	MemoryContext old_context = MemoryContextSwitchTo(list->context);
	bool		found = false;

	bb_reqctx_check(ctx);
	while (list->stage < lengthof(stages))
	{
		found = stages[list->stage](ctx, list, member);
		if (found)
			break;
		end_stage(list);
	}
	if (found && has_manifest(list))
		count_in_manifest(list, member);

	MemoryContextSwitchTo(old_context);
	return found;
}

void
bb_filelist_close(BbFileList *list)
{
	MemoryContextDelete(list->context);
}
