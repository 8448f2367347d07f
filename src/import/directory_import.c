/*-------------------------------------------------------------------------
 *
 * directory_import.c
 *	  Import of a data directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "import/import_internal.h"
#include "wal/directory_source.h"

/*
 * The WAL of a base backup leads to the tli of its control file, with which
 * recovery begins (InitWalRecovery in PostgreSQL's xlogrecovery.c).  That tli is
 * newer than the label's if the copied server switched to it after that
 * checkpoint, or if pg_rewind copied from the server.
 */
static BbWalPlace
wal_place(const BbDataDir *dir, const char *wal_directory)
{
	const ControlFileData *control = &dir->control;
	BbWalPlace	place = {0};

	place.directory = wal_directory;
	place.history_directory = psprintf("%s/" XLOGDIR, dir->path);
	place.target.kind = BB_WAL_NUMBER;
	place.target.tli = Max(control->checkPointCopy.ThisTimeLineID,
						   control->minRecoveryPointTLI);
	place.borrow = true;
	return place;
}

typedef struct DirectorySource
{
	BbImportSource base;
	const BbDataDir *dir;
	const char *wal_directory;
} DirectorySource;

/* The text of the history file of the tli that the directory begins with. */
static const char *
find_history(const BbReqCtx *ctx, const BbWalPlace *place,
			 const BbDataDir *dir)
{
	TimeLineID	tli = dir->label != NULL
		? dir->label->tli
		: dir->control.checkPointCopy.ThisTimeLineID;
	BbTliHistory *history = bb_tlihistory_read(ctx, place->directory, tli);

	if (history == NULL)
		history = bb_tlihistory_read(ctx, place->history_directory, tli);
	return history != NULL ? history->text : NULL;
}

static void
prepare_directory(const BbReqCtx *ctx, BbImportSource *base, BbImport *import)
{
	const DirectorySource *source = (const DirectorySource *) base;
	const BbDataDir *dir = source->dir;
	const char *wal_directory = source->wal_directory;
	BbWalPlace	place;

	if (wal_directory == NULL)
		wal_directory = psprintf("%s/" XLOGDIR, dir->path);
	place = wal_place(dir, wal_directory);
	import->dir = dir;
	import->path = dir->path;
	import->fuzzy = dir->label != NULL;
	import->checksums = dir->control.data_checksum_version != 0;
	import->wal = bb_waldirectory_origin(&place);
	/* ingest reports a control file that is older than the label */
	if (dir->label == NULL || place.target.tli < dir->label->tli)
		place.target.kind = BB_WAL_CURRENT;
	import->checkpoint_wal = bb_waldirectory_origin(&place);
	if (import->rebase != NULL)
		import->history = find_history(ctx, &place, dir);
}

BbImportResult
bb_import_from_directory(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline, const char *path,
						 const char *wal_directory, BbRebase *rebase)
{
	DirectorySource source = {.base.prepare = prepare_directory};

	/* first the checks that need no access to the objects */
	bb_timeline_name_check(timeline);
	source.dir = bb_datadir_open(ctx, path);
	source.wal_directory = wal_directory;
	return bb_import_run(ctx, objects, timeline, &source.base, rebase);
}

BbImportResult
bb_import_directory(const BbReqCtx *ctx, BbObjectStore *objects,
					const char *timeline, const char *path,
					const char *wal_directory)
{
	return bb_import_from_directory(ctx, objects, timeline, path,
									wal_directory, NULL);
}
