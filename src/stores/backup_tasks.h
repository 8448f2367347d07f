/*-------------------------------------------------------------------------
 *
 * backup_tasks.h
 *	  The tasks of a backup's background workers.
 *
 * A worker opens the page store as the user of the backup, and so has the same
 * permissions as the backup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUP_TASKS_H
#define BB_BACKUP_TASKS_H

#include "backup/ahead.h"
#include "backup/parallel.h"

/* The task BB_AHEAD_TASK: fetch layers.  The payload is a BbAheadTask. */
extern void bb_ahead_task(const void *payload, size_t length);

/* The task BB_PAGES_TASK: make pages.  The payload is a BbBackupTask. */
extern void bb_pages_task(const void *payload, size_t length);

#endif /* BB_BACKUP_TASKS_H */
