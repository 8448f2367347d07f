/*-------------------------------------------------------------------------
 *
 * growth.h
 *	  How large a page store was: what tells when its disk will be full.
 *
 * A note of the store (layer/note.h), "growth", has a sample for each six hours
 * of the last weeks, added by whoever takes care of the store.  The size of a
 * file system tells more than that of the layers: others may write there, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_GROWTH_H
#define BB_GROWTH_H

#include "datatype/timestamp.h"
#include "objstore/objstore.h"

/* The object, beside "timelines". */
#define BB_GROWTH_OBJECT "growth"

#define BB_GROWTH_INTERVAL_S (6 * 3600)
/* So many samples are kept: 60 days of them. */
#define BB_GROWTH_SAMPLES 240

typedef struct BbGrowthSample
{
	TimestampTz at;
	uint64		bytes;		 /* of the layers of all timelines */
	uint64		bytes_total; /* of the file system; 0: not known */
	uint64		bytes_free;
} BbGrowthSample;

typedef struct BbGrowth
{
	int			n;
	BbGrowthSample samples[BB_GROWTH_SAMPLES]; /* oldest first */
} BbGrowth;

/*
 * bb_growth_read - read the samples, into CurrentMemoryContext; none if there is
 * no note that can be read.
 */
extern const BbGrowth *bb_growth_read(const BbReqCtx *ctx,
									  BbObjectStore *objects);

/* bb_growth_is_due - was the last sample taken long enough ago? */
extern bool bb_growth_is_due(const BbGrowth *growth, TimestampTz now);

/*
 * bb_growth_note - add a sample, if it is due; bytes_total 0: not known.
 *
 * A store that can't be written goes without; the server's log has it at DEBUG1.
 */
extern void bb_growth_note(const BbReqCtx *ctx, BbObjectStore *objects,
						   uint64 bytes_total, uint64 bytes_free);

#endif /* BB_GROWTH_H */
