/*-------------------------------------------------------------------------
 *
 * tablespacemap.h
 *	  Where the tablespaces of a restored cluster go.
 *
 * A mapping is pg_basebackup's, OLDDIR=NEWDIR, where a "=" in a name is written
 * "\=".  OLDDIR is where the source had the tablespace, or its OID.  A tablespace
 * that isn't mapped is a directory in pg_tblspc.
 *
 * Errors: INVALID_PARAMETER_VALUE, worded as pg_basebackup's;
 * UNDEFINED_OBJECT (no such tablespace; the detail lists what there is).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TABLESPACEMAP_H
#define BB_TABLESPACEMAP_H

#include "files/tree.h"
#include "pagestore/catalog.h"

/*
 * bb_tablespacemap_new - of mappings (char *), those of a cluster at an LSN, as
 * BbMappedTablespace *.
 */
extern List *bb_tablespacemap_new(const BbReqCtx *ctx, BbPageStore *store,
								  XLogRecPtr lsn, List *mappings);

#endif /* BB_TABLESPACEMAP_H */
