/*-------------------------------------------------------------------------
 *
 * import_internal.h
 *	  The state of an import, which import.c, import_values.c and pagecheck.c
 *	  share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORT_INTERNAL_H
#define BB_IMPORT_INTERNAL_H

#include "import/datadir.h"
#include "import/import.h"
#include "import/inventory.h"
#include "layer/imagewriter.h"
#include "storage/bufpage.h"
#include "timeline/timeline.h"

/* Relation files are read in pieces of this size. */
#define BB_IMPORT_READ_BYTES (32 * BLCKSZ)

typedef struct BbImport
{
	const BbDataDir *dir;
	const BbInventory *inventory;
	XLogRecPtr	lsn;		/* of the images */
	CheckPoint	checkpoint; /* as of that LSN */
	BbImageWriter *writer;
	MemoryContext context; /* owns everything here */
	MemoryContext scratch; /* reset for each file */
	char	   *buffer;	   /* of BB_IMPORT_READ_BYTES, aligned */
	uint64		files_done;
	List	   *torn_pages;	 /* of pagecheck.c */
	XLogRecPtr	newest_page; /* the greatest LSN of a stored page */
	BbImportResult result;
} BbImport;

/* bb_import_store_all - give all values of the data directory to the writer. */
extern void bb_import_store_all(const BbReqCtx *ctx, BbImport *import);

/*
 * bb_pagecheck - return what is wrong with a page, palloc'd, or NULL.
 *
 * Makes the checks of PageIsVerifiedExtended in PostgreSQL's bufpage.c, which
 * depends on the settings of this server and so can't check another cluster's
 * pages: checksum (if the cluster has them), header, and that a new page is
 * zero.  Also checks that the page is not newer than end_lsn.
 *
 * REQUIRES: "page" is aligned as a Page, and "block" is its number in the fork.
 */
extern char *bb_pagecheck(Page page, BlockNumber block, bool checksums,
						  XLogRecPtr end_lsn);

/*
 * bb_import_bad_page - store or remember a page that bb_pagecheck refused.
 *
 * block_of_file is its number in the file "path"; complaint says what is wrong.
 *
 * Errors: DATA_CORRUPTED (see pagecheck.c).
 */
extern void bb_import_bad_page(const BbReqCtx *ctx, BbImport *import,
							   const BbKey *key, const char *path,
							   BlockNumber block_of_file, Page page,
							   const char *complaint);

/*
 * bb_import_check_torn_pages - check that WAL brought an image of every torn
 * page that still exists at an LSN.
 *
 * Errors: DATA_CORRUPTED (naming the page).
 */
extern void bb_import_check_torn_pages(const BbReqCtx *ctx,
									   const BbImport *import,
									   BbTimeline *timeline, XLogRecPtr lsn);

#endif /* BB_IMPORT_INTERNAL_H */
