/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  What exists at an LSN: the directory keys, decoded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "pagestore/catalog.h"

struct BbCatalogScan
{
	BbPageScan *scan;
	/* a relation's forks are several keys: the one that was read too far */
	bool		held;
	BbKeyFields held_key;
	BlockNumber held_blocks;
};

BbCatalogScan *
bb_catalog_scan_new(const BbReqCtx *ctx, BbPageStore *store, BbKeyKind kind,
					XLogRecPtr lsn)
{
	BbCatalogScan *scan = palloc0(sizeof(BbCatalogScan));
	BbKeyRange	range = bb_key_range_kind(kind);

	scan->scan = bb_pagestore_scan_new(ctx, store, &range, lsn);
	return scan;
}

BbCatalogScan *
bb_catalog_relations_of(const BbReqCtx *ctx, BbPageStore *store, Oid spc,
						Oid db, XLogRecPtr lsn)
{
	BbCatalogScan *scan = palloc0(sizeof(BbCatalogScan));
	BbKeyRange	range;

	range.start = bb_key_make(BB_KEY_REL_SIZE, spc, db, 0, 0, 0);
	range.end = bb_key_make(BB_KEY_REL_SIZE, spc, db, PG_UINT32_MAX,
							PG_UINT8_MAX, PG_UINT32_MAX);
	scan->scan = bb_pagestore_scan_new(ctx, store, &range, lsn);
	return scan;
}

BbCatalogScan *
bb_catalog_databases_of(const BbReqCtx *ctx, BbPageStore *store, Oid spc,
						XLogRecPtr lsn)
{
	BbCatalogScan *scan = palloc0(sizeof(BbCatalogScan));
	BbKeyRange	range;

	range.start = bb_key_make(BB_KEY_DATABASE, spc, 0, 0, 0, 0);
	range.end = bb_key_make(BB_KEY_DATABASE, spc + 1, 0, 0, 0, 0);
	scan->scan = bb_pagestore_scan_new(ctx, store, &range, lsn);
	return scan;
}

void
bb_catalog_scan_close(BbCatalogScan *scan)
{
	bb_pagestore_scan_close(scan->scan);
	pfree(scan);
}

static bool
next_value(const BbReqCtx *ctx, BbCatalogScan *scan, BbKeyFields *fields,
		   BbReader *reader)
{
	BbKey		key;
	BbValue		value;

	if (!bb_pagestore_scan_next(ctx, scan->scan, &key, &value))
		return false;
	*fields = bb_key_fields(&key);
	bb_reader_init(reader, value.data, value.length);
	return true;
}

static void
check_done(const BbKeyFields *f, const BbReader *reader)
{
	BbKey		key;

	if (bb_reader_done(reader))
		return;
	key = bb_key_make(f->kind, f->spc, f->db, f->rel, f->fork, f->block);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the page store's entry for %s is invalid",
					bb_key_text(&key))));
}

/* What is left in the reader, as text. */
static char *
rest_as_text(BbReader *reader)
{
	size_t		length = reader->length - reader->at;
	const uint8 *bytes = bb_reader_bytes(reader, length);

	if (bytes == NULL || length >= MAXPGPATH || memchr(bytes, 0, length))
	{
		reader->failed = true;
		return NULL;
	}
	return pnstrdup((const char *) bytes, length);
}

bool
bb_catalog_next_tablespace(const BbReqCtx *ctx, BbCatalogScan *scan,
						   BbTablespace *tablespace)
{
	BbKeyFields fields;
	BbReader	reader;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	tablespace->spc = fields.spc;
	tablespace->location = rest_as_text(&reader);
	check_done(&fields, &reader);
	return true;
}

bool
bb_catalog_next_database(const BbReqCtx *ctx, BbCatalogScan *scan,
						 BbDatabase *database)
{
	BbKeyFields fields;
	BbReader	reader;
	uint8		flags;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	flags = bb_reader_u8(&reader);
	check_done(&fields, &reader);
	database->spc = fields.spc;
	database->db = fields.db;
	database->default_tablespace =
		(flags & BB_DATABASE_DEFAULT_TABLESPACE) != 0;
	return true;
}

/*
 * Read the next size key ahead.
 */
static void
hold_size(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbReader	reader;

	scan->held = next_value(ctx, scan, &scan->held_key, &reader);
	if (!scan->held)
		return;
	scan->held_blocks = bb_reader_le32(&reader);
	if (scan->held_key.fork > MAX_FORKNUM ||
		scan->held_blocks == BB_FORK_ABSENT)
		reader.failed = true;
	check_done(&scan->held_key, &reader);
}

bool
bb_catalog_next_relation(const BbReqCtx *ctx, BbCatalogScan *scan,
						 BbRelation *relation)
{
	if (!scan->held)
		hold_size(ctx, scan);
	if (!scan->held)
		return false;

	relation->spc = scan->held_key.spc;
	relation->db = scan->held_key.db;
	relation->rel = scan->held_key.rel;
	for (int fork = 0; fork <= MAX_FORKNUM; fork++)
		relation->blocks[fork] = BB_FORK_ABSENT;

	while (scan->held && scan->held_key.spc == relation->spc &&
		   scan->held_key.db == relation->db &&
		   scan->held_key.rel == relation->rel)
	{
		relation->blocks[scan->held_key.fork] = scan->held_blocks;
		hold_size(ctx, scan);
	}
	return true;
}

bool
bb_catalog_next_slru_segment(const BbReqCtx *ctx, BbCatalogScan *scan,
							 BbSlruSegment *segment)
{
	BbKeyFields fields;
	BbReader	reader;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	segment->pages = bb_reader_le32(&reader);
	if (fields.spc >= BB_SLRU_COUNT)
		reader.failed = true;
	check_done(&fields, &reader);
	segment->slru = (BbSlru) fields.spc;
	segment->segment = ((uint64) fields.db << 32) | fields.rel;
	return true;
}

bool
bb_catalog_next_file(const BbReqCtx *ctx, BbCatalogScan *scan,
					 BbCapturedFile *file)
{
	BbKeyFields fields;
	BbReader	reader;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	file->ordinal = fields.rel;
	file->mode = bb_reader_le32(&reader);
	file->size = bb_reader_le64(&reader);
	file->path = rest_as_text(&reader);
	check_done(&fields, &reader);
	return true;
}

bool
bb_catalog_next_directory(const BbReqCtx *ctx, BbCatalogScan *scan,
						  BbCapturedDirectory *directory)
{
	BbKeyFields fields;
	BbReader	reader;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	directory->ordinal = fields.rel;
	directory->path = rest_as_text(&reader);
	check_done(&fields, &reader);
	return true;
}

void
bb_catalog_encode_file(const BbCapturedFile *file, StringInfo value)
{
	bb_append_le32(value, file->mode);
	bb_append_le64(value, file->size);
	appendStringInfoString(value, file->path);
}

bool
bb_catalog_is_file(const uint8 *value, uint32 length, const char *path)
{
	const uint32 before = sizeof(uint32) + sizeof(uint64);

	return length == before + strlen(path) &&
		memcmp(value + before, path, strlen(path)) == 0;
}

bool
bb_catalog_next_twophase(const BbReqCtx *ctx, BbCatalogScan *scan,
						 BbTwophase *twophase)
{
	BbKeyFields fields;
	BbReader	reader;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	twophase->size = bb_reader_le32(&reader);
	check_done(&fields, &reader);
	twophase->xid = ((uint64) fields.spc << 32) | fields.db;
	return true;
}

bool
bb_catalog_next_origin(const BbReqCtx *ctx, BbCatalogScan *scan,
					   BbOrigin *origin)
{
	BbKeyFields fields;
	BbReader	reader;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	origin->remote_lsn = bb_reader_le64(&reader);
	check_done(&fields, &reader);
	origin->id = fields.rel;
	return true;
}

const char *
bb_slru_directory(BbSlru slru)
{
	switch (slru)
	{
		case BB_SLRU_XACT:
			return "pg_xact";
		case BB_SLRU_MULTIXACT_OFFSETS:
			return "pg_multixact/offsets";
		case BB_SLRU_MULTIXACT_MEMBERS:
			return "pg_multixact/members";
		case BB_SLRU_COMMIT_TS:
			return "pg_commit_ts";
	}
	elog(ERROR, "unknown SLRU %d", (int) slru);
}
