/*-------------------------------------------------------------------------
 *
 * backup_call.h
 *	  What the server says of a backup before it is made.
 *
 * A role needs EXECUTE on the function that makes the backup.  A time or a
 * target, progress, verbose output and tablespace mappings call further
 * functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_BACKUP_CALL_H
#define BB_CLIENT_BACKUP_CALL_H

#include "backup_options.h"
#include "server.h"

/* bb_call_place - add the arguments of all functions that read a timeline. */
extern void bb_call_place(BbCall *call, const BbBackupOptions *options);

/*
 * bb_call_content - add the arguments of all functions that list or make a
 * backup.
 */
extern void bb_call_content(BbCall *call, const BbBackupOptions *options);

/*
 * bb_server_find_lsn - set options->lsn to the LSN of the backup, if an option
 * has a time, if there are mappings, or if it is needed.
 */
extern void bb_server_find_lsn(BbServer *server, BbBackupOptions *options,
							   bool needed);

/*
 * bb_server_find_tablespaces - set the directories of tablespaces in the
 * mappings, and return the number of tablespaces.
 */
extern int bb_server_find_tablespaces(BbServer *server,
									  BbBackupOptions *options);

/*
 * bb_server_find_size - return the bytes of the backup before compression, if
 * it has "archives" archives.
 */
extern uint64 bb_server_find_size(BbServer *server,
								  const BbBackupOptions *options,
								  int archives);

#endif /* BB_CLIENT_BACKUP_CALL_H */
