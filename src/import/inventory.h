/*-------------------------------------------------------------------------
 *
 * inventory.h
 *	  The contents of a data directory, found by reading its directories.
 *
 * Every list is in the order of the page store's keys, so that an import can
 * write key after key.  An inventory of a million relations takes some tens
 * of megabytes.
 *
 * As in pg_basebackup (excludeDirContents and excludeFiles in basebackup.c),
 * these are omitted: lock and log files, temporary files and relations,
 * replication slots, statistics, files that the server creates at each start,
 * WAL, and the content of unlogged relations except init forks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INVENTORY_H
#define BB_INVENTORY_H

#include "import/datadir.h"
#include "nodes/pg_list.h"
#include "pagestore/catalog.h"

/* One fork of a relation. */
typedef struct BbSourceFork
{
	Oid			spc;
	Oid			db;
	Oid			rel;
	ForkNumber	fork;
	BlockNumber blocks;
} BbSourceFork;

typedef struct BbInventory
{
	MemoryContext context; /* owns everything here */

	/* lists of pointers to structs of pagestore/catalog.h */
	List	   *tablespaces; /* BbTablespace */
	List	   *databases;	 /* BbDatabase */
	List	   *files;		 /* BbCapturedFile */
	List	   *directories; /* BbCapturedDirectory */
	List	   *segments;	 /* BbSlruSegment */
	List	   *twophases;	 /* BbTwophase */

	BbSourceFork *forks;
	size_t		nforks;
	size_t		allocated; /* forks */
	uint64		bytes;	   /* of all contents */
} BbInventory;

/*
 * bb_inventory_new - list the contents of a data directory.
 *
 * store_directory: see bb_capture_find.
 *
 * Warns of files that are omitted although no rule excludes them.
 *
 * Errors: DATA_CORRUPTED (a file is missing, or its size doesn't fit its name);
 * errcode_for_file_access().
 */
extern BbInventory *bb_inventory_new(const BbReqCtx *ctx, const BbDataDir *dir,
									 const char *store_directory);

/* Return the path of a two-phase file, "pg_twophase/…", palloc'd. */
extern char *bb_inventory_twophase_path(const BbTwophase *twophase);
/* Return the path of an SLRU segment, "pg_xact/0000", palloc'd. */
extern char *bb_inventory_slru_path(const BbSlruSegment *segment);

#endif /* BB_INVENTORY_H */
