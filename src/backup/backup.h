/*-------------------------------------------------------------------------
 *
 * backup.h
 *	  The backup driver: takes the members in order, feeds a chain of sinks.
 *
 * It goes step by step, and so serves both sinks that are pushed to (a bytea, a
 * large object: step until done) and a consumer that pulls (a set-returning
 * function: step until a chunk is full, return it, and go on if called again).
 *
 * Everything it holds belongs to the memory context that it was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUP_H
#define BB_BACKUP_H

#include "backup/ahead.h"
#include "members/filelist.h"
#include "sinks/sink.h"

/*
 * The form in which the last sink of the chain takes a backup: the bytes of tar
 * archives, some for each step, or files.
 */
typedef enum BbBackupForm
{
	BB_FORM_TAR,
	BB_FORM_FILES
} BbBackupForm;

typedef struct BbBackup BbBackup;

/*
 * bb_backup_new - make a backup into "last", through all the sinks that form
 * and options ask for; raises the plan's NOTICEs.
 *
 * pg_stat_progress_basebackup shows its progress, with the plan's size as the
 * total.  "task" is for its workers (NULL: none may be started).  The plan must
 * outlive the backup.
 *
 * Errors: those of filelist.h and parallel.h; INVALID_PARAMETER_VALUE (the form
 * can't be compressed).
 */
extern BbBackup *bb_backup_new(const BbReqCtx *ctx, const BbBackupPlan *plan,
							   const BbBackupTask *task, BbBackupForm form,
							   BbSink *last);

/* bb_backup_follow - poll this read-ahead worker (may be NULL), and end it. */
extern void bb_backup_follow(BbBackup *backup, BbAhead *ahead);

/*
 * bb_backup_step - pass on some of the backup, some ten kB before compression.
 *
 * A step ends where an archive ends, so that a consumer that pulls can take the
 * end of an archive separately.  Returns false once everything, including the
 * end of the last archive, is written.
 */
extern bool bb_backup_step(const BbReqCtx *ctx, BbBackup *backup);

/*
 * bb_backup_measure - set the plan's size: the exact bytes of the backup before
 * compression, of all archives and what is beside them.
 *
 * Errors: those of filelist.h.
 */
extern void bb_backup_measure(const BbReqCtx *ctx, BbBackupPlan *plan);

#endif /* BB_BACKUP_H */
