/*-------------------------------------------------------------------------
 *
 * openlayer.h
 *	  The open layer: what was ingested since the last flush, in memory.
 *
 * Entries are added in the order of WAL.  A flush writes them as delta layers,
 * in the order of their keys:
 *
 *	  add, add, add … ── sort by (key, LSN) ── delta layers of one LSN range
 *
 * Values lie in an arena that only grows.  Several entries may share one: a
 * WAL record that changes three pages is stored once.  A flush empties the
 * arena, but its memory is kept.
 *
 * If a key gets several whole values (or is deleted) at one LSN, one after the
 * other, the last one counts.  Before a whole value there may be the record that it
 * comes from.  Other entries of one key have different LSNs.
 *
 * An open layer belongs to the memory context that it was created in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OPENLAYER_H
#define BB_OPENLAYER_H

#include "layer/manifest.h"

typedef struct BbOpenLayer BbOpenLayer;

extern BbOpenLayer *bb_openlayer_new(void);

/*
 * bb_openlayer_reserve - returns room for a value in the arena, MAXALIGNed.
 *
 * The caller fills it and passes it to bb_openlayer_add.
 */
extern uint8 *bb_openlayer_reserve(BbOpenLayer *layer, uint32 length);

/* Copy a value into the arena, for bb_openlayer_add. */
extern const uint8 *bb_openlayer_store(BbOpenLayer *layer, const void *data,
									   uint32 length);

/*
 * bb_openlayer_add - add an entry; "stored" came from bb_openlayer_store.
 *
 * REQUIRES: all entries of one LSN are added one after the other.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (length above BB_VALUE_MAX_SIZE; more than
 * bb_openlayer_limit() said).
 */
extern void bb_openlayer_add(BbOpenLayer *layer, const BbKey *key,
							 XLogRecPtr lsn, BbEntryType type,
							 const uint8 *stored, uint32 length);

/* As bb_openlayer_add, but copies the value. */
extern void bb_openlayer_put(BbOpenLayer *layer, const BbKey *key,
							 XLogRecPtr lsn, BbEntryType type,
							 const void *data, uint32 length);

/* Returns the memory that the open layer takes, in bytes. */
extern size_t bb_openlayer_size(const BbOpenLayer *layer);

/*
 * bb_openlayer_limit - from now on, refuse an entry that makes the layer take
 * more than "bytes" of memory, as bb_openlayer_size() counts it.
 *
 * The layer may take some kilobytes more.
 *
 * A flush can't happen before a record's last entry, so this limits the memory
 * of a record that changes more than a record should.
 */
extern void bb_openlayer_limit(BbOpenLayer *layer, size_t bytes);

/* Remove the entries above lsn, which are the last ones. */
extern void bb_openlayer_cut(BbOpenLayer *layer, XLogRecPtr lsn);

/*
 * bb_openlayer_flush - write all entries into delta layers of [lsn_start,
 * lsn_end), cut at bbackup.layer_size, and forget them.
 *
 * Returns BbLayerDescs, allocated in CurrentMemoryContext.  Adds the number of
 * different pages among the keys to *pages.
 */
extern List *bb_openlayer_flush(const BbReqCtx *ctx, BbOpenLayer *layer,
								BbObjectStore *objects, const char *timeline,
								XLogRecPtr lsn_start, XLogRecPtr lsn_end,
								uint64 *pages);

#endif /* BB_OPENLAYER_H */
