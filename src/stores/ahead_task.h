/*-------------------------------------------------------------------------
 *
 * ahead_task.h
 *	  What the background worker does that fetches ahead of a backup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_AHEAD_TASK_H
#define BB_AHEAD_TASK_H

#include "backup/ahead.h"

extern void bb_ahead_task(const void *payload, size_t length);

#endif /* BB_AHEAD_TASK_H */
