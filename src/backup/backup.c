/*-------------------------------------------------------------------------
 *
 * backup.c
 *	  The backup driver.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "backup/content.h"
#include "pgtar.h"
#include "sinks/stages.h"
#include "stats/progress.h"
#include "utils/memutils.h"

/*
 * A step goes on until it has handed on this many bytes, which is enough to make
 * the cost of a step itself vanish.
 */
#define STEP_BYTES 40960

typedef enum BackupState
{
	BACKUP_NEW,		  /* the chain wasn't told that a backup begins */
	BACKUP_BETWEEN,	  /* after a member, or before the first */
	BACKUP_AT_MEMBER, /* before a member that was found */
	BACKUP_IN_MEMBER,
	BACKUP_DONE
} BackupState;

struct BbBackup
{
	MemoryContext context; /* owns this struct and everything it holds */
	MemoryContext scratch; /* for one step */
	const BbBackupPlan *plan;
	BbFileList *list;
	BbContentReader *reader;
	BbParallel *parallel; /* NULL: no workers */
	BbAhead	   *ahead;	  /* NULL: no worker fetches layers */
	BbSink	   *sink;	  /* the first of the chain */
	BbSink	   *manifest; /* makes the manifest; NULL: no manifest */
	BbBackupProgress *progress;
	uint64		bytes;		   /* of the archives, so far */
	uint32		archives;	   /* that there will be */
	uint32		archives_done; /* as progress shows it, see begin_member */

	BackupState state;
	BbMember	member; /* the one that comes next, or is open */
	bool		in_archive;
	Oid			archive; /* its tablespace; Invalid: "base" */
};

/* Make the chain of sinks that ends in "last". */
static BbSink *
make_chain(BbBackup *backup, BbBackupForm form, BbSink *last)
{
	const BbBackupPlan *plan = backup->plan;
	const BbBackupOptions *options = &plan->options;
	const BbPageStoreInfo *info = bb_pagestore_info(plan->snapshot.store);
	BbSink	   *sink = last;

	if (options->max_rate > 0)
		sink = bb_sink_throttle_new(sink, options->max_rate);
	if (options->compression.algorithm != PG_COMPRESSION_NONE)
	{
		if (form == BB_FORM_FILES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a backup in separate files cannot be "
							"compressed"),
					 errhint("Only tar archives can; \"compression\" must "
							 "be \"none\" here.")));
		sink = bb_sink_compress_new(sink, &options->compression);
	}
	if (form == BB_FORM_TAR)
		sink = bb_sink_tar_new(sink, info->uid, info->gid, plan->mtime);
	if (options->manifest != BB_MANIFEST_NO)
		sink = backup->manifest = bb_sink_manifest_new(sink, &plan->manifest);
	return sink;
}

BbBackup *
bb_backup_new(const BbReqCtx *ctx, const BbBackupPlan *plan,
			  const BbBackupTask *task, BbBackupForm form, BbSink *last)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup backup",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbBackup   *backup = palloc0(sizeof(BbBackup));

	backup->context = context;
	backup->scratch = AllocSetContextCreate(context, "bbackup backup step",
											ALLOCSET_DEFAULT_SIZES);
	backup->plan = plan;
	bb_plan_report(plan);
	backup->list = bb_filelist_new(plan);
	backup->reader = bb_content_new(plan);
	if (plan->options.jobs > 1 && task != NULL)
	{
		backup->parallel = bb_parallel_new(ctx, plan, task);
		bb_content_share(backup->reader, backup->parallel);
	}
	backup->sink = make_chain(backup, form, last);

	backup->progress = bb_progress_backup_new();
	backup->archives = 1; /* "base" */
	if (plan->options.tablespaces == BB_TABLESPACES_ARCHIVES)
		backup->archives += list_length(plan->tablespaces);
	bb_progress_backup_stream(backup->progress, plan->size, backup->archives);

	MemoryContextSwitchTo(old_context);
	return backup;
}

void
bb_backup_follow(BbBackup *backup, BbAhead *ahead)
{
	backup->ahead = ahead;
}

/* Begin the archive whose first member is the one that comes next. */
static void
begin_archive(const BbReqCtx *ctx, BbBackup *backup)
{
	Oid			tablespace = backup->member.tablespace;

	bb_sink_begin_archive(ctx, backup->sink,
						  OidIsValid(tablespace) ? psprintf("%u", tablespace)
												 : "base");
	backup->in_archive = true;
	backup->archive = tablespace;
}

static void
end_archive(const BbReqCtx *ctx, BbBackup *backup)
{
	bb_sink_end_archive(ctx, backup->sink);
	backup->in_archive = false;
	backup->archives_done = Min(backup->archives_done + 1, backup->archives);
	backup->bytes += BB_TAR_END_SIZE;
}

static void
begin_member(const BbReqCtx *ctx, BbBackup *backup)
{
	const BbMember *member = &backup->member;

	if (member->apart)
		bb_sink_begin_manifest(ctx, backup->sink);
	else
	{
		if (!backup->in_archive)
			begin_archive(ctx, backup);
		bb_sink_begin_member(ctx, backup->sink, member);
		backup->bytes += TAR_BLOCK_SIZE;
	}
	/* from here on the server (basebackup_progress.c) has all tablespaces done */
	if (member->content == BB_CONTENT_WAL)
		backup->archives_done = backup->archives;
	if (member->content != BB_CONTENT_MANIFEST)
		bb_content_begin(ctx, backup->reader, member);
	backup->state = BACKUP_IN_MEMBER;
}

static void
end_member(const BbReqCtx *ctx, BbBackup *backup)
{
	if (backup->member.apart)
		bb_sink_end_manifest(ctx, backup->sink);
	else
	{
		bb_sink_end_member(ctx, backup->sink);
		backup->bytes += tarPaddingBytesRequired(backup->member.size);
	}
	backup->state = BACKUP_BETWEEN;
}

/*
 * Get the next member, and end the archive if the member isn't in it, or if
 * there is no member.  Returns whether an archive was ended.
 */
static bool
next_member(const BbReqCtx *ctx, BbBackup *backup)
{
	const BbMember *member = &backup->member;
	bool		found = bb_filelist_next(ctx, backup->list, &backup->member);
	bool		ends = backup->in_archive &&
		(!found || member->apart || member->tablespace != backup->archive);

	/* the errors of workers come before the end of the archive */
	if (!found && backup->parallel != NULL)
		bb_parallel_end(ctx, backup->parallel);
	if (ends)
		end_archive(ctx, backup);
	if (found)
		backup->state = BACKUP_AT_MEMBER;
	else
	{
		bb_sink_end(ctx, backup->sink);
		bb_content_close(backup->reader);
		bb_filelist_close(backup->list);
		backup->state = BACKUP_DONE;
	}
	return ends;
}

/* Hand on a piece, or end the member.  Returns the number of bytes. */
static uint32
advance_member(const BbReqCtx *ctx, BbBackup *backup)
{
	const uint8 *data;
	uint32		length;
	bool		more = backup->member.content == BB_CONTENT_MANIFEST
		? bb_sink_manifest_next(backup->manifest, &data, &length)
		: bb_content_next(ctx, backup->reader, &data, &length);

	if (!more)
	{
		end_member(ctx, backup);
		return TAR_BLOCK_SIZE;
	}
	if (backup->member.apart)
		bb_sink_write_manifest(ctx, backup->sink, data, length);
	else
		bb_sink_write(ctx, backup->sink, data, length);
	backup->bytes += length;
	return length;
}

bool
bb_backup_step(const BbReqCtx *ctx, BbBackup *backup)
{
	MemoryContext old_context;
	uint32		written = 0;
	bool		archive_ended = false;

	if (backup->state == BACKUP_DONE)
		return false;

	old_context = MemoryContextSwitchTo(backup->scratch);
	while (written < STEP_BYTES && !archive_ended &&
		   backup->state != BACKUP_DONE)
	{
		switch (backup->state)
		{
			case BACKUP_NEW:
				bb_sink_begin(ctx, backup->sink);
				backup->state = BACKUP_BETWEEN;
				break;
			case BACKUP_BETWEEN:
				archive_ended = next_member(ctx, backup);
				break;
			case BACKUP_AT_MEMBER:
				begin_member(ctx, backup);
				written += TAR_BLOCK_SIZE;
				break;
			case BACKUP_IN_MEMBER:
				written += advance_member(ctx, backup);
				break;
			case BACKUP_DONE:
				break;
		}
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(backup->scratch);
	bb_progress_backup_done(backup->progress, backup->bytes,
							backup->archives_done);
	if (backup->state == BACKUP_DONE)
		bb_progress_backup_end(backup->progress);
	if (backup->ahead != NULL && backup->state == BACKUP_DONE)
		bb_ahead_end(ctx, backup->ahead);
	else if (backup->ahead != NULL)
		bb_ahead_poll(ctx, backup->ahead);
	return backup->state != BACKUP_DONE;
}

void
bb_backup_measure(const BbReqCtx *ctx, BbBackupPlan *plan)
{
	BbBackupProgress *progress = bb_progress_backup_new();
	BbFileList *list = bb_filelist_new(plan);
	BbMember	member;
	uint64		size = BB_TAR_END_SIZE; /* of "base", which always exists */
	Oid			tablespace = InvalidOid;

	while (bb_filelist_next(ctx, list, &member))
	{
		size += member.apart ? member.size : bb_sink_tar_member_size(&member);
		if (OidIsValid(member.tablespace) && member.tablespace != tablespace)
			size += BB_TAR_END_SIZE;
		tablespace = member.tablespace;
	}
	bb_filelist_close(list);
	bb_progress_backup_end(progress);
	plan->size = size;
}
