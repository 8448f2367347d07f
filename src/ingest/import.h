/*-------------------------------------------------------------------------
 *
 * import.h
 *	  A data directory into a new timeline of a page store.
 *
 * The directory is that of a cluster that was shut down cleanly.  Everything
 * in it is stored as of one LSN, the end of its shutdown checkpoint record:
 *
 *	  pg_control, PG_VERSION ──► may it be imported?	  (datadir.h)
 *	  pg_wal/… ──► where does the last record end?		  (walend.h)
 *	  directories ──► what is there, in key order		  (inventory.h)
 *	  files ──► checked pages ──► layers				  (import.c)
 *	  manifest ──► the timeline exists
 *
 * Nothing is visible before the manifest is there; an import that fails or
 * is cancelled removes the layers that it wrote, and one that was killed
 * leaves leftovers that the next import of that name sweeps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORT_H
#define BB_IMPORT_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "objstore/objstore.h"

typedef struct BbImportResult
{
	XLogRecPtr	lsn;
	uint64		databases;
	uint64		relations;
	uint64		pages;		  /* relation blocks */
	uint64		bytes_read;	  /* of files in the directory */
	uint64		bytes_stored; /* of layers */
} BbImportResult;

/*
 * bb_import_directory - store the cluster in "path" as "timeline".
 *
 * Errors: INVALID_PARAMETER_VALUE (not a data directory, not absolute);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (running, not cleanly shut down, changed
 * meanwhile, another major version or block size); DUPLICATE_OBJECT (the
 * timeline exists); OBJECT_IN_USE (somebody is writing it); DATA_CORRUPTED
 * (a page: file and block; a file: its name); UNDEFINED_FILE (a WAL segment).
 */
extern BbImportResult bb_import_directory(const BbReqCtx *ctx,
										  BbObjectStore *store,
										  const char *timeline,
										  const char *path);

#endif /* BB_IMPORT_H */
