/*-------------------------------------------------------------------------
 *
 * shared_internal.h
 *	  The memory of statistics, as its parts see it.
 *
 *	  stats.c ──► shared.c ──► size, init, attach of each part
 *	     └──► calls.c, layerstats.c, jobs.c ──► lock, unlock, need of shared.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SHARED_INTERNAL_H
#define BB_SHARED_INTERNAL_H

#include "stats/shared.h"

/* A part of the memory. */
typedef struct BbStatsPart
{
	/* the bytes that it needs with the current settings and MaxBackends */
	Size		(*size) (bool shared);
	/* initialize the memory; attach follows */
	void		(*init) (void *memory, bool shared);
	/* use initialized memory */
	void		(*attach) (void *memory);
} BbStatsPart;

extern const BbStatsPart bb_calls_part;
extern const BbStatsPart bb_layerstats_part;
extern const BbStatsPart bb_jobs_part;

/*
 * bb_stats_set_parts - request shared memory if the library is preloaded.
 * "parts" is not copied.
 */
extern void bb_stats_set_parts(const BbStatsPart *const *parts, int nparts);

/*
 * bb_stats_need - make sure that there is memory: in a session without shared
 * memory, the first call allocates it.
 */
extern void bb_stats_need(void);

/* REQUIRES, all: the lock, exclusive. */
extern void bb_calls_reset(void);
extern void bb_layerstats_reset(void);
extern void bb_jobs_reset(void);

/* Begin to observe request contexts. */
extern void bb_calls_observe(void);

#endif /* BB_SHARED_INTERNAL_H */
