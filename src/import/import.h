/*-------------------------------------------------------------------------
 *
 * import.h
 *	  A data directory into a new timeline of a page store.
 *
 * The directory is that of a cluster that was shut down cleanly, or a base
 * backup with its backup_label.  Everything in it is stored as of one LSN: the
 * end of the shutdown checkpoint record, or where the backup's WAL begins.
 *
 *	  pg_control, backup_label ──► may it be imported?	  (datadir.h)
 *	  WAL ──► the checkpoint to go by			  (checkpointrecord.h)
 *	  directories ──► what is there, in key order		  (inventory.h)
 *	  files ──► checked pages ──► layers			 (import_values.c)
 *	  manifest ──► the timeline exists
 *	  a base backup: WAL ──► it is consistent	  (bb_ingest_backup)
 *
 * A page of a base backup may be newer than where its WAL begins: redo looks
 * at its LSN as recovery does.  It may be torn: then it isn't stored, and has
 * to come as a full-page image.
 *
 * Nothing can be read before all that is done; an import that fails or is
 * cancelled removes what it wrote, and what one that was killed leaves is
 * removed by the next import of that name.
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
	XLogRecPtr	lsn; /* the first that can be read */
	uint64		databases;
	uint64		relations;
	uint64		pages;		  /* relation blocks */
	uint64		bytes_read;	  /* of files in the directory */
	uint64		bytes_stored; /* of layers */
} BbImportResult;

/*
 * bb_import_directory - store the cluster in "path" as "timeline".
 *
 * Its WAL is in wal_directory; NULL: in its own pg_wal.
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
										  const char *path,
										  const char *wal_directory);

#endif /* BB_IMPORT_H */
