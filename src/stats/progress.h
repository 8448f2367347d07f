/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far a backup, import or ingest is: pg_stat_progress_basebackup and
 *	  the views bb_stat_progress_import and bb_stat_progress_ingest.
 *
 * The server keeps a progress array for each backend, and shows it in views
 * by command type (utils/activity/backend_progress.c).  A backup reports as
 * the server's own do, to their view.  Imports and ingests have types that no
 * view of the server knows; bb_progress_…_fetch finds them again in the
 * backends' status.  So progress needs no shared memory and nothing
 * preloaded.
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
	BB_IMPORT_COMMITTING = 3
} BbImportPhase;

extern void bb_progress_import_start(void);
extern void bb_progress_import_phase(BbImportPhase phase);
extern void bb_progress_import_total(uint64 bytes, uint64 files);
extern void bb_progress_import_done(uint64 bytes, uint64 files);
/* Also done by the server when the transaction aborts. */
extern void bb_progress_import_end(void);

/* One backend's import, as it was when looked at. */
typedef struct BbImportProgress
{
	int			pid;
	Oid			database;
	Oid			user;
	BbImportPhase phase;
	uint64		bytes_total;
	uint64		bytes_done;
	uint64		files_total;
	uint64		files_done;
} BbImportProgress;

/* BbImportProgress of all backends that import, palloc'd. */
extern List *bb_progress_import_fetch(void);

extern const char *bb_progress_import_phase_name(BbImportPhase phase);

typedef enum BbIngestPhase
{
	BB_INGEST_OPENING = 1, /* timeline, WAL directory */
	BB_INGEST_READING = 2, /* records into memory */
	BB_INGEST_FLUSHING = 3 /* memory into layers */
} BbIngestPhase;

extern void bb_progress_ingest_start(void);
extern void bb_progress_ingest_phase(BbIngestPhase phase);
/* From where to where: "limit" is the end of the WAL that is to be had. */
extern void bb_progress_ingest_total(XLogRecPtr start, XLogRecPtr limit);
extern void bb_progress_ingest_done(XLogRecPtr lsn, uint64 records);
extern void bb_progress_ingest_end(void);

typedef struct BbIngestProgress
{
	int			pid;
	Oid			database;
	Oid			user;
	BbIngestPhase phase;
	XLogRecPtr	start_lsn;
	XLogRecPtr	limit_lsn;
	XLogRecPtr	current_lsn;
	uint64		records;
} BbIngestProgress;

/* BbIngestProgress of all backends that ingest, palloc'd. */
extern List *bb_progress_ingest_fetch(void);

extern const char *bb_progress_ingest_phase_name(BbIngestPhase phase);

/*
 * A backup under way.
 *
 * A backend has one progress array, and a backup may be a part of a command
 * that reports there already, as COPY does (pg_stat_progress_copy), or a
 * stream that waits for its consumer while another begins: then it reports
 * nothing until the array is free.
 */
typedef struct BbBackupProgress BbBackupProgress;

/*
 * bb_progress_backup_new - a backup begins to find out its size.
 *
 * It ends with CurrentMemoryContext at the latest.
 */
extern BbBackupProgress *bb_progress_backup_new(void);
/*
 * It is under way; bytes_total 0: not known.  As of the server's own backups,
 * all that isn't in the archive of a tablespace is one tablespace more.
 */
extern void bb_progress_backup_stream(BbBackupProgress *progress,
									  uint64 bytes_total,
									  uint32 tablespaces_total);
/* So many bytes, and all of so many tablespaces, are written by now. */
extern void bb_progress_backup_done(BbBackupProgress *progress, uint64 bytes,
									uint32 tablespaces);
extern void bb_progress_backup_end(BbBackupProgress *progress);

#endif /* BB_PROGRESS_H */
