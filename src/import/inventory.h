/*-------------------------------------------------------------------------
 *
 * inventory.h
 *	  What a data directory holds, found by reading its directories.
 *
 * Every list is in the order of the page store's keys, so that an import can
 * write key after key.  An inventory of a million relations takes some tens
 * of megabytes.
 *
 * What is left out, as pg_basebackup leaves it out (basebackup.c,
 * excludeDirContents and excludeFiles): lock and log files, temporary files
 * and relations, replication slots, statistics, what the server makes anew
 * at each start; WAL; and the content of unlogged relations, init forks
 * aside.
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
	MemoryContext context; /* that it was made in */

	/* lists of pointers to structs of pagestore/catalog.h */
	List	   *tablespaces; /* BbTablespace */
	List	   *databases;	 /* BbDatabase */
	List	   *files;		 /* BbCapturedFile */
	List	   *directories; /* BbCapturedDirectory */
	List	   *segments;	 /* BbSlruSegment */
	List	   *twophases;	 /* BbTwophase */

	BbSourceFork *forks;
	size_t		nforks;
	size_t		allocated; /* of forks */

	/* of all of it */
	uint64		bytes;
} BbInventory;

/*
 * bb_inventory_new - look through a data directory.
 *
 * store_directory: see bb_capture_find.
 *
 * Warns of files that it leaves out although nothing says that they may be.
 *
 * Errors: DATA_CORRUPTED (a file that can't be what its name says, or that is
 * missing); errcode_for_file_access().
 */
extern BbInventory *bb_inventory_new(const BbReqCtx *ctx, const BbDataDir *dir,
									 const char *store_directory);

/* The path of a two-phase file, "pg_twophase/…", palloc'd. */
extern char *bb_inventory_twophase_path(const BbTwophase *twophase);
/* The path of an SLRU segment, "pg_xact/0000", palloc'd. */
extern char *bb_inventory_slru_path(const BbSlruSegment *segment);

#endif /* BB_INVENTORY_H */
