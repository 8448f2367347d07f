/*-------------------------------------------------------------------------
 *
 * backup_arguments.h
 *	  The SQL arguments of all functions that make, or describe, a backup.
 *
 * Arguments are found by name, so a function may have others between them, in
 * any order.  An option that is not an argument of the function has its
 * default:
 *
 *	  lsn, full_backup, store, timeline, prev_lsn, new_tli, settings,
 *	  tablespaces, label, compression, manifest, manifest_checksums, max_rate,
 *	  progress, jobs, only_databases
 *
 * Errors: NULL_VALUE_NOT_ALLOWED (with the argument's name); those of
 * options.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUP_ARGUMENTS_H
#define BB_BACKUP_ARGUMENTS_H

#include "fmgr.h"
#include "stores/backup_call.h"

/* bb_arg_backup - return the backup that the arguments ask for. */
extern BbBackupRequest bb_arg_backup(FunctionCallInfo fcinfo);

/* bb_arg_number - return the number of an argument that the function has. */
extern int bb_arg_number(FunctionCallInfo fcinfo, const char *name);

/*
 * bb_backup_call_of - begin a call of the running function, and the backup
 * that its arguments ask for.
 *
 * Errors: those of backup_call.h, too.
 */
extern BbBackupCall bb_backup_call_of(FunctionCallInfo fcinfo);

#endif /* BB_BACKUP_ARGUMENTS_H */
