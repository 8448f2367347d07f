/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  Progress of backups, imports, ingests and upkeep.
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
#define UPKEEP_COMMAND ((ProgressCommandType) 0x6264)

/* Places in the progress array; those after the phase become BbProgress.values. */
enum
{
	AT_PHASE,
	AT_BYTES_TOTAL,
	AT_BYTES_DONE,
	AT_FILES_TOTAL,
	AT_FILES_DONE,
	/* of an ingest */
	AT_START_LSN = AT_PHASE + 1,
	AT_LIMIT_LSN,
	AT_CURRENT_LSN,
	AT_RECORDS,
	/* of a job of upkeep, whose phase is its kind, from 1 */
	AT_BYTES_READ = AT_BYTES_DONE,
	AT_BYTES_WRITTEN
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
bb_progress_upkeep_start(int kind, uint64 bytes_total)
{
	pgstat_progress_start_command(UPKEEP_COMMAND, InvalidOid);
	pgstat_progress_update_param(AT_PHASE, kind + 1);
	pgstat_progress_update_param(AT_BYTES_TOTAL, (int64) bytes_total);
}

void
bb_progress_upkeep_done(uint64 bytes_read, uint64 bytes_written)
{
	update_pair(AT_BYTES_READ, bytes_read, AT_BYTES_WRITTEN, bytes_written);
}

void
bb_progress_end(void)
{
	pgstat_progress_end_command();
}

/* "phases" are the names of the phases from 0, which is before the first. */
static List *
fetch(ProgressCommandType command, const char *const *phases, int nphases)
{
	List	   *result = NIL;
	int			nbackends = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= nbackends; i++)
	{
		PgBackendStatus *status = bb_compat_backend_status(i);
		int64		phase = status->st_progress_param[AT_PHASE];
		BbProgress *progress;

		if (status->st_progress_command != command)
			continue;
		progress = palloc(sizeof(BbProgress));
		progress->pid = status->st_procpid;
		progress->database = status->st_databaseid;
		progress->user = status->st_userid;
		progress->phase = phases[phase > 0 && phase < nphases ? phase : 0];
		memcpy(progress->values, &status->st_progress_param[AT_PHASE + 1],
			   sizeof(progress->values));
		result = lappend(result, progress);
	}
	return result;
}

List *
bb_progress_fetch_imports(void)
{
	static const char *const phases[] =
		{"initializing",
		 [BB_IMPORT_CHECKING] = "checking",
		 [BB_IMPORT_STARTING] = "waiting for checkpoint",
		 [BB_IMPORT_RECEIVING] = "receiving",
		 [BB_IMPORT_READING] = "reading files",
		 [BB_IMPORT_COMMITTING] = "committing"};

	return fetch(IMPORT_COMMAND, phases, lengthof(phases));
}

List *
bb_progress_fetch_ingests(void)
{
	static const char *const phases[] =
		{"initializing", [BB_INGEST_OPENING] = "opening",
		 [BB_INGEST_READING] = "reading WAL",
		 [BB_INGEST_FLUSHING] = "writing layers"};

	return fetch(INGEST_COMMAND, phases, lengthof(phases));
}

List *
bb_progress_fetch_upkeep(const char *const *kinds, int nkinds)
{
	const char **phases = palloc((nkinds + 1) * sizeof(char *));

	phases[0] = "initializing";
	memcpy(phases + 1, kinds, nkinds * sizeof(char *));
	return fetch(UPKEEP_COMMAND, phases, nkinds + 1);
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
