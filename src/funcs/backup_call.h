/*-------------------------------------------------------------------------
 *
 * backup_call.h
 *	  What all functions have in common that make, or describe, a backup.
 *
 *	  bb_backup_call_begin -> a last sink -> bb_backup_call_run
 *
 * Their SQL arguments are found by name, so each function may have its own
 * between them, in any order; what one doesn't have, keeps its default:
 *
 *	  lsn, full_backup, store, timeline, prev_lsn, new_tli, settings,
 *	  tablespaces, label, compression, manifest, manifest_checksums, max_rate, progress, jobs
 *
 * Errors: NULL_VALUE_NOT_ALLOWED (the argument is named); those of options.h,
 * store_access.h and filelist.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUP_CALL_H
#define BB_BACKUP_CALL_H

#include "backup/backup.h"
#include "fmgr.h"

typedef struct BbBackupCall
{
	const BbReqCtx *ctx;
	BbPageStore *store;
	XLogRecPtr	lsn; /* to read at */
	BbBackupOptions options;
	uint64		size; /* of the tar, uncompressed; 0: not known */
	/* bb_backup_call_start's */
	uint64		options_hash;
	List	   *missing; /* what isn't resident of what it needs */
	BbAhead	   *ahead;	 /* who fetches ahead; NULL: nobody, as yet */
} BbBackupCall;

/*
 * bb_backup_call_open - the call, its arguments, and the store; for who only
 * looks at what a backup would be.
 *
 * All in CurrentMemoryContext.
 */
extern BbBackupCall bb_backup_call_open(FunctionCallInfo fcinfo,
										BbTaskKind kind);

/* bb_backup_call_measure - find out the size, if that is wanted. */
extern void bb_backup_call_measure(BbBackupCall *call);

/* bb_backup_call_begin - both, for who makes one. */
extern BbBackupCall bb_backup_call_begin(FunctionCallInfo fcinfo);

/*
 * bb_backup_call_start - bb_backup_new, with layers fetched ahead.
 *
 * That was begun by bb_backup_call_open, but where there are jobs it begins
 * after them: they were asked for, so a process that can be had is theirs.
 */
extern BbBackup *bb_backup_call_start(const BbBackupCall *call,
									  BbBackupForm form, BbSink *last);

/* bb_backup_call_run - make all of it, and end the call. */
extern void bb_backup_call_run(const BbBackupCall *call, BbBackupForm form,
							   BbSink *last);

/* bb_backup_call_argument - the number of an argument; -1: it has none such. */
extern int bb_backup_call_argument(FunctionCallInfo fcinfo, const char *name);

#endif /* BB_BACKUP_CALL_H */
