/*-------------------------------------------------------------------------
 *
 * pages_task.h
 *	  What a background worker of a backup does: see backup/parallel.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PAGES_TASK_H
#define BB_PAGES_TASK_H

#include "backup/parallel.h"

/* The task BB_PAGES_TASK; its payload is a BbBackupTask. */
extern void bb_pages_task(const void *payload, size_t length);

#endif /* BB_PAGES_TASK_H */
