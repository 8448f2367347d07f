/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  What exists at an LSN: databases, relations, SLRU segments, files.
 *
 * The page store's directory keys, decoded.  Each iterator follows one kind
 * of key in key order and holds one scan; no iterator keeps a list.
 *
 * Everything that an iterator returns has been checked: paths are below the
 * data directory (captured.h), sizes and numbers are possible, and permissions
 * are ones that PostgreSQL's files have.
 *
 * Errors: those of the page store; DATA_CORRUPTED (timeline, key) for a value
 * that can't be decoded or is impossible.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CATALOG_H
#define BB_CATALOG_H

#include "lib/stringinfo.h"
#include "pagestore/snapshot.h"

/* The relations of one database in one tablespace live in one directory. */
typedef struct BbDatabase
{
	Oid			spc;
	Oid			db;
	bool		default_tablespace; /* PG_VERSION and relmap are here */
} BbDatabase;

typedef struct BbTablespace
{
	Oid			spc;
	char	   *location; /* its directory in the source; palloc'd */
} BbTablespace;

#define BB_FORK_ABSENT InvalidBlockNumber

typedef struct BbRelation
{
	Oid			spc;
	Oid			db;
	Oid			rel;
	/* blocks in each fork; BB_FORK_ABSENT: no such fork */
	BlockNumber blocks[MAX_FORKNUM + 1];
} BbRelation;

/* A relation with an init fork is unlogged: it has no other content. */
static inline bool
bb_relation_unlogged(const BbRelation *relation)
{
	return relation->blocks[INIT_FORKNUM] != BB_FORK_ABSENT;
}

typedef struct BbSlruSegment
{
	BbSlru		slru;
	uint64		segment;
	uint32		pages;
} BbSlruSegment;

/*
 * A small file captured as it was: configuration, certificates, timeline
 * history.	 FILE_ENTRY's value: mode u32, size u64, then the path relative to
 * the data directory.  The content is in FILE_BLOCKs of BLCKSZ bytes; the last
 * one is shorter.
 */
typedef struct BbCapturedFile
{
	uint32		ordinal;
	mode_t		mode; /* permission bits */
	uint64		size; /* bytes */
	char	   *path; /* palloc'd */
} BbCapturedFile;

/*
 * A captured directory with no captured file in or below it.  FILE_DIRECTORY's
 * value: the path relative to the data directory.
 */
typedef struct BbCapturedDirectory
{
	uint32		ordinal;
	char	   *path; /* palloc'd */
} BbCapturedDirectory;

typedef struct BbTwophase
{
	uint64		xid;  /* from PG 17 on with its epoch */
	uint32		size; /* bytes, without the CRC */
} BbTwophase;

typedef struct BbOrigin
{
	uint32		id;
	XLogRecPtr	remote_lsn;
} BbOrigin;

/* One iterator serves all kinds; use the next function of its kind. */
typedef struct BbCatalogScan BbCatalogScan;

/* Scan everything of a kind of directory key (BB_KEY_REL_SIZE, …). */
extern BbCatalogScan *bb_catalog_scan_new(const BbReqCtx *ctx,
										  const BbSnapshot *snapshot,
										  BbKeyKind kind);
/* Scan the REL_SIZE keys of one database directory. */
extern BbCatalogScan *bb_catalog_relations_of(const BbReqCtx *ctx,
											  const BbSnapshot *snapshot,
											  Oid spc, Oid db);
/* Scan the DATABASE keys of one tablespace that isn't built in. */
extern BbCatalogScan *bb_catalog_databases_of(const BbReqCtx *ctx,
											  const BbSnapshot *snapshot,
											  Oid spc);
extern void bb_catalog_scan_close(BbCatalogScan *scan);

extern bool bb_catalog_next_tablespace(const BbReqCtx *ctx,
									   BbCatalogScan *scan,
									   BbTablespace *tablespace);
extern bool bb_catalog_next_database(const BbReqCtx *ctx, BbCatalogScan *scan,
									 BbDatabase *database);
extern bool bb_catalog_next_relation(const BbReqCtx *ctx, BbCatalogScan *scan,
									 BbRelation *relation);
extern bool bb_catalog_next_slru_segment(const BbReqCtx *ctx,
										 BbCatalogScan *scan,
										 BbSlruSegment *segment);
extern bool bb_catalog_next_file(const BbReqCtx *ctx, BbCatalogScan *scan,
								 BbCapturedFile *file);
extern bool bb_catalog_next_directory(const BbReqCtx *ctx, BbCatalogScan *scan,
									  BbCapturedDirectory *directory);
extern bool bb_catalog_next_twophase(const BbReqCtx *ctx, BbCatalogScan *scan,
									 BbTwophase *twophase);
extern bool bb_catalog_next_origin(const BbReqCtx *ctx, BbCatalogScan *scan,
								   BbOrigin *origin);

/* "pg_xact", "pg_multixact/offsets", …: the SLRU's directory. */
extern const char *bb_slru_directory(BbSlru slru);

/* "pg_xact/0000", …: the path of a segment, as the server names it. */
extern char *bb_slru_path(const BbMajor *major, BbSlru slru, uint64 segment);

/* Encode a FILE_ENTRY's value, for import. */
extern void bb_catalog_encode_file(const BbCapturedFile *file,
								   StringInfo value);

/* Is this a FILE_ENTRY's value for a file with this path? */
extern bool bb_catalog_is_file(const uint8 *value, uint32 length,
							   const char *path);

#endif /* BB_CATALOG_H */
