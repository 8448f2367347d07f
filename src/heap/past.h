/*-------------------------------------------------------------------------
 *
 * past.h
 *	  A database of the stored cluster, as it was at a snapshot.
 *
 *	  pg_database ── the database ── pg_class, pg_attribute, pg_type, …
 *									   │  read from the store by their own indexes
 *	  tables.h  types.h ◄──────────────┘
 *
 * System catalogs have the same OIDs and columns in all clusters of a major
 * version.  So their row types and their indexes are those of this server, and
 * only their pages come from the store.
 *
 * Errors of all functions of this room that take a BbPast: those of pages.h and
 * xacts.h; DATA_CORRUPTED (catalogs that contradict each other).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_PAST_H
#define BB_HEAP_PAST_H

#include "base/compat.h"
#include "heap/pages.h"
#include "heap/xacts.h"
#include "utils/hsearch.h"

typedef struct BbPast
{
	MemoryContext context; /* everything that is kept lives here */
	BbSnapshot	snapshot;
	BbPages	   *pages;
	BbXacts	   *xacts;
	/* the database */
	const char *database;
	Oid			db;
	Oid			db_tablespace;
	int			encoding;
	char		collation_provider;
	const char *collation; /* LC_COLLATE; NULL: none */
	/* pg_filenode.map, of shared catalogs and of the database's */
	const uint8 *shared_map;
	const uint8 *map;
	/* what has been looked up */
	HTAB	   *catalogs; /* of syscat.c */
	HTAB	   *tables;	  /* of tables.c */
	HTAB	   *types;	  /* of types.c */
	HTAB	   *labels;	  /* of types.c */
} BbPast;

/*
 * bb_past_open - find a database in the cluster at the snapshot.
 *
 * It is allocated in a child of CurrentMemoryContext, which bb_past_close deletes.
 *
 * Errors: UNDEFINED_DATABASE; FEATURE_NOT_SUPPORTED (the cluster is of another
 * major version or catalog version; the database has another encoding).
 */
extern BbPast *bb_past_open(const BbReqCtx *ctx, const BbSnapshot *snapshot,
							const char *database);
/* bb_past_find - the same, or NULL if there is no such database. */
extern BbPast *bb_past_find(const BbReqCtx *ctx, const BbSnapshot *snapshot,
							const char *database);
/* bb_past_shared - the same without a database, for shared catalogs alone. */
extern BbPast *bb_past_shared(const BbReqCtx *ctx, const BbSnapshot *snapshot);
extern void bb_past_close(BbPast *past);

#endif /* BB_HEAP_PAST_H */
