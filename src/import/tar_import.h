/*-------------------------------------------------------------------------
 *
 * tar_import.h
 *	  Import of a base backup in the tar format, as pg_basebackup -Ft writes it.
 *
 *	  base.tar		the data directory, with tablespace_map
 *	  OID.tar		a tablespace each
 *	  pg_wal.tar	the WAL of the backup, with -X stream
 *
 * Each may be compressed, with the suffix of that after its name.  Archives are
 * read as they are: large relation files go to layers at once, all others to a
 * temporary file.  base.tar is read twice, since its control file, which tells
 * whether pages have checksums, comes last.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TAR_IMPORT_H
#define BB_TAR_IMPORT_H

#include "import/import_internal.h"

/*
 * bb_tarbackup_find - return the directory of a backup in the tar format: the
 * path, or, if that is a base.tar, where it is.  NULL: it is none.
 */
extern const char *bb_tarbackup_find(const char *path);

/* As bb_import_from_directory, of a directory that bb_tarbackup_find returned. */
extern BbImportResult bb_import_from_tars(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	const char *path, const char *wal_directory, BbFetcher *fetcher,
	BbRebase *rebase);

#endif /* BB_TAR_IMPORT_H */
