/*-------------------------------------------------------------------------
 *
 * relfiles.h
 *	  The files that tables of the past had over time, and what happened to them.
 *
 * A table has one file after another: TRUNCATE, VACUUM FULL, CLUSTER and ALTER TABLE
 * give it a new one, and the commit drops the old one.  The store has a deletion of
 * the size of each file that was dropped, at the LSN of the commit:
 *
 *	  sizes deleted ── LSN, file ── pg_class before: which table?
 *							|
 *							+── pg_class after: it has gone, or has another file
 *							|
 *							+── rows of pg_class that the transaction wrote:
 *								which files it had in between, and whether a
 *								file was that of a transient table before
 *
 * ALTER TABLE writes all rows into a transient table and then exchanges the files.
 * So the rows that were inserted before the exchange are a rewrite's, and don't count.
 *
 * A table is one of the name if it had the name at the start or the end of the
 * range, or when one of its files was dropped; partitions and children of such a
 * table are, too.  Without a name, all tables and materialized views are, except
 * those of the system.
 *
 * Errors: those of heap/past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_RELFILES_H
#define BB_HISTORY_RELFILES_H

#include "base/compat.h"
#include "nodes/pg_list.h"
#include "pagestore/snapshot.h"
#include "utils/hsearch.h"

#define BB_ACTION_TRUNCATED 0x01
#define BB_ACTION_REWRITTEN 0x02
#define BB_ACTION_DROPPED 0x04

/* What a table was called at an LSN. */
typedef struct BbNameAt
{
	XLogRecPtr	lsn;
	const char *schema;
	const char *name;
} BbNameAt;

typedef struct BbHistoryTable
{
	Oid			oid;
	List	   *names; /* BbNameAt *, oldest first */
} BbHistoryTable;

/* A file; the locator is the key of the hash table. */
typedef struct BbHistoryFile
{
	BbRelLocator locator;
	int			table;
	XLogRecPtr	rewritten; /* rows inserted up to there are a rewrite's */
} BbHistoryFile;

/* What a commit did to a table. */
typedef struct BbHistoryEvent
{
	XLogRecPtr	lsn;
	int			table;
	int			actions;
	RepOriginId origin; /* of the transaction */
} BbHistoryEvent;

typedef struct BbRelFiles
{
	MemoryContext context;
	BbPageStore *store;
	const char *database;
	Oid			db;
	XLogRecPtr	after;
	XLogRecPtr	until;
	int			ntables;
	int			allocated;
	BbHistoryTable *tables;
	HTAB	   *numbers; /* OID to the number of a table */
	HTAB	   *files;	 /* of BbHistoryFile */
	List	   *events;	 /* BbHistoryEvent *, by LSN */
} BbRelFiles;

/*
 * bb_relfiles_new - find tables between two LSNs at which the timeline can be read.
 *
 * schema and name may both be NULL.  All of it is in CurrentMemoryContext.
 *
 * Errors, in addition: UNDEFINED_DATABASE (at "until"); UNDEFINED_TABLE (no table
 * of that name in the range); WRONG_OBJECT_TYPE (it is none that has rows in the WAL).
 */
extern BbRelFiles *bb_relfiles_new(const BbReqCtx *ctx, BbPageStore *store,
								   const char *database, const char *schema,
								   const char *name, XLogRecPtr after,
								   XLogRecPtr until);

/*
 * bb_relfiles_find_swaps - add the files that tables got by the commits of
 * events, and say in these what happened (swaps.c).	To be called once, before the
 * files are used.
 */
extern void bb_relfiles_find_swaps(const BbReqCtx *ctx, BbRelFiles *files);

/* bb_relfiles_name - return what a table was called at the LSN of a commit. */
extern const BbNameAt *bb_relfiles_name(const BbReqCtx *ctx, BbRelFiles *files,
										int table, XLogRecPtr lsn);

#endif /* BB_HISTORY_RELFILES_H */
