/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  Where statistics are: in shared memory, or in this session's.
 *
 * A library that is preloaded (shared_preload_libraries) gets shared memory
 * when the server starts, and all sessions see what all do.  Otherwise each
 * session keeps its own account of itself alone, in the same structures.
 *
 * calls.c and layerstats.c each have a part of it, and one lock serves both:
 * it is taken when a call begins or ends, when a layer is opened, and by who
 * looks, never for a page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SHARED_H
#define BB_SHARED_H

#include "storage/lwlock.h"

/*
 * bb_stats_init - begin to keep statistics.
 *
 * Called once, when the library is loaded; in time to ask for shared memory,
 * if it is preloaded.
 */
extern void bb_stats_init(void);

/* Is it shared memory? */
extern bool bb_stats_shared(void);

/* What is shared takes the lock, what is the session's own doesn't. */
extern void bb_stats_lock(LWLockMode mode);
extern void bb_stats_unlock(void);

/* All is forgotten but the calls that run, and when layers were used. */
extern void bb_stats_reset(void);

#endif /* BB_SHARED_H */
