/*-------------------------------------------------------------------------
 *
 * stream_import.h
 *	  Import of a base backup that somebody sends, front to back, once.
 *
 *	  stream ──► unpacker.h ──► tar ──┬─► files of the data directory
 *									   └─► base.tar, OID.tar, pg_wal.tar,
 *										   each compressed or not ──► files
 *
 * The stream is a tar, compressed or not: of the data directory, as pg_basebackup
 * -Ft -D - writes it, or of the archives of a backup in the tar format, base.tar
 * first.  Its first member tells which.
 *
 * Large relation files go to layers at once, all others to a temporary file.  A
 * stream can't be read twice, so two things can be unknown when a file comes:
 *
 * - The LSN of the images, which backup_label has.  Files before that go to the
 *   temporary file.  A server sends it first.
 * - Whether pages have checksums, which the control file tells, usually the last
 *   one: see bb_import_check_page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAM_IMPORT_H
#define BB_STREAM_IMPORT_H

#include "import/import.h"

/* Where the bytes come from; the first member of a driver's struct. */
typedef struct BbImportStream BbImportStream;

struct BbImportStream
{
	const char *name; /* of the backup, for messages */

	/* Let the bytes come; called under the lock of the timeline. */
	void		(*begin) (const BbReqCtx *ctx, BbImportStream *stream);
	/* Return the next bytes, valid until the next call; 0: there are no more. */
	size_t		(*next) (const BbReqCtx *ctx, BbImportStream *stream,
						 const char **data);
	/*
	 * The import has failed between those two, so that the rest is not wanted.
	 * What it had stored is removed.
	 */
	void		(*refuse) (BbImportStream *stream);
};

/*
 * bb_import_stream - store the cluster of a base backup as "timeline".
 *
 * Its WAL is read from the stream, or from wal_directory if that isn't NULL, in
 * the form of bb_archive_files.  The fetcher, which may be NULL, fetches the
 * rest.
 *
 * Errors: those of bb_import_directory, except those of a directory; those of
 * unpacker.h, tarreader.h and of the stream.
 */
extern BbImportResult bb_import_stream(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	BbImportStream *stream, const char *wal_directory, BbFetcher *fetcher);

#endif /* BB_STREAM_IMPORT_H */
