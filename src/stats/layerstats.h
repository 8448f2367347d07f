/*-------------------------------------------------------------------------
 *
 * layerstats.h
 *	  Use of layers: when, by which kind of work, how often downloaded.
 *
 * An access is counted when a layer is opened, not once a page, and not for
 * contexts of bb_reqctx_uncounted_root.  Eviction uses the last access as
 * recorded by the cache's files.
 *
 * The most recently used layers are known: 16384 in shared memory, 1024 in a
 * session's memory.  That is decided within a set of eight places: a layer that
 * is not known was last used before the known layers of the same set.
 *
 * See shared.h for the memory and the lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERSTATS_H
#define BB_LAYERSTATS_H

#include "base/reqctx.h"

typedef struct BbLayerStats
{
	uint64		file_id;		/* of BbLayerDesc */
	TimestampTz resident_since; /* when it was downloaded; 0: not resident */
	TimestampTz first_access;	/* 0: never */
	TimestampTz last_access;
	uint64		accesses[BB_TASK_KIND_COUNT];
	uint64		downloads;
	uint64		evictions;
} BbLayerStats;

/* A layer is opened for ctx. */
extern void bb_layerstats_access(const BbReqCtx *ctx, uint64 file_id);

/* A layer was added to the cache, or removed from it. */
extern void bb_layerstats_downloaded(uint64 file_id);
extern void bb_layerstats_evicted(uint64 file_id);

/* Returns the statistics of a layer; all zeros except file_id if unknown. */
extern BbLayerStats bb_layerstats_of(uint64 file_id);

#endif /* BB_LAYERSTATS_H */
