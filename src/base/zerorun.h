/*-------------------------------------------------------------------------
 *
 * zerorun.h
 *	  The value of a REL_ZEROS key: which blocks of a fork come as zeros.
 *
 * Ingest writes it, readers decode it; see pagestore/zeroruns.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ZERORUN_H
#define BB_ZERORUN_H

#include "base/codec.h"
#include "storage/block.h"

/*
 * A fork has at most so many.  A hash index gets one for each phase of a split
 * of 1024 pages or more, which are 90 at most; other files have a few.
 */
#define BB_ZERO_RUNS_MAX 256

/* A run is two u32: its first block, and the one behind its last. */
#define BB_ZERO_RUN_BYTES 8

/*
 * bb_zero_runs_decode - the bounds, two for each run, in rising order.
 *
 * "bounds" has room for 2 * BB_ZERO_RUNS_MAX.  False: the value is invalid.
 */
static inline bool
bb_zero_runs_decode(const uint8 *data, uint32 length, BlockNumber *bounds,
					int *nruns)
{
	uint64		last = 0;
	uint32		n = length / sizeof(uint32);

	if (length == 0 || length % BB_ZERO_RUN_BYTES != 0 ||
		length > BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES)
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		bounds[i] = bb_get_le32(data + i * sizeof(uint32));
		if (i > 0 && bounds[i] <= last)
			return false;
		last = bounds[i];
	}
	*nruns = (int) (n / 2);
	return true;
}

#endif /* BB_ZERORUN_H */
