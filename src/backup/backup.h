/*-------------------------------------------------------------------------
 *
 * backup.h
 *	  The backup driver: takes the members in order, feeds a chain of sinks.
 *
 * It goes step by step, so that it serves those who push (a bytea, a large
 * object: step until done) and those who pull (a set-returning function:
 * step until a chunk is full, return it, come back or never).
 *
 * All it holds hangs on the memory context that it was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUP_H
#define BB_BACKUP_H

#include "backup/ahead.h"
#include "members/filelist.h"
#include "members/options.h"
#include "sinks/sink.h"

/*
 * What the last sink of the chain takes: the bytes of tar archives, which a
 * step hands on little by little, or files as they are.
 */
typedef enum BbBackupForm
{
	BB_FORM_TAR,
	BB_FORM_FILES
} BbBackupForm;

typedef struct BbBackup BbBackup;

/*
 * bb_backup_new - a backup at lsn into "last", behind all the sinks that form
 * and options ask for.
 *
 * How far it is shows in pg_stat_progress_basebackup, with "size", which
 * bb_backup_size gives, as the whole (0: not known).
 *
 * "task" describes the backup for the workers that options->jobs asks for.
 * NULL: no worker may be started.
 *
 * Errors: those of filelist.h.
 */
extern BbBackup *bb_backup_new(const BbReqCtx *ctx, BbPageStore *store,
							   XLogRecPtr lsn, const BbBackupOptions *options,
							   uint64 size, const BbBackupTask *task,
							   BbBackupForm form, BbSink *last);

/*
 * bb_backup_follow - layers are fetched ahead of it (NULL: they aren't); it
 * ends that.
 */
extern void bb_backup_follow(BbBackup *backup, BbAhead *ahead);

/*
 * Do some of it, some ten kB before compression.  Where an archive ends, so
 * does the step, so that one who pulls can take what there is of it.  False
 * once everything, end of archive too, is written.
 */
extern bool bb_backup_step(const BbReqCtx *ctx, BbBackup *backup);

/*
 * bb_backup_size - the exact bytes of a backup before compression, all tars and
 * what is beside them, without building it.
 */
extern uint64 bb_backup_size(const BbReqCtx *ctx, BbPageStore *store,
							 XLogRecPtr lsn, const BbBackupOptions *options);

#endif /* BB_BACKUP_H */
