/*-------------------------------------------------------------------------
 *
 * importwal.h
 *	  The WAL of files that are imported.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORTWAL_H
#define BB_IMPORTWAL_H

#include "import/import_internal.h"
#include "wal/files.h"

/*
 * bb_importwal_set - set the origins of WAL, and the history, of an import whose
 * "dir" is set.
 *
 * history_files: for history files that "files" lacks.
 */
extern void bb_importwal_set(const BbReqCtx *ctx, BbImport *import,
							 BbWalFiles *files, BbWalFiles *history_files);

/*
 * bb_importwal_received - begin to check an import whose files are all received:
 * set its "dir", and its WAL.
 *
 * The WAL is that of wal_directory, in the form of bb_archive_files, or, if it is
 * NULL, of the tree.  The fetcher, which may be NULL, fetches the rest.
 *
 * Errors: those of bb_datadir_received.
 */
extern void bb_importwal_received(const BbReqCtx *ctx, BbImport *import,
								  const BbSourceTree *tree,
								  const char *wal_directory,
								  BbFetcher *fetcher);

#endif /* BB_IMPORTWAL_H */
