/*-------------------------------------------------------------------------
 *
 * import_internal.h
 *	  The state of an import, which the files of import/ share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORT_INTERNAL_H
#define BB_IMPORT_INTERNAL_H

#include "import/datadir.h"
#include "import/directlayers.h"
#include "import/import.h"
#include "import/inventory.h"
#include "layer/imagewriter.h"
#include "storage/bufpage.h"
#include "timeline/timeline.h"
#include "wal/source.h"

/* Relation files are read in pieces of this size. */
#define BB_IMPORT_READ_BYTES (32 * BLCKSZ)

struct BbImport
{
	BbObjectStore *objects;
	const char *timeline;

	/* set by the source's "prepare" */
	const BbDataDir *dir;
	const char *path;	   /* for messages: "PATH/NAME" is a file */
	bool		fuzzy;	   /* a base backup: its files are of different ages */
	bool		checksums; /* pages have them */
	const BbWalOrigin *checkpoint_wal; /* has the checkpoint to start from */
	const BbWalOrigin *wal; /* of a base backup: makes it consistent */
	BbDirectLayers *direct; /* written already; NULL: none */

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
};

/* Where a cluster is imported from; the first member of a driver's struct. */
typedef struct BbImportSource BbImportSource;

struct BbImportSource
{
	/* Make the files ready to be read, under the lock of the timeline. */
	void		(*prepare) (const BbReqCtx *ctx, BbImportSource *source,
							BbImport *import);
	/* Release what no memory context owns; may be NULL.  Must not fail. */
	void		(*release) (BbImportSource *source);
};

/*
 * bb_import_run - import a source as a timeline: see import.h.
 *
 * Errors: those of bb_import_directory.
 */
extern BbImportResult bb_import_run(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const char *timeline,
									BbImportSource *source);

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
 * bb_import_check_page - check a page of a relation file.
 *
 * block_of_file is its number in the file "path".  Returns what is to be stored,
 * valid as long as "page"; NULL if it is torn, which is remembered.
 *
 * Errors: DATA_CORRUPTED (see pagecheck.c).
 */
extern const void *bb_import_check_page(BbImport *import, const BbKey *key,
										const char *path,
										BlockNumber block_of_file, Page page);

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
