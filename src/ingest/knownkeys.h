/*-------------------------------------------------------------------------
 *
 * knownkeys.h
 *	  Known keys: the newest small values, which the next record may depend on.
 *
 * Such keys are the sizes of forks and SLRU segments, databases, tablespaces,
 * replication origins and others.  A value is looked up in memory, then in the
 * timeline as of the last flush:
 *
 *	  get ── changed since the flush, or asked for before? ── timeline
 *	  put ── here, and into the open layer
 *
 * Only the first 8 bytes of a value are kept here, except that values of
 * REL_ZEROS are kept whole.  Other long values are written, and known to exist.
 *
 * Known keys belong to the memory context that they were created in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_KNOWNKEYS_H
#define BB_KNOWNKEYS_H

#include "ingest/openlayer.h"
#include "timeline/timeline.h"

typedef struct BbKnownKeys BbKnownKeys;

extern BbKnownKeys *bb_knownkeys_new(BbObjectStore *objects,
									 BbOpenLayer *layer);

/*
 * bb_knownkeys_rebase - from now on, look values up at the end of the timeline
 * of this manifest, which must live until the next call.
 *
 * To be called at the start, and after each flush.  The timeline is opened when
 * the first value is looked up.
 */
extern void bb_knownkeys_rebase(BbKnownKeys *known,
								const BbManifest *manifest);

/*
 * bb_knownkeys_timeline - returns the timeline in which values are looked up,
 * which is valid until the next bb_knownkeys_rebase().
 */
extern BbTimeline *bb_knownkeys_timeline(const BbReqCtx *ctx,
										 BbKnownKeys *known);

extern bool bb_knownkeys_exists(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key);
/*
 * Get the value of a key.  Return false if the key doesn't exist.
 *
 * Errors: DATA_CORRUPTED (the value has another length); those of timeline.h.
 */
extern bool bb_knownkeys_get_u8(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key, uint8 *value);
extern bool bb_knownkeys_get_u32(const BbReqCtx *ctx, BbKnownKeys *known,
								 const BbKey *key, uint32 *value);
extern bool bb_knownkeys_get_u64(const BbReqCtx *ctx, BbKnownKeys *known,
								 const BbKey *key, uint64 *value);

/*
 * bb_knownkeys_get - returns the whole value of a REL_ZEROS key, which is valid
 * until the next call; NULL if the key doesn't exist.
 */
extern const uint8 *bb_knownkeys_get(const BbReqCtx *ctx, BbKnownKeys *known,
									 const BbKey *key, uint32 *length);

/*
 * bb_knownkeys_stored - get the whole value of a key as of the last flush.
 *
 * The value is valid until the timeline is read again.  Returns false if there
 * is none.
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

/* Remove a key at lsn, if it exists. */
extern void bb_knownkeys_remove(const BbReqCtx *ctx, BbKnownKeys *known,
								const BbKey *key, XLogRecPtr lsn);

/* Returns the existing keys (BbKey *, palloc'd) of a range, in no order. */
extern List *bb_knownkeys_list(const BbReqCtx *ctx, BbKnownKeys *known,
							   const BbKeyRange *range);

#endif /* BB_KNOWNKEYS_H */
