/*-------------------------------------------------------------------------
 *
 * shared_internal.h
 *	  The parts of the statistics' memory, for shared.c.
 *
 * "size" gives the bytes of a part as settings and MaxBackends are now;
 * "init" makes an empty one of so much memory; "attach" uses one that is
 * there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SHARED_INTERNAL_H
#define BB_SHARED_INTERNAL_H

#include "stats/shared.h"

/*
 * bb_stats_need - have some memory: in a session without shared memory, its
 * own is made by the first call of this.
 */
extern void bb_stats_need(void);

extern Size bb_calls_size(bool shared);
extern void bb_calls_init(void *memory, bool shared);
extern void bb_calls_attach(void *memory);
/* REQUIRES, of both resets: the lock, exclusive. */
extern void bb_calls_reset(void);
extern Size bb_layerstats_size(bool shared);
extern void bb_layerstats_init(void *memory, bool shared);
extern void bb_layerstats_attach(void *memory);
extern void bb_layerstats_reset(void);

/* Begin to observe request contexts. */
extern void bb_calls_observe(void);

#endif /* BB_SHARED_INTERNAL_H */
