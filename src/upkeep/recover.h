/*-------------------------------------------------------------------------
 *
 * recover.h
 *	  A store in object storage as it was at an earlier time.
 *
 * A bucket with versions keeps what was deleted or overwritten.  Whoever has the
 * keys of a store can delete its objects or write others in their place, but with
 * a retention can't remove their versions:
 *
 *						  at				 now
 *	  manifest	 v1 ─ v2 ─ | ─ v3 ─ garbage		put back v2
 *	  layer A	 v1 ────── | ─ deleted			put back v1
 *	  layer B	 v1 ────── |					stays
 *	  layer C			   | v1					stays: no manifest names it
 *
 * At each time, the objects that are there are a store: layers are durable before
 * a manifest names them, and removed after no manifest does.  So are the versions
 * that were the present ones at that time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_RECOVER_H
#define BB_UPKEEP_RECOVER_H

#include "objstore/objstore.h"

typedef struct BbRecovered
{
	const BbObjectVersion *version; /* that is put back */
	bool		was_deleted;		/* false: overwritten */
} BbRecovered;

/*
 * bb_recover_rows - put back what was deleted or overwritten after "at" (time_t),
 * and return it (BbRecovered *); with "dry_run", only return it.
 *
 * Layers come first, and manifests last: after an error, call it again.
 *
 * Errors: FEATURE_NOT_SUPPORTED (a local store); OBJECT_IN_USE (a timeline is
 * being written); UNDEFINED_OBJECT (there was nothing at that time).
 */
extern List *bb_recover_rows(const BbReqCtx *ctx, BbObjectStore *objects,
							 int64 at, bool dry_run);

#endif /* BB_UPKEEP_RECOVER_H */
