/*-------------------------------------------------------------------------
 *
 * rebase.c
 *	  A new base into an existing timeline, where WAL was lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/import_internal.h"
#include "import/rebase.h"

static BbRebaseResult
result_of(const BbRebase *rebase, const BbImportResult *imported)
{
	return (BbRebaseResult){
		.gap_start = rebase->place.from,
		.gap_end = imported->lsn,
		.pages = imported->pages,
		.pages_stored = rebase->pages_stored,
		.bytes_read = imported->bytes_read,
		.bytes_stored = imported->bytes_stored,
	};
}

BbRebaseResult
bb_rebase_from_directory(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline, const char *path,
						 const char *wal_directory, BbFetcher *fetcher,
						 const List *lost)
{
	BbRebase	rebase = {.images = bb_basewriter_widen(lost)};
	BbImportResult imported = bb_import_from_directory(ctx, objects, timeline,
													   path, wal_directory,
													   fetcher, &rebase);

	return result_of(&rebase, &imported);
}

BbRebaseResult
bb_rebase_from_server(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline, BbReplConnection *connection,
					  const BbServerBackupOptions *options, BbServerWal *wal,
					  const List *lost)
{
	BbRebase	rebase = {.images = bb_basewriter_widen(lost)};
	BbImportResult imported = bb_import_from_server(ctx, objects, timeline,
													connection, options, wal,
													&rebase);

	return result_of(&rebase, &imported);
}
