/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  What exists at an LSN: databases, relations, SLRU segments, files.
 *
 * The page store's directory keys, decoded.  Each iterator follows one kind
 * of key in key order and holds one scan; none of them keeps a list.
 *
 * Whatever an iterator returns was checked: paths are below the data directory
 * (captured.h), sizes and numbers are possible, permissions are such as
 * PostgreSQL's files have.
 *
 * Errors: those of the page store; DATA_CORRUPTED (timeline, key) for a value
 * that can't be decoded or is impossible.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CATALOG_H
#define BB_CATALOG_H

#include "lib/stringinfo.h"
#include "pagestore/pagestore.h"

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
	char	   *location; /* where the source had it; palloc'd */
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
 * the data directory; its content is in FILE_BLOCKs of BLCKSZ bytes, the
 * last one shorter.
 */
typedef struct BbCapturedFile
{
	uint32		ordinal;
	mode_t		mode; /* permission bits */
	uint64		size; /* bytes */
	char	   *path; /* palloc'd */
} BbCapturedFile;

/*
 * A directory that no captured file is in, nor below.  FILE_DIRECTORY's value:
 * the path relative to the data directory.
 */
typedef struct BbCapturedDirectory
{
	uint32		ordinal;
	char	   *path; /* palloc'd */
} BbCapturedDirectory;

typedef struct BbTwophase
{
	uint64		xid;  /* from PG 17 on with its epoch */
	uint32		size; /* bytes, CRC left out */
} BbTwophase;

typedef struct BbOrigin
{
	uint32		id;
	XLogRecPtr	remote_lsn;
} BbOrigin;

/* One iterator for all: new, then next of the kind it was made for. */
typedef struct BbCatalogScan BbCatalogScan;

/* Of all there are of a kind.  kind: the directory key's (REL_SIZE, …). */
extern BbCatalogScan *bb_catalog_scan_new(const BbReqCtx *ctx,
										  BbPageStore *store, BbKeyKind kind,
										  XLogRecPtr lsn);
/* REL_SIZE: only of one database (directory). */
extern BbCatalogScan *bb_catalog_relations_of(const BbReqCtx *ctx,
											  BbPageStore *store, Oid spc,
											  Oid db, XLogRecPtr lsn);
/* DATABASE: only of one tablespace that isn't built in. */
extern BbCatalogScan *bb_catalog_databases_of(const BbReqCtx *ctx,
											  BbPageStore *store, Oid spc,
											  XLogRecPtr lsn);
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

/* FILE_ENTRY's value, for import. */
extern void bb_catalog_encode_file(const BbCapturedFile *file,
								   StringInfo value);

/* Is that a FILE_ENTRY's value for a file with this path? */
extern bool bb_catalog_is_file(const uint8 *value, uint32 length,
							   const char *path);

#endif /* BB_CATALOG_H */
