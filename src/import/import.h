/*-------------------------------------------------------------------------
 *
 * import.h
 *	  Import of a data directory as a new timeline of a page store.
 *
 * The directory is that of a cluster that was shut down cleanly, or a base
 * backup with its backup_label.  Everything in it is stored at one LSN: the
 * end of the shutdown checkpoint record, or the start of the backup's WAL.
 *
 *	  pg_control, backup_label ──► may it be imported?	  (datadir.h)
 *	  WAL ──► the checkpoint to start from				 (import.c)
 *	  directories ──► what they hold, in key order		  (inventory.h)
 *	  files ──► checked pages ──► layers			 (import_values.c, pagecheck.c)
 *	  manifest ──► the timeline exists
 *	  WAL of a base backup ──► it is consistent	  (bb_ingest_backup)
 *
 * A page of a base backup may be newer than the start of its WAL; redo compares
 * LSNs as recovery does.  A torn page isn't stored, and WAL must have a
 * full-page image of it.
 *
 * The timeline can't be read before all that is done.  An import that fails or
 * is canceled removes what it wrote; the next import under the same name
 * removes what a killed one left.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORT_H
#define BB_IMPORT_H

#include "access/xlogdefs.h"
#include "archive/fetch.h"
#include "base/reqctx.h"
#include "objstore/objstore.h"

typedef struct BbImportResult
{
	XLogRecPtr	lsn; /* the first readable LSN */
	uint64		databases;
	uint64		relations;
	uint64		pages;		  /* relation blocks */
	uint64		bytes_read;	  /* of files in the directory */
	uint64		bytes_stored; /* of layers */
} BbImportResult;

/*
 * bb_import_directory - store the cluster in the directory "path" as "timeline".
 *
 * Its WAL is read from wal_directory, in the form of bb_archive_files; NULL means
 * its pg_wal.  The fetcher, which may be NULL, fetches the rest.
 *
 * Errors: INVALID_PARAMETER_VALUE (not a data directory, not absolute);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (a server runs in it, it was not shut down
 * cleanly, it changed during the import, its major version or build differs);
 * DUPLICATE_OBJECT (the timeline exists); OBJECT_IN_USE (another process writes
 * the timeline); DATA_CORRUPTED (naming a file and block, or a file);
 * UNDEFINED_FILE (a WAL segment).
 */
extern BbImportResult bb_import_directory(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	const char *path, const char *wal_directory, BbFetcher *fetcher);

#endif /* BB_IMPORT_H */
