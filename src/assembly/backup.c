/*-------------------------------------------------------------------------
 *
 * backup.c
 *	  The backup driver.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtar.h"
#include "utils/memutils.h"

#include "assembly/backup.h"
#include "assembly/content.h"
#include "stats/progress.h"

/*
 * A step goes on until it has handed on so many bytes: enough to make what a
 * step costs by itself vanish.
 */
#define STEP_BYTES 40960

struct BbBackup
{
	MemoryContext context; /* this struct and all that it holds */
	MemoryContext scratch; /* for one step */
	BbFileList *list;
	BbContentReader *reader;
	BbParallel *parallel; /* NULL: no workers */
	BbSink	   *sink;	  /* the first of the chain */
	BbSink	   *manifest; /* the one that makes it; NULL: no manifest */
	BbBackupProgress *progress;
	uint64		bytes; /* of the tar, so far */

	bool		begun; /* the chain knows that a backup begins */
	bool		open;  /* in the midst of a member */
	bool		done;
	BbMember	member;
};

/* The chain that ends in "last". */
static BbSink *
make_chain(BbBackup *backup, const BbPageStoreInfo *info,
		   const BbBackupOptions *options, BbBackupForm form, BbSink *last)
{
	BbSink	   *sink = last;

	if (options->max_rate > 0)
		sink = bb_sink_throttle_new(sink, options->max_rate);
	if (options->compression.algorithm != PG_COMPRESSION_NONE)
	{
		if (form == BB_FORM_FILES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a backup in files of its own can't be "
							"compressed"),
					 errhint("Only tar archives can; \"compression\" must "
							 "be \"none\" here.")));
		sink = bb_sink_compress_new(sink, &options->compression);
	}
	if (form == BB_FORM_TAR)
		sink = bb_sink_tar_new(sink, info->uid, info->gid,
							   bb_filelist_mtime(backup->list));
	if (bb_filelist_manifest(backup->list) != NULL)
		sink = backup->manifest =
			bb_sink_manifest_new(sink, bb_filelist_manifest(backup->list));
	return sink;
}

BbBackup *
bb_backup_new(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			  const BbBackupOptions *options, uint64 size, BbBackupForm form,
			  BbSink *last)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup backup",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbBackup   *backup = palloc0(sizeof(BbBackup));

	backup->context = context;
	backup->scratch = AllocSetContextCreate(context, "bbackup backup step",
											ALLOCSET_DEFAULT_SIZES);
	backup->list = bb_filelist_new(ctx, store, lsn, options);
	backup->reader = bb_content_new(ctx, store, lsn,
									bb_filelist_seed(backup->list));
	if (options->jobs > 1)
	{
		backup->parallel = bb_parallel_new(ctx, store, lsn, options,
										   size);
		bb_content_share(backup->reader, backup->parallel);
	}
	backup->sink = make_chain(backup, bb_pagestore_info(store), options, form,
							  last);

	backup->progress = bb_progress_backup_new();
	bb_progress_backup_stream(backup->progress, size);

	MemoryContextSwitchTo(old_context);
	return backup;
}

/* The next member's beginning, or the end of the backup. */
static void
next_member(const BbReqCtx *ctx, BbBackup *backup)
{
	if (!backup->begun)
	{
		bb_sink_begin(ctx, backup->sink);
		bb_sink_begin_archive(ctx, backup->sink, "base");
		backup->begun = true;
	}
	if (bb_filelist_next(ctx, backup->list, &backup->member))
	{
		bb_sink_begin_member(ctx, backup->sink, &backup->member);
		if (backup->member.content != BB_CONTENT_MANIFEST)
			bb_content_begin(ctx, backup->reader, &backup->member);
		backup->open = true;
		backup->bytes += TAR_BLOCK_SIZE;
		return;
	}

	/* what can go wrong comes before the end */
	if (backup->parallel != NULL)
		bb_parallel_end(ctx, backup->parallel);
	bb_sink_end_archive(ctx, backup->sink);
	bb_sink_end(ctx, backup->sink);
	bb_content_close(backup->reader);
	bb_filelist_close(backup->list);
	backup->bytes += BB_TAR_END_SIZE;
	backup->done = true;
}

/* The next piece of the open member. */
static bool
next_piece(const BbReqCtx *ctx, BbBackup *backup, const uint8 **data,
		   uint32 *length)
{
	if (backup->member.content == BB_CONTENT_MANIFEST)
		return bb_sink_manifest_next(backup->manifest, data, length);
	return bb_content_next(ctx, backup->reader, data, length);
}

bool
bb_backup_step(const BbReqCtx *ctx, BbBackup *backup)
{
	MemoryContext old_context;
	const uint8 *data;
	uint32		length;
	uint32		written = 0;

	if (backup->done)
		return false;

	old_context = MemoryContextSwitchTo(backup->scratch);
	while (written < STEP_BYTES && !backup->done)
	{
		if (!backup->open)
		{
			next_member(ctx, backup);
			written += TAR_BLOCK_SIZE;
		}
		else if (next_piece(ctx, backup, &data, &length))
		{
			bb_sink_write(ctx, backup->sink, data, length);
			written += length;
			backup->bytes += length;
		}
		else
		{
			bb_sink_end_member(ctx, backup->sink);
			backup->open = false;
			backup->bytes += tarPaddingBytesRequired(backup->member.size);
			written += TAR_BLOCK_SIZE;
		}
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(backup->scratch);
	bb_progress_backup_done(backup->progress, backup->bytes);
	if (backup->done)
		bb_progress_backup_end(backup->progress);
	return !backup->done;
}

uint64
bb_backup_size(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			   const BbBackupOptions *options)
{
	BbBackupProgress *progress = bb_progress_backup_new();
	BbFileList *list = bb_filelist_new(ctx, store, lsn, options);
	BbMember	member;
	uint64		size = BB_TAR_END_SIZE;

	while (bb_filelist_next(ctx, list, &member))
		size += bb_sink_tar_member_size(&member);
	bb_filelist_close(list);
	bb_progress_backup_end(progress);
	return size;
}
