/*-------------------------------------------------------------------------
 *
 * backup_call.h
 *	  A backup of a page store that is named by its foreign server.
 *
 *	  bb_backup_call_begin -> a last sink -> bb_backup_call_run
 *
 * The call opens the store, asks for permission to download the missing
 * layers, starts a worker that reads ahead, and starts the backup.
 *
 * Errors: those of store_access.h, ahead.h, plan.h and filelist.h; those of
 * databases.h if there are only_databases.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUP_CALL_H
#define BB_BACKUP_CALL_H

#include "backup/ahead.h"
#include "backup/backup.h"
#include "backup/parallel.h"

/* What the user asks for. */
typedef struct BbBackupRequest
{
	const char *function; /* the name of the SQL function */
	const char *server;
	const char *timeline;
	XLogRecPtr	lsn; /* Invalid: the end of the timeline */
	BbBackupOptions options;
	List	   *only_databases; /* names (char *); NIL: all */
} BbBackupRequest;

typedef struct BbBackupCall
{
	const BbReqCtx *ctx;
	BbBackupOptions options;
	BbSnapshot	snapshot;
	BbBackupPlan *plan; /* NULL: not planned */
	BbBackupTask task;	/* for background workers */
	List	   *missing;
	BbAhead	   *ahead; /* NULL: not started */
} BbBackupCall;

/*
 * bb_backup_call_open - open the store and take the snapshot, for a call that
 * only looks at what a backup would contain.
 */
extern BbBackupCall bb_backup_call_open(const BbReqCtx *ctx,
										const BbBackupRequest *request);

/*
 * bb_backup_call_begin - open the store, and plan the backup.
 *
 * Measures its size if options.progress is set.  Without options.jobs, starts
 * to read ahead.  Everything is allocated in CurrentMemoryContext.
 */
extern BbBackupCall bb_backup_call_begin(const BbReqCtx *ctx,
										 const BbBackupRequest *request);

/*
 * bb_backup_call_start - start the backup, with read-ahead.
 *
 * With options.jobs, the workers for the jobs are started before the worker
 * that reads ahead: the user asked for them, so they get the free processes.
 */
extern BbBackup *bb_backup_call_start(const BbBackupCall *call,
									  BbBackupForm form, BbSink *last);

/* bb_backup_call_run - make the whole backup, and end the call. */
extern void bb_backup_call_run(const BbBackupCall *call, BbBackupForm form,
							   BbSink *last);

/*
 * bb_backup_call_off_limits - return the directories (BbOffLimits *) that no
 * backup may be written into: those of this server, and of the page store.
 */
extern List *bb_backup_call_off_limits(const BbBackupCall *call);

/*
 * The tasks BB_AHEAD_TASK and BB_PAGES_TASK of background workers: fetch layers
 * (BbAheadTask), and make pages (BbBackupTask).  A worker opens the page store
 * as the user of the backup, and so has the same permissions as the backup.
 */
extern void bb_ahead_task(const void *payload, size_t length);
extern void bb_pages_task(const void *payload, size_t length);

#endif /* BB_BACKUP_CALL_H */
