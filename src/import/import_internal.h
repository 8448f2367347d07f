/*-------------------------------------------------------------------------
 *
 * import_internal.h
 *	  The state of an import, which the files of import/ share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMPORT_INTERNAL_H
#define BB_IMPORT_INTERNAL_H

#include "import/basewriter.h"
#include "import/datadir.h"
#include "import/directlayers.h"
#include "import/import.h"
#include "import/inventory.h"
#include "import/server_import.h"
#include "layer/imagewriter.h"
#include "storage/bufpage.h"
#include "timeline/timeline.h"
#include "wal/source.h"

/* Relation files are read in pieces of this size. */
#define BB_IMPORT_READ_BYTES (32 * BLCKSZ)

/* A rebase (rebase.h), which an import is if it has one. */
typedef struct BbRebase
{
	const BbManifest *manifest; /* of the timeline before it */
	BbDifferencePlace place;
	List	   *images; /* BbKeyRange *: what can't be read; see basewriter.h */
	BbBaseWriter *rest; /* in place of BbImport's writer */
	uint64		pages_stored;

	/* of the base: its tli, and all tli switches before it */
	TimeLineID	tli;
	int			nswitches;
	BbTliSwitch *switches;
} BbRebase;

/* What a rebase has to know of a base before it is read. */
typedef struct BbRebaseBase
{
	uint64		system_identifier;
	uint32		segment_size;
	bool		checksums;
	XLogRecPtr	lsn;	 /* where its WAL begins, */
	bool		planned; /* or, if it isn't begun, at or before that */
	TimeLineID	tli;	 /* there */
	const char *history; /* the text of the tli's history file; NULL: none */
} BbRebaseBase;

struct BbImport
{
	BbObjectStore *objects;
	const char *timeline;

	/* set by the source's "prepare" */
	const BbDataDir *dir;
	const char *path;	   /* for messages: "PATH/NAME" is a file */
	bool		fuzzy;	   /* a base backup: its files are of different ages */
	bool		checksums; /* pages have them */
	bool		checksums_unknown;	   /* whether they have, so far */
	const BbWalOrigin *checkpoint_wal; /* has the checkpoint to start from */
	const BbWalOrigin *wal; /* of a base backup: makes it consistent */
	BbDirectLayers *direct; /* written already; NULL: none */
	const char *history; /* the text of the base's history file; NULL: none */

	BbRebase   *rebase; /* NULL: a new timeline */

	const BbInventory *inventory;
	XLogRecPtr	lsn;		/* of the images */
	CheckPoint	checkpoint; /* as of that LSN */
	BbImageWriter *writer;	/* of a new timeline */
	MemoryContext context;	/* owns everything here */
	MemoryContext scratch;	/* reset for each file */
	char	   *buffer;		/* of BB_IMPORT_READ_BYTES, aligned */
	uint64		files_done;
	List	   *torn_pages;	 /* of pagecheck.c */
	XLogRecPtr	newest_page; /* the greatest LSN of a stored page */
	/* of pages while checksums_unknown; NULL: none */
	const char *without_checksum;
	const char *with_wrong_checksum;
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
 * bb_import_run - import a source as a timeline, or, with "rebase", as a new base
 * of a timeline: see import.h and rebase.h.
 *
 * Errors: those of bb_import_directory or bb_rebase_from_directory.
 */
extern BbImportResult bb_import_run(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const char *timeline,
									BbImportSource *source, BbRebase *rebase);

/* The calls of import.h, server_import.h and rebase.h; rebase NULL: an import. */
extern BbImportResult bb_import_from_directory(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	const char *path, const char *wal_directory, BbFetcher *fetcher,
	BbRebase *rebase);
extern BbImportResult bb_import_from_server(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	BbReplConnection *connection, const BbServerBackupOptions *options,
	BbServerWal *wal, BbRebase *rebase);

/* ---- rebase.c ---- */

/*
 * bb_rebase_begin - take the lock of the timeline, in CurrentMemoryContext, and
 * undo a rebase that was killed.
 */
extern void bb_rebase_begin(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *timeline, BbRebase *rebase);

/*
 * bb_rebase_check - check that a base can follow the timeline.
 *
 * May be called several times; the last base counts.
 *
 * Errors: see rebase.h.
 */
extern void bb_rebase_check(BbRebase *rebase, const BbRebaseBase *base);

/*
 * bb_rebase_commit - commit the base, with a gap that ends at "until", which may
 * be BB_LSN_UNKNOWN.
 */
extern void bb_rebase_commit(const BbReqCtx *ctx, BbImport *import,
							 List *layers, XLogRecPtr until);

/*
 * bb_rebase_undo - remove the last gap of a timeline, and all after its start.
 *
 * A rebase that was complete stays if upkeep has gone on from it: the start of
 * the timeline lies behind the gap, or layers were merged across it.
 */
extern void bb_rebase_undo(const BbReqCtx *ctx, BbObjectStore *objects,
						   const BbManifest *manifest);

/* bb_import_store_all - give all values of the data directory to the writer. */
extern void bb_import_store_all(const BbReqCtx *ctx, BbImport *import);

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
 * bb_import_checksums_known - end checksums_unknown.
 *
 * Until then a page without a checksum is stored, one with a wrong one is torn.
 * No page is wrong whether or not there are checksums: in a cluster that has
 * them, none is 0; in one that never had them, all are.
 *
 * Errors: DATA_CORRUPTED, FEATURE_NOT_SUPPORTED (what was done with a page was
 * wrong).
 */
extern void bb_import_checksums_known(BbImport *import, bool checksums);

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
