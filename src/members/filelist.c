/*-------------------------------------------------------------------------
 *
 * filelist.c
 *	  The members of a base backup, stage after stage.
 *
 * A stage is a function that makes the next member of its sort, or says that
 * there is none left; the table of stages is the order of a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "common/sha2.h"
#include "members/clonesettings.h"
#include "members/clonetli.h"
#include "members/configfiles.h"
#include "members/databasefiles.h"
#include "members/dirtree.h"
#include "members/filelist.h"
#include "members/generatedfiles.h"
#include "pagestore/originfile.h"
#include "pagestore/walposition.h"
#include "utils/memutils.h"

/*
 * Where a server puts backup_label once it has recovered.  Nothing has to be
 * recovered here, so this is where the label is from the start.
 */
#define LABEL_FILE "backup_label.old"

struct BbFileList
{
	MemoryContext context; /* this struct and all of it */
	BbPageStore *store;
	const BbPageStoreInfo *info;
	XLogRecPtr	lsn; /* a record's end */
	int64		mtime;
	bool		full;
	bool		archives; /* of tablespaces */
	mode_t		file_mode;

	const BbSeed *seed;
	BbConfigFiles *config;
	BbDatabaseFiles *databases;
	char		version[16]; /* content of PG_VERSION */
	char		signal[64];	 /* content of the signal files */
	char	   *label;		 /* of LABEL_FILE; NULL: none */
	List	   *notices;	 /* BbSettingNotice *, of settings */

	bool		with_manifest;
	BbManifestText manifest;
	uint64		manifest_size; /* of the text so far, but for its end */
	bool		files_listed;  /* is there one in it? */
	StringInfoData part;	   /* scratch, for its size */

	int			stage;
	/* of the stage: */
	int			step;
	BbCatalogScan *scan;
	bool		half; /* two members of one entry: the first is out */
	BbTablespace tablespace;
};

typedef bool (*Stage) (const BbReqCtx *ctx, BbFileList *list,
					   BbMember *member);

static bool
next_directory(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const char *path = bb_dirtree_get(list->step++);

	if (path == NULL)
		return false;
	bb_member_init(member, BB_MEMBER_DIRECTORY, list->info->directory_mode,
				   "%s", path);
	return true;
}

/*
 * A tablespace with an archive of its own: the directory that the server has
 * in its location, and the databases in it.
 */
static bool
next_archived(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	bool		found;

	if (!list->archives)
		return false;
	if (list->databases != NULL)
	{
		found = bb_databasefiles_next(ctx, list->databases, member);
		if (found)
		{
			member->tablespace = list->tablespace.spc;
			return true;
		}
		bb_databasefiles_close(list->databases);
		list->databases = NULL;
	}

	if (list->scan == NULL)
		list->scan = bb_catalog_scan_new(ctx, list->store, BB_KEY_TABLESPACE,
										 list->lsn);
	if (!bb_catalog_next_tablespace(ctx, list->scan, &list->tablespace))
		return false;
	pfree(list->tablespace.location);
	list->databases = bb_databasefiles_new(ctx, list->store, list->lsn,
										   list->tablespace.spc, list->full,
										   list->version);
	bb_member_init(member, BB_MEMBER_DIRECTORY, list->info->directory_mode,
				   "pg_tblspc/%u/" TABLESPACE_VERSION_DIRECTORY,
				   list->tablespace.spc);
	member->tablespace = list->tablespace.spc;
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
	mode_t		mode = list->info->directory_mode;

	if (list->archives)
		return false;
	if (list->half)
	{
		bb_member_init(member, BB_MEMBER_DIRECTORY, mode,
					   "pg_tblspc/%u/" TABLESPACE_VERSION_DIRECTORY,
					   list->tablespace.spc);
		list->half = false;
		return true;
	}

	if (list->scan == NULL)
		list->scan = bb_catalog_scan_new(ctx, list->store, BB_KEY_TABLESPACE,
										 list->lsn);
	if (!bb_catalog_next_tablespace(ctx, list->scan, &list->tablespace))
		return false;
	pfree(list->tablespace.location);
	bb_member_init(member, BB_MEMBER_DIRECTORY, mode, "pg_tblspc/%u",
				   list->tablespace.spc);
	list->half = true;
	return true;
}

static bool
next_map(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	StringInfoData map;

	if (!list->archives || list->step++ > 0)
		return false;
	bb_madefile_map(ctx, list->store, list->lsn, &map);
	if (map.len == 0)
		return false;
	bb_member_init(member, BB_MEMBER_MAP, list->file_mode, "tablespace_map");
	bb_member_set_bytes(member, map.data, map.len);
	return true;
}

static bool
next_version(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	if (list->step++ > 0)
		return false;
	bb_member_init(member, BB_MEMBER_VERSION, list->file_mode, "PG_VERSION");
	bb_member_set_bytes(member, list->version, strlen(list->version));
	return true;
}

static bool
next_config(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	return bb_configfiles_next(ctx, list->config, member);
}

static bool
next_label(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	if (list->label == NULL || list->step++ > 0)
		return false;
	bb_member_init(member, BB_MEMBER_LABEL, list->file_mode, LABEL_FILE);
	bb_member_set_bytes(member, list->label, strlen(list->label));
	return true;
}

static bool
next_slru(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	BbSlruSegment segment;

	if (list->scan == NULL)
		list->scan = bb_catalog_scan_new(ctx, list->store, BB_KEY_SLRU_SIZE,
										 list->lsn);
	if (!bb_catalog_next_slru_segment(ctx, list->scan, &segment))
		return false;

	bb_member_init(member, BB_MEMBER_SLRU, list->file_mode, "%s/%04X",
				   bb_slru_directory(segment.slru),
				   (unsigned int) segment.segment);
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
		list->databases = bb_databasefiles_new(ctx, list->store, list->lsn,
											   list->archives
												   ? DEFAULTTABLESPACE_OID
												   : InvalidOid,
											   list->full, list->version);
	return bb_databasefiles_next(ctx, list->databases, member);
}

static bool
next_twophase(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	BbTwophase	twophase;

	if (list->scan == NULL)
		list->scan = bb_catalog_scan_new(ctx, list->store,
										 BB_KEY_TWOPHASE_SIZE, list->lsn);
	if (!bb_catalog_next_twophase(ctx, list->scan, &twophase))
		return false;

	bb_member_init(member, BB_MEMBER_TWOPHASE, list->file_mode,
				   "pg_twophase/%0*llX", BB_TWOPHASE_NAME_LENGTH,
				   (unsigned long long) twophase.xid);
	member->content = BB_CONTENT_TWOPHASE;
	member->size = (uint64) twophase.size + sizeof(pg_crc32c);
	member->source.twophase.xid = twophase.xid;
	return true;
}

static bool
next_origin(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	StringInfoData file;

	if (list->step++ > 0)
		return false;
	bb_madefile_origins(ctx, list->store, list->lsn, &file);
	bb_member_init(member, BB_MEMBER_ORIGIN, list->file_mode, BB_ORIGIN_FILE);
	bb_member_set_bytes(member, file.data, file.len);
	return true;
}

/* A full backup is for a stock server, which doesn't know these files. */
static bool
next_signal(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	static const char *const names[] = {"neon.signal", "zenith.signal"};

	if (list->full || list->step == lengthof(names))
		return false;
	bb_member_init(member, BB_MEMBER_SIGNAL, list->file_mode, "%s",
				   names[list->step++]);
	bb_member_set_bytes(member, list->signal, strlen(list->signal));
	return true;
}

/*
 * The history file, and the status file that makes a server archive it, as
 * writeTimeLineHistory in PostgreSQL's timeline.c leaves them.  Without the
 * history file, recovery along the clone's WAL would be impossible.
 */
static bool
next_history(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const char *history = list->seed->history;
	TimeLineID	tli = list->seed->wal.tli;
	char		name[MAXFNAMELEN];
	int			step = list->step++;

	TLHistoryFileName(name, tli);
	if (step == 0)
	{
		bb_member_init(member, BB_MEMBER_HISTORY, list->file_mode,
					   XLOGDIR "/%s", name);
		bb_member_set_bytes(member, history, strlen(history));
	}
	else if (step == 1)
	{
		bb_member_init(member, BB_MEMBER_HISTORY, list->file_mode,
					   XLOGDIR "/archive_status/%s.ready", name);
		bb_member_set_bytes(member, "", 0);
	}
	return step <= 1;
}

static bool
next_wal(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	const BbSeed *seed = list->seed;
	XLogSegNo	segment = seed->first_segment + list->step++;
	char		name[MAXFNAMELEN];

	if (segment > seed->last_segment)
		return false;
	XLogFileName(name, seed->wal.tli, segment, seed->wal.segment_size);
	bb_member_init(member, BB_MEMBER_WAL, list->file_mode, XLOGDIR "/%s",
				   name);
	member->content = BB_CONTENT_WAL;
	member->size = seed->wal.segment_size;
	member->source.wal.segment = segment;
	return true;
}

static bool
next_control(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	if (list->step++ > 0)
		return false;
	bb_member_init(member, BB_MEMBER_CONTROL, list->file_mode,
				   XLOG_CONTROL_FILE);
	member->content = BB_CONTENT_CONTROL;
	member->size = PG_CONTROL_FILE_SIZE;
	return true;
}

/* The bytes of the text in "part", which is empty then. */
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

	if (!bb_manifesttext_lists(member))
		return;
	bb_manifesttext_file(&list->manifest, &list->part, !list->files_listed,
						 member->path, member->size, checksum);
	list->manifest_size += part_size(list);
	list->files_listed = true;
}

static bool
next_manifest(const BbReqCtx *ctx, BbFileList *list, BbMember *member)
{
	static const uint8 checksum[PG_SHA256_DIGEST_LENGTH];

	if (!list->with_manifest || list->step++ > 0)
		return false;
	bb_member_init(member, BB_MEMBER_MANIFEST, list->file_mode,
				   BB_MANIFEST_FILE);
	bb_manifesttext_end(&list->manifest, &list->part);
	bb_manifesttext_checksum(&list->part, checksum);
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
	/* last of what a server needs: none starts from a torn backup */
	next_control,
	next_manifest,
};

/*
 * The start of the record that ends at lsn, which the page store says is
 * "known"; Invalid: unknown.
 *
 * What the caller says must agree with what is known, or is believed.
 */
static XLogRecPtr
choose_prev_lsn(XLogRecPtr lsn, XLogRecPtr known, XLogRecPtr given)
{
	if (XLogRecPtrIsInvalid(given))
		return known;
	if (!XLogRecPtrIsInvalid(known) && given != known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prev_lsn does not match the page store's"),
				 errdetail("The record that ends at %X/%X begins at %X/%X, not at %X/%X.",
						   LSN_FORMAT_ARGS(lsn), LSN_FORMAT_ARGS(known),
						   LSN_FORMAT_ARGS(given)),
				 errhint("Leave prev_lsn away to use the page store's.")));
	if (given >= lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prev_lsn %X/%X is not below the LSN of the backup",
						LSN_FORMAT_ARGS(given)),
				 errdetail("The backup is at %X/%X.", LSN_FORMAT_ARGS(lsn))));
	return given;
}

/*
 * What a Neon compute node reads: may it write after this LSN, and how?
 *
 * Only at the end of a timeline, as far as we know; elsewhere the caller may
 * say so.
 */
static void
make_signal(BbFileList *list, XLogRecPtr given)
{
	XLogRecPtr	prev_lsn = given;

	if (XLogRecPtrIsInvalid(given) && list->lsn == list->info->end_lsn)
		prev_lsn = list->info->prev_lsn;
	if (!XLogRecPtrIsInvalid(prev_lsn))
		snprintf(list->signal, sizeof(list->signal), "PREV LSN: %X/%X",
				 LSN_FORMAT_ARGS(prev_lsn));
	else if (list->lsn == list->info->ancestor_lsn)
		strlcpy(list->signal, "PREV LSN: none", sizeof(list->signal));
	else
		strlcpy(list->signal, "PREV LSN: invalid", sizeof(list->signal));
}

static void
begin_manifest(BbFileList *list, const BbBackupOptions *options)
{
	list->with_manifest = options->manifest != BB_MANIFEST_NO;
	if (!list->with_manifest)
		return;
	list->manifest = (BbManifestText){
		.force_encode = options->manifest == BB_MANIFEST_FORCE_ENCODE,
		.checksum_type = options->manifest_checksums,
		.mtime = list->mtime,
		.seed = list->seed,
	};
	initStringInfo(&list->part);
	bb_manifesttext_begin(&list->manifest, &list->part);
	list->manifest_size = part_size(list);
}

/* The history of a tli, if it was captured; NULL: it wasn't. */
static char *
captured_history(const BbReqCtx *ctx, BbFileList *list, TimeLineID tli)
{
	char		path[MAXPGPATH];
	size_t		length;
	char	   *text;

	TLHistoryFilePath(path, tli);
	text = bb_configfiles_read(ctx, list->config, path, &length);
	if (text != NULL && strlen(text) != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("captured file \"%s\" is not text", path),
				 errdetail("It has a zero byte at offset %zu.",
						   strlen(text))));
	return text;
}

BbFileList *
bb_filelist_new(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
				const BbBackupOptions *options)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup file list",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbFileList *list = palloc0(sizeof(BbFileList));
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	XLogRecPtr	prev_lsn;
	TimeLineID	source_tli;
	BbDataNeeds needs;

	lsn = bb_pagestore_round_lsn(ctx, store, lsn, &prev_lsn);
	prev_lsn = choose_prev_lsn(lsn, prev_lsn, options->prev_lsn);

	list->context = context;
	list->store = store;
	list->info = info;
	list->lsn = lsn;
	list->mtime = bb_pagestore_time_at(ctx, store, lsn);
	list->full = options->full;
	list->archives = options->tablespaces == BB_TABLESPACES_ARCHIVES;
	list->file_mode = info->directory_mode & 0666;
	snprintf(list->version, sizeof(list->version), "%u\n",
			 info->pg_version_num / 10000);
	make_signal(list, options->prev_lsn);

	list->config = bb_configfiles_new(ctx, store, lsn);
	source_tli = bb_pagestore_tli_at(store, lsn);
	list->seed = bb_seed_new(ctx, store, lsn, prev_lsn,
							 bb_tlis_choose(bb_tlis_known(ctx, store,
														  list->config),
											source_tli, options->new_tli),
							 captured_history(ctx, list, source_tli));
	needs = bb_dataneeds_at(ctx, store, lsn, &list->seed->control);
	bb_configfiles_generate(list->config, needs.control);
	list->notices = bb_clonesettings_apply(ctx, list->config,
										   options->settings, &needs);
	if (options->label != NULL)
	{
		/* a captured one is that of another backup */
		bb_configfiles_leave_out(list->config, LABEL_FILE);
		list->label = bb_madefile_label(list->seed, list->mtime,
										options->label);
	}
	begin_manifest(list, options);

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
	if (found && list->with_manifest)
		count_in_manifest(list, member);

	MemoryContextSwitchTo(old_context);
	return found;
}

const BbSeed *
bb_filelist_seed(const BbFileList *list)
{
	return list->seed;
}

void
bb_filelist_tell(const BbFileList *list)
{
	ListCell   *cell;

	foreach(cell, list->notices)
	{
		const BbSettingNotice *notice = lfirst(cell);

		ereport(NOTICE, (errmsg("%s", notice->message),
						 errdetail("%s", notice->detail)));
	}
}

const BbManifestText *
bb_filelist_manifest(const BbFileList *list)
{
	return list->with_manifest ? &list->manifest : NULL;
}

int64
bb_filelist_mtime(const BbFileList *list)
{
	return list->mtime;
}

void
bb_filelist_close(BbFileList *list)
{
	MemoryContextDelete(list->context);
}
