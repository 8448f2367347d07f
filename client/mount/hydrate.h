/*-------------------------------------------------------------------------
 *
 * hydrate.h
 *	  Threads that make all base files of a mount local, in the background.
 *
 * What a server needs for every login comes first: SLRUs, shared relations, catalogs.
 * When all is local, the overlay becomes a data directory (bb_overlay_finish).
 * What cannot be read is tried again later.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_HYDRATE_H
#define BB_MOUNT_HYDRATE_H

#include <signal.h>

#include "node.h"

typedef struct BbHydration BbHydration;

/* Lets a mount that doesn't hydrate begin to. */
#define BB_HYDRATE_SIGNAL SIGUSR1

/* bb_hydrate_start - start that many threads, which begin "now" or at the signal. */
extern BbHydration *bb_hydrate_start(BbTree *tree, int threads, bool now);

/* bb_hydrate_end - stop them after the file that each reads, and wait for that. */
extern void bb_hydrate_end(BbHydration *hydration);

#endif /* BB_MOUNT_HYDRATE_H */
