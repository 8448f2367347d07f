/*-------------------------------------------------------------------------
 *
 * layerstats.h
 *	  How layers are used: when, by what kind of work, how often fetched.
 *
 * A layer is accessed when it is opened, not once a page; and only by a call
 * whose context doesn't say that it doesn't count (bb_reqctx_uncounted_root).
 * Eviction goes by the last access, as the cache's files have it.
 *
 * Of so many layers as there is room for (16384 in shared memory, 1024 in a
 * session's own) those used last are known.  One that is not known has not
 * been used for longer than one that is, as far as the same few places go
 * that both could be at.
 *
 * Shared or not, and the lock: shared.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERSTATS_H
#define BB_LAYERSTATS_H

#include "base/reqctx.h"

typedef struct BbLayerStats
{
	uint64		file_id;		/* BbLayerDesc's */
	TimestampTz resident_since; /* when it was downloaded; 0: it wasn't */
	TimestampTz first_access;	/* 0: never */
	TimestampTz last_access;
	uint64		accesses[BB_TASK_KIND_COUNT];
	uint64		downloads;
	uint64		evictions;
} BbLayerStats;

/* The layer is opened for ctx. */
extern void bb_layerstats_access(const BbReqCtx *ctx, uint64 file_id);

/* It came into the cache; it was removed from there. */
extern void bb_layerstats_downloaded(uint64 file_id);
extern void bb_layerstats_evicted(uint64 file_id);

/* What is known of a layer; all zeros but for file_id, if that's nothing. */
extern BbLayerStats bb_layerstats_of(uint64 file_id);

#endif /* BB_LAYERSTATS_H */
