/*-------------------------------------------------------------------------
 *
 * relmap.h
 *	  pg_filenode.map: the files of catalogs that pg_class can't know.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_RELMAP_H
#define BB_HEAP_RELMAP_H

#include "pagestore/snapshot.h"

/*
 * bb_relmap_read - read the map of a database, or the global one; palloc'd.
 *
 * REQUIRES: the cluster is of this server's major version.
 *
 * Errors: DATA_CORRUPTED.
 */
extern const uint8 *bb_relmap_read(const BbReqCtx *ctx,
								   const BbSnapshot *snapshot, Oid tablespace,
								   Oid database);

/* bb_relmap_find - return the relfilenode of a catalog; Invalid: not in it. */
extern Oid bb_relmap_find(const uint8 *map, Oid relation);

#endif /* BB_HEAP_RELMAP_H */
