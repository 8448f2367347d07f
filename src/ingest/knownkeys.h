/*-------------------------------------------------------------------------
 *
 * knownkeys.h
 *	  What exists while WAL is ingested: small values by key, newest first.
 *
 * Sizes of forks and SLRU segments, databases, tablespaces, replication
 * origins, …: keys whose newest value the next record may depend on.  A value
 * is looked for in memory, then in the timeline as of its last flush:
 *
 *	  get ── changed since the flush, or asked for before? ── timeline
 *	  put ── here, and into the open layer
 *
 * Only the first 8 bytes of a value are kept here, but of REL_ZEROS all; other
 * long ones are written, and known to exist.
 *
 * It belongs to the memory context that it was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_KNOWNKEYS_H
#define BB_KNOWNKEYS_H

#include "ingest/openlayer.h"
#include "timeline/timeline.h"

typedef struct BbKnownKeys BbKnownKeys;

extern BbKnownKeys *bb_knownkeys_new(BbOpenLayer *layer);

/*
 * bb_knownkeys_rebase - the timeline was flushed (or opened): look at this
 * one from now on, at lsn.
 */
extern void bb_knownkeys_rebase(BbKnownKeys *known, BbTimeline *timeline,
								XLogRecPtr lsn);

extern bool bb_knownkeys_exists(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key);
/*
 * The value of a key.	False: it doesn't exist.
 *
 * Errors: DATA_CORRUPTED when it has another length; those of timeline.h.
 */
extern bool bb_knownkeys_get_u8(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key, uint8 *value);
extern bool bb_knownkeys_get_u32(const BbReqCtx *ctx, BbKnownKeys *known,
								 const BbKey *key, uint32 *value);
extern bool bb_knownkeys_get_u64(const BbReqCtx *ctx, BbKnownKeys *known,
								 const BbKey *key, uint64 *value);

/*
 * The whole value of a REL_ZEROS key, valid until the next call; NULL: it
 * doesn't exist.
 */
extern const uint8 *bb_knownkeys_get(const BbReqCtx *ctx, BbKnownKeys *known,
									 const BbKey *key, uint32 *length);

/*
 * bb_knownkeys_stored - the whole value that the timeline has of a key as of
 * its last flush, valid until the next read of it.  False: it has none.
 */
extern bool bb_knownkeys_stored(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key, BbEntry *entry);

/* Give a key a value at lsn. */
extern void bb_knownkeys_put(BbKnownKeys *known, const BbKey *key,
							 XLogRecPtr lsn, const void *value, uint32 length);
extern void bb_knownkeys_put_u32(BbKnownKeys *known, const BbKey *key,
								 XLogRecPtr lsn, uint32 value);
extern void bb_knownkeys_put_u64(BbKnownKeys *known, const BbKey *key,
								 XLogRecPtr lsn, uint64 value);

/* From lsn on a key doesn't exist; none that doesn't is an error. */
extern void bb_knownkeys_remove(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key, XLogRecPtr lsn);

/* The keys (BbKey *, palloc'd) that exist in a range, in no order. */
extern List *bb_knownkeys_list(const BbReqCtx *ctx, BbKnownKeys *known,
							   const BbKeyRange *range);

#endif /* BB_KNOWNKEYS_H */
