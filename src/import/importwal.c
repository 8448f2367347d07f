/*-------------------------------------------------------------------------
 *
 * importwal.c
 *	  The WAL of files that are imported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/archive.h"
#include "import/importwal.h"
#include "import/treewal.h"
#include "stats/progress.h"
#include "wal/directory_source.h"

/* The WAL of wal_directory or else of the tree; the fetcher fetches the rest. */
static BbWalFiles *
wal_files(const BbSourceTree *tree, const char *wal_directory,
		  BbFetcher *fetcher)
{
	if (wal_directory != NULL)
		return bb_archive_files(wal_directory, fetcher);
	return bb_treewal_files(tree,
							fetcher == NULL ? NULL
											: bb_archive_files(NULL, fetcher));
}

/*
 * The WAL of a base backup leads to the tli of its control file, with which
 * recovery begins (InitWalRecovery in PostgreSQL's xlogrecovery.c).  That tli is
 * newer than the label's if the copied server switched to it after that
 * checkpoint, or if pg_rewind copied from the server.
 */
static BbWalPlace
wal_place(const BbDataDir *dir, BbWalFiles *files, BbWalFiles *history_files)
{
	const ControlFileData *control = &dir->control;
	BbWalPlace	place = {0};

	place.files = files;
	place.history_files = history_files;
	place.target.kind = BB_WAL_NUMBER;
	place.target.tli = Max(control->checkPointCopy.ThisTimeLineID,
						   control->minRecoveryPointTLI);
	place.borrow = true;
	return place;
}

/* The text of the history file of the tli that the directory begins with. */
static const char *
find_history(const BbReqCtx *ctx, const BbWalPlace *place,
			 const BbDataDir *dir)
{
	TimeLineID	tli = dir->label != NULL
		? dir->label->tli
		: dir->control.checkPointCopy.ThisTimeLineID;
	BbTliHistory *history = bb_tlihistory_read(ctx, place->files, tli);

	if (history == NULL)
		history = bb_tlihistory_read(ctx, place->history_files, tli);
	return history != NULL ? history->text : NULL;
}

void
bb_importwal_set(const BbReqCtx *ctx, BbImport *import, BbWalFiles *files,
				 BbWalFiles *history_files)
{
	const BbDataDir *dir = import->dir;
	BbWalPlace	place = wal_place(dir, files, history_files);

	import->wal = bb_waldirectory_origin(&place);
	/* ingest reports a control file that is older than the label */
	if (dir->label == NULL || place.target.tli < dir->label->tli)
		place.target.kind = BB_WAL_CURRENT;
	import->checkpoint_wal = bb_waldirectory_origin(&place);
	if (import->rebase != NULL)
		import->history = find_history(ctx, &place, dir);
}

void
bb_importwal_received(const BbReqCtx *ctx, BbImport *import,
					  const BbSourceTree *tree, const char *wal_directory,
					  BbFetcher *fetcher)
{
	bb_progress_import_phase(BB_IMPORT_CHECKING);
	import->dir = bb_datadir_received(ctx, tree);
	bb_importwal_set(ctx, import, wal_files(tree, wal_directory, fetcher),
					 bb_treewal_files(tree, NULL));
}
