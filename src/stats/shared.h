/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  Where statistics are: in shared memory, or in this session's memory.
 *
 * A library that is preloaded (shared_preload_libraries) gets shared memory
 * when the server starts, and each session sees the statistics of all.
 * Otherwise each session has statistics of itself only, in the same
 * structures.
 *
 * calls.c, layerstats.c and jobs.c each have a part of the memory.  One lock
 * protects all: it is taken when a call begins or ends, when a layer is opened, and
 * when statistics are read, but not once a page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SHARED_H
#define BB_SHARED_H

#include "storage/lwlock.h"

/*
 * bb_stats_init - begin to keep statistics.
 *
 * Called once, when the library is loaded, since a preloaded library can
 * request shared memory only then.
 */
extern void bb_stats_init(void);

/* Are the statistics in shared memory? */
extern bool bb_stats_shared(void);

/* Lock the memory if it is shared. */
extern void bb_stats_lock(LWLockMode mode);
extern void bb_stats_unlock(void);

/* Forget everything except running calls, and when layers were used. */
extern void bb_stats_reset(void);

#endif /* BB_SHARED_H */
