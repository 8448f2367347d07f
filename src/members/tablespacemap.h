/*-------------------------------------------------------------------------
 *
 * tablespacemap.h
 *	  Where the tablespaces of a restored cluster go.
 *
 * A mapping is pg_basebackup's, OLDDIR=NEWDIR, where a "=" in a name is written
 * "\=".  OLDDIR is the tablespace's directory in the source, or its OID.  A
 * tablespace that isn't mapped is a directory in pg_tblspc.
 *
 * Errors: INVALID_PARAMETER_VALUE, worded as pg_basebackup's;
 * UNDEFINED_OBJECT (no such tablespace; the detail lists all of them).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TABLESPACEMAP_H
#define BB_TABLESPACEMAP_H

#include "files/tree.h"
#include "pagestore/catalog.h"

/*
 * bb_tablespacemap_new - apply mappings (char *) to a cluster's tablespaces
 * (BbTablespace *); returns the mapped ones (BbMappedTablespace *).
 */
extern List *bb_tablespacemap_new(const List *tablespaces,
								  const List *mappings);

#endif /* BB_TABLESPACEMAP_H */
