/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  Progress of backups, imports and ingests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "commands/progress.h"
#include "stats/progress.h"
#include "utils/backend_progress.h"

/*
 * Command types that no view of the server shows.  The server's types are
 * numbered from zero; these are large, so that no later type has the same number.
 */
#define IMPORT_COMMAND ((ProgressCommandType) 0x6262)
#define INGEST_COMMAND ((ProgressCommandType) 0x6263)

/* Places in the progress array. */
enum
{
	AT_PHASE,
	AT_BYTES_TOTAL,
	AT_BYTES_DONE,
	AT_FILES_TOTAL,
	AT_FILES_DONE
};

/* The same for an ingest, with the phase in the same place. */
enum
{
	AT_START_LSN = AT_PHASE + 1,
	AT_LIMIT_LSN,
	AT_CURRENT_LSN,
	AT_RECORDS
};

void
bb_progress_import_start(void)
{
	pgstat_progress_start_command(IMPORT_COMMAND, InvalidOid);
}

void
bb_progress_import_phase(BbImportPhase phase)
{
	pgstat_progress_update_param(AT_PHASE, phase);
}

static void
update_pair(int bytes_at, uint64 bytes, int files_at, uint64 files)
{
	const int	places[] = {bytes_at, files_at};
	const int64 values[] = {(int64) bytes, (int64) files};

	pgstat_progress_update_multi_param(lengthof(places), places, values);
}

void
bb_progress_import_total(uint64 bytes, uint64 files)
{
	update_pair(AT_BYTES_TOTAL, bytes, AT_FILES_TOTAL, files);
}

void
bb_progress_import_done(uint64 bytes, uint64 files)
{
	update_pair(AT_BYTES_DONE, bytes, AT_FILES_DONE, files);
}

void
bb_progress_import_end(void)
{
	pgstat_progress_end_command();
}

List *
bb_progress_import_fetch(void)
{
	List	   *imports = NIL;
	int			nbackends = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= nbackends; i++)
	{
		PgBackendStatus *status = bb_compat_backend_status(i);
		BbImportProgress *import;

		if (status->st_progress_command != IMPORT_COMMAND)
			continue;
		import = palloc(sizeof(BbImportProgress));
		import->pid = status->st_procpid;
		import->database = status->st_databaseid;
		import->user = status->st_userid;
		import->phase = (BbImportPhase) status->st_progress_param[AT_PHASE];
		import->bytes_total = status->st_progress_param[AT_BYTES_TOTAL];
		import->bytes_done = status->st_progress_param[AT_BYTES_DONE];
		import->files_total = status->st_progress_param[AT_FILES_TOTAL];
		import->files_done = status->st_progress_param[AT_FILES_DONE];
		imports = lappend(imports, import);
	}
	return imports;
}

const char *
bb_progress_import_phase_name(BbImportPhase phase)
{
	switch (phase)
	{
		case BB_IMPORT_CHECKING:
			return "checking";
		case BB_IMPORT_READING:
			return "reading files";
		case BB_IMPORT_COMMITTING:
			return "committing";
	}
	return "initializing";
}

void
bb_progress_ingest_start(void)
{
	pgstat_progress_start_command(INGEST_COMMAND, InvalidOid);
	bb_progress_ingest_phase(BB_INGEST_OPENING);
}

void
bb_progress_ingest_phase(BbIngestPhase phase)
{
	pgstat_progress_update_param(AT_PHASE, phase);
}

void
bb_progress_ingest_total(XLogRecPtr start, XLogRecPtr limit)
{
	update_pair(AT_START_LSN, start, AT_LIMIT_LSN, limit);
	bb_progress_ingest_done(start, 0);
}

void
bb_progress_ingest_done(XLogRecPtr lsn, uint64 records)
{
	update_pair(AT_CURRENT_LSN, lsn, AT_RECORDS, records);
}

void
bb_progress_ingest_end(void)
{
	pgstat_progress_end_command();
}

List *
bb_progress_ingest_fetch(void)
{
	List	   *ingests = NIL;
	int			nbackends = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= nbackends; i++)
	{
		PgBackendStatus *status = bb_compat_backend_status(i);
		BbIngestProgress *ingest;

		if (status->st_progress_command != INGEST_COMMAND)
			continue;
		ingest = palloc(sizeof(BbIngestProgress));
		ingest->pid = status->st_procpid;
		ingest->database = status->st_databaseid;
		ingest->user = status->st_userid;
		ingest->phase = (BbIngestPhase) status->st_progress_param[AT_PHASE];
		ingest->start_lsn = status->st_progress_param[AT_START_LSN];
		ingest->limit_lsn = status->st_progress_param[AT_LIMIT_LSN];
		ingest->current_lsn = status->st_progress_param[AT_CURRENT_LSN];
		ingest->records = status->st_progress_param[AT_RECORDS];
		ingests = lappend(ingests, ingest);
	}
	return ingests;
}

const char *
bb_progress_ingest_phase_name(BbIngestPhase phase)
{
	switch (phase)
	{
		case BB_INGEST_OPENING:
			return "opening";
		case BB_INGEST_READING:
			return "reading WAL";
		case BB_INGEST_FLUSHING:
			return "writing layers";
	}
	return "initializing";
}

struct BbBackupProgress
{
	int64		phase;
	int64		bytes_total; /* -1: unknown, shown as NULL */
	int64		bytes_done;
	int64		tablespaces_total;
	int64		tablespaces_done;
	MemoryContextCallback callback;
};

/* The backup that uses the progress array, or NULL. */
static BbBackupProgress *reporting = NULL;

/*
 * Report all values at once, since this may be the backup's first report.
 */
static void
report(BbBackupProgress *progress)
{
	const int	places[] = {
		PROGRESS_BASEBACKUP_PHASE,			 PROGRESS_BASEBACKUP_BACKUP_TOTAL,
		PROGRESS_BASEBACKUP_BACKUP_STREAMED, PROGRESS_BASEBACKUP_TBLSPC_TOTAL,
		PROGRESS_BASEBACKUP_TBLSPC_STREAMED,
	};
	const int64 values[] = {
		progress->phase,
		progress->bytes_total,
		progress->bytes_done,
		progress->tablespaces_total,
		progress->tablespaces_done,
	};

	if (MyBEEntry == NULL)
		return;
	if (MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID)
	{
		pgstat_progress_start_command(PROGRESS_COMMAND_BASEBACKUP, InvalidOid);
		reporting = progress;
	}
	if (reporting == progress &&
		MyBEEntry->st_progress_command == PROGRESS_COMMAND_BASEBACKUP)
		pgstat_progress_update_multi_param(lengthof(places), places, values);
}

static void
end_with_context(void *arg)
{
	bb_progress_backup_end(arg);
}

BbBackupProgress *
bb_progress_backup_new(void)
{
	BbBackupProgress *progress = palloc0(sizeof(BbBackupProgress));

	progress->phase = PROGRESS_BASEBACKUP_PHASE_ESTIMATE_BACKUP_SIZE;
	progress->bytes_total = -1;
	progress->callback.func = end_with_context;
	progress->callback.arg = progress;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &progress->callback);
	report(progress);
	return progress;
}

void
bb_progress_backup_stream(BbBackupProgress *progress, uint64 bytes_total,
						  uint32 tablespaces_total)
{
	progress->phase = PROGRESS_BASEBACKUP_PHASE_STREAM_BACKUP;
	progress->bytes_total = bytes_total != 0 ? (int64) bytes_total : -1;
	progress->tablespaces_total = tablespaces_total;
	report(progress);
}

void
bb_progress_backup_done(BbBackupProgress *progress, uint64 bytes,
						uint32 tablespaces)
{
	progress->bytes_done = bytes;
	progress->tablespaces_done = tablespaces;
	report(progress);
}

void
bb_progress_backup_end(BbBackupProgress *progress)
{
	if (reporting != progress)
		return;
	reporting = NULL;
	/* an abort has done it already */
	if (MyBEEntry->st_progress_command == PROGRESS_COMMAND_BASEBACKUP)
		pgstat_progress_end_command();
}
