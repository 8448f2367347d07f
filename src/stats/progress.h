/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  Progress of backups, imports, ingests and upkeep:
 *	  pg_stat_progress_basebackup, bb_stat_progress_import,
 *	  bb_stat_progress_ingest and bb_stat_progress_upkeep.
 *
 * The server keeps a progress array for each backend, and shows it in a view for
 * each command type (utils/activity/backend_progress.c).  A backup uses the
 * command type and view of the server's base backups.  The others have command
 * types that no view of the server shows; bb_progress_fetch_… reads them
 * from the backends' status.  So progress needs neither shared memory nor
 * preloading.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PROGRESS_H
#define BB_PROGRESS_H

#include "access/xlogdefs.h"
#include "funcapi.h"

typedef enum BbImportPhase
{
	BB_IMPORT_CHECKING = 1, /* control file, WAL, list of files */
	BB_IMPORT_READING = 2,	/* files into layers */
	BB_IMPORT_COMMITTING = 3,
	BB_IMPORT_STARTING = 4, /* the source makes a checkpoint */
	BB_IMPORT_RECEIVING = 5 /* a base backup of a server; its large files into
							 * layers, the others into a temporary file */
} BbImportPhase;

extern void bb_progress_import_start(void);
extern void bb_progress_import_phase(BbImportPhase phase);
extern void bb_progress_import_total(uint64 bytes, uint64 files);
extern void bb_progress_import_done(uint64 bytes, uint64 files);
typedef enum BbIngestPhase
{
	BB_INGEST_OPENING = 1, /* timeline, WAL directory */
	BB_INGEST_READING = 2, /* records into memory */
	BB_INGEST_FLUSHING = 3 /* memory into layers */
} BbIngestPhase;

extern void bb_progress_ingest_start(void);
extern void bb_progress_ingest_phase(BbIngestPhase phase);
/* "limit" is the end of the available WAL. */
extern void bb_progress_ingest_total(XLogRecPtr start, XLogRecPtr limit);
extern void bb_progress_ingest_done(XLogRecPtr lsn, uint64 records);

/* "kind" is a BbUpkeepKind; "bytes_total": about what it has to read. */
extern void bb_progress_upkeep_start(int kind, uint64 bytes_total);
extern void bb_progress_upkeep_done(uint64 bytes_read, uint64 bytes_written);

/* Ends them; the server does the same when the transaction aborts. */
extern void bb_progress_end(void);

/* A copy of the progress of one import, ingest or job of upkeep. */
typedef struct BbProgress
{
	int			pid;
	Oid			database;
	Oid			user;
	const char *phase; /* of upkeep: the kind of the job */
	/* import: bytes total and done, files total and done; ingest: start, limit
	 * and current LSN, records; upkeep: bytes total, read and written */
	int64		values[4];
} BbProgress;

/* Return BbProgress, palloc'd, of all backends that do so. */
extern List *bb_progress_fetch_imports(void);
extern List *bb_progress_fetch_ingests(void);
/* "kinds" are the names of the kinds of jobs, from 0. */
extern List *bb_progress_fetch_upkeep(const char *const *kinds, int nkinds);

/*
 * A running backup.
 *
 * A backend has one progress array.  It may be occupied by the command that
 * contains the backup, such as COPY (pg_stat_progress_copy), or by another
 * backup whose stream waits for its consumer: then a backup reports nothing
 * until the array is free.
 */
typedef struct BbBackupProgress BbBackupProgress;

/*
 * bb_progress_backup_new - report that a backup begins to estimate its size.
 *
 * The report ends with CurrentMemoryContext at the latest.
 */
extern BbBackupProgress *bb_progress_backup_new(void);
/*
 * The backup begins to stream; bytes_total 0: unknown.  As in the server's
 * backups, everything outside the tablespaces' archives counts as a tablespace.
 */
extern void bb_progress_backup_stream(BbBackupProgress *progress,
									  uint64 bytes_total,
									  uint32 tablespaces_total);
/* The bytes and the complete tablespaces written so far. */
extern void bb_progress_backup_done(BbBackupProgress *progress, uint64 bytes,
									uint32 tablespaces);
extern void bb_progress_backup_end(BbBackupProgress *progress);

#endif /* BB_PROGRESS_H */
