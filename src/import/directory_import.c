/*-------------------------------------------------------------------------
 *
 * directory_import.c
 *	  Import of a data directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "archive/archive.h"
#include "import/import_internal.h"
#include "import/importwal.h"
#include "import/tar_import.h"

typedef struct DirectorySource
{
	BbImportSource base;
	const BbDataDir *dir;
	const char *wal_directory;
	BbFetcher  *fetcher;
} DirectorySource;

static void
prepare_directory(const BbReqCtx *ctx, BbImportSource *base, BbImport *import)
{
	const DirectorySource *source = (const DirectorySource *) base;
	const BbDataDir *dir = source->dir;
	const char *wal_directory = source->wal_directory;

	if (wal_directory == NULL)
		wal_directory = psprintf("%s/" XLOGDIR, dir->path);
	import->dir = dir;
	import->path = dir->path;
	import->fuzzy = dir->label != NULL;
	import->checksums = dir->control.data_checksum_version != 0;
	bb_importwal_set(ctx, import,
					 bb_archive_files(wal_directory, source->fetcher),
					 bb_walfiles_directory(
						 psprintf("%s/" XLOGDIR, dir->path)));
}

BbImportResult
bb_import_from_directory(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline, const char *path,
						 const char *wal_directory, BbFetcher *fetcher,
						 BbRebase *rebase)
{
	DirectorySource source = {.base.prepare = prepare_directory};
	const char *tars = bb_tarbackup_find(path);

	if (tars != NULL)
		return bb_import_from_tars(ctx, objects, timeline, tars, wal_directory,
								   fetcher, rebase);

	/* first the checks that need no access to the objects */
	bb_timeline_name_check(timeline);
	source.dir = bb_datadir_open(ctx, path);
	source.wal_directory = wal_directory;
	source.fetcher = fetcher;
	return bb_import_run(ctx, objects, timeline, &source.base, rebase);
}

BbImportResult
bb_import_directory(const BbReqCtx *ctx, BbObjectStore *objects,
					const char *timeline, const char *path,
					const char *wal_directory, BbFetcher *fetcher)
{
	return bb_import_from_directory(ctx, objects, timeline, path,
									wal_directory, fetcher, NULL);
}
