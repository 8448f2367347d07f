/*-------------------------------------------------------------------------
 *
 * import_internal.h
 *	  An import as its parts share it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORT_INTERNAL_H
#define BB_IMPORT_INTERNAL_H

#include "import/datadir.h"
#include "import/import.h"
#include "import/inventory.h"
#include "layer/imagewriter.h"

/* Relation files are read in pieces of this size. */
#define BB_IMPORT_READ_BYTES (32 * BLCKSZ)

/* A page of a base backup that was copied while it was written. */
typedef struct BbTornPage
{
	BbKey		key;
	char	   *complaint;
} BbTornPage;

typedef struct BbImport
{
	const BbDataDir *dir;
	const BbInventory *inventory;
	XLogRecPtr	lsn;		/* of the images */
	CheckPoint	checkpoint; /* as of that LSN */
	BbImageWriter *writer;
	MemoryContext context; /* of all this */
	MemoryContext scratch; /* reset for each file */
	char	   *buffer;	   /* of BB_IMPORT_READ_BYTES, aligned */
	uint64		files_done;
	List	   *torn_pages;	 /* BbTornPage *: left out */
	XLogRecPtr	newest_page; /* the greatest LSN of a page that is stored */
	BbImportResult result;
} BbImport;

/*
 * bb_import_store_all - all values of the data directory, into the writer.
 */
extern void bb_import_store_all(const BbReqCtx *ctx, BbImport *import);

#endif /* BB_IMPORT_INTERNAL_H */
