/*-------------------------------------------------------------------------
 *
 * store_probe.h
 *	  Trying a page store: can it be written, how much room has it?
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_PROBE_H
#define BB_STORE_PROBE_H

#include "objstore/objstore.h"

/* The object that a probe writes; it belongs to no timeline. */
#define BB_STORE_PROBE_DIRECTORY "probe"
#define BB_STORE_PROBE_OBJECT BB_STORE_PROBE_DIRECTORY "/object"

/*
 * bb_store_probe - write a small object, read it, and remove it.
 *
 * Returns false if another session does so at the moment.  What a probe that was
 * killed has left is replaced.  A local store whose directory doesn't exist is
 * created.
 *
 * Errors: those of the object store; DATA_CORRUPTED (what is read isn't what
 * was written).
 */
extern bool bb_store_probe(const BbReqCtx *ctx, BbObjectStore *objects);

/* The file system of a local store. */
typedef struct BbStoreRoom
{
	uint64		total; /* bytes */
	uint64		free;  /* bytes that the server's user may still write */
} BbStoreRoom;

/*
 * bb_store_room - look at the file system of a local store.
 *
 * Returns false for a store elsewhere, and if the directory doesn't exist.
 */
extern bool bb_store_room(const BbObjectStore *objects, BbStoreRoom *room);

/*
 * bb_store_note_growth - note how large the store and its file system are, if it
 * is time to (upkeep/growth.h).
 *
 * REQUIRES: the store has timelines.
 *
 * Errors: those of the object store, of a listing.
 */
extern void bb_store_note_growth(const BbReqCtx *ctx, BbObjectStore *objects);

#endif /* BB_STORE_PROBE_H */
