/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  What exists at an LSN: the directory keys, decoded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "access/transam.h"
#include "base/codec.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "pagestore/captured.h"
#include "pagestore/catalog.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

struct BbCatalogScan
{
	const BbPageStore *store;
	BbPageScan *scan;
	/* a relation's forks are several keys: the first key after them */
	bool		held;
	BbKeyFields held_key;
	BlockNumber held_blocks;
};

static BbCatalogScan *
scan_range(const BbReqCtx *ctx, const BbSnapshot *snapshot, BbKeyRange range)
{
	BbCatalogScan *scan = palloc0(sizeof(BbCatalogScan));

	scan->store = snapshot->store;
	scan->scan = bb_pagestore_scan_new(ctx, snapshot, &range);
	return scan;
}

BbCatalogScan *
bb_catalog_scan_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
					BbKeyKind kind)
{
	return scan_range(ctx, snapshot, bb_key_range_kind(kind));
}

BbCatalogScan *
bb_catalog_relations_of(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						Oid spc, Oid db)
{
	BbKeyRange	range = {
		.start = bb_key_make(BB_KEY_REL_SIZE, spc, db, 0, 0, 0),
		.end = bb_key_make(BB_KEY_REL_SIZE, spc, db, PG_UINT32_MAX,
						   PG_UINT8_MAX, PG_UINT32_MAX),
	};

	return scan_range(ctx, snapshot, range);
}

BbCatalogScan *
bb_catalog_databases_of(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						Oid spc)
{
	BbKeyRange	range = {
		.start = bb_key_make(BB_KEY_DATABASE, spc, 0, 0, 0, 0),
		.end = bb_key_make(BB_KEY_DATABASE, spc + 1, 0, 0, 0, 0),
	};

	return scan_range(ctx, snapshot, range);
}

void
bb_catalog_scan_close(BbCatalogScan *scan)
{
	bb_pagestore_scan_close(scan->scan);
	pfree(scan);
}

static void
report_invalid(const BbCatalogScan *scan, const BbKey *key,
			   const char *complaint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("timeline \"%s\" has an invalid entry for %s",
					bb_pagestore_info(scan->store)->timeline,
					bb_key_text(key)),
			 errdetail("%s", complaint)));
}

/* The key with all fields that its kind doesn't use set to zero. */
static BbKey
canonical_key(const BbKeyFields *f)
{
	switch (f->kind)
	{
		case BB_KEY_TABLESPACE:
			return bb_key_make(f->kind, f->spc, 0, 0, 0, 0);
		case BB_KEY_DATABASE:
		case BB_KEY_TWOPHASE_SIZE:
			return bb_key_make(f->kind, f->spc, f->db, 0, 0, 0);
		case BB_KEY_FILE_ENTRY:
		case BB_KEY_FILE_DIRECTORY:
		case BB_KEY_REPLICATION_ORIGIN:
			return bb_key_make(f->kind, 0, 0, f->rel, 0, 0);
		case BB_KEY_SLRU_SIZE:
			return bb_key_make(f->kind, f->spc, f->db, f->rel, 0, 0);
		case BB_KEY_REL_SIZE:
			return bb_key_make(f->kind, f->spc, f->db, f->rel, f->fork, 0);
		default:
			break;
	}
	elog(ERROR, "kind %d is not one of directory keys", (int) f->kind);
}

/*
 * The next entry.  A key that differs in a field that its kind doesn't use
 * would be a second entry of the same thing.
 */
static bool
next_value(const BbReqCtx *ctx, BbCatalogScan *scan, BbKeyFields *fields,
		   BbReader *reader)
{
	BbKey		key;
	BbKey		canonical;
	BbValue		value;

	if (!bb_pagestore_scan_next(ctx, scan->scan, &key, &value))
		return false;
	*fields = bb_key_fields(&key);
	canonical = canonical_key(fields);
	if (bb_key_compare(&key, &canonical) != 0)
		report_invalid(scan, &key,
					   "Its key has a value in a field that is not used.");
	bb_reader_init(reader, value.data, value.length);
	return true;
}

/*
 * Check what was decoded, since a store is not trusted: is it whole?
 * "complaint" is another fault that the caller has found; NULL: none.
 */
static bool
check_valid(const BbCatalogScan *scan, const BbKeyFields *f,
			const BbReader *reader, const char *complaint)
{
	BbKey		key = bb_key_make(f->kind, f->spc, f->db, f->rel, f->fork,
								  f->block);

	if (!bb_reader_done(reader))
		report_invalid(scan, &key, "Its value has the wrong length.");
	if (complaint != NULL)
		report_invalid(scan, &key, complaint);
	return true;
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
	check_valid(scan, &fields, &reader,
				fields.spc < FirstNormalObjectId
					? "There can be no tablespace of that OID."
					: NULL);
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
	check_valid(scan, &fields, &reader,
				(fields.db == InvalidOid) !=
						(fields.spc == GLOBALTABLESPACE_OID)
					? "There can be no such database in that tablespace."
					: NULL);
	database->spc = fields.spc;
	database->db = fields.db;
	database->default_tablespace = (flags & BB_DATABASE_DEFAULT_TABLESPACE) !=
		0;
	return true;
}

/* Read the next size key ahead. */
static void
hold_size(const BbReqCtx *ctx, BbCatalogScan *scan)
{
	BbReader	reader;
	const char *complaint = NULL;

	scan->held = next_value(ctx, scan, &scan->held_key, &reader);
	if (!scan->held)
		return;
	scan->held_blocks = bb_reader_le32(&reader);
	if (scan->held_key.fork > MAX_FORKNUM)
		complaint = "There is no such fork.";
	else if (scan->held_key.rel == InvalidOid)
		complaint = "There can be no relation of that number.";
	else if (scan->held_blocks == BB_FORK_ABSENT)
		complaint = "It has more blocks than a relation can have.";
	check_valid(scan, &scan->held_key, &reader, complaint);
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
	const char *complaint = NULL;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	segment->pages = bb_reader_le32(&reader);
	segment->segment = ((uint64) fields.db << 32) | fields.rel;
	if (fields.spc >= BB_SLRU_COUNT)
		complaint = "There is no such SLRU.";
	else if (segment->pages > SLRU_PAGES_PER_SEGMENT)
		complaint = "It has more pages than a segment can have.";
	else if (segment->segment > PG_UINT32_MAX)
		complaint = "There can be no segment of that number.";
	check_valid(scan, &fields, &reader, complaint);
	segment->slru = (BbSlru) fields.spc;
	return true;
}

bool
bb_catalog_next_file(const BbReqCtx *ctx, BbCatalogScan *scan,
					 BbCapturedFile *file)
{
	BbKeyFields fields;
	BbReader	reader;
	const char *complaint = NULL;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	file->ordinal = fields.rel;
	file->mode = bb_reader_le32(&reader);
	file->size = bb_reader_le64(&reader);
	file->path = rest_as_text(&reader);
	if ((file->mode & ~BB_CAPTURED_MODE_MASK) != 0)
		complaint = "A captured file cannot have these permissions.";
	else if (file->size > BB_CAPTURED_MAX_SIZE)
		complaint = "It is larger than captured files are.";
	else if (file->path != NULL)
		complaint = bb_captured_error(file->path);
	return check_valid(scan, &fields, &reader, complaint);
}

bool
bb_catalog_next_directory(const BbReqCtx *ctx, BbCatalogScan *scan,
						  BbCapturedDirectory *directory)
{
	BbKeyFields fields;
	BbReader	reader;
	const char *complaint = NULL;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	directory->ordinal = fields.rel;
	directory->path = rest_as_text(&reader);
	if (directory->path != NULL)
		complaint = bb_captured_error(directory->path);
	return check_valid(scan, &fields, &reader, complaint);
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
	const char *complaint = NULL;

	if (!next_value(ctx, scan, &fields, &reader))
		return false;
	twophase->size = bb_reader_le32(&reader);
	twophase->xid = ((uint64) fields.spc << 32) | fields.db;
	if (!TransactionIdIsNormal((TransactionId) twophase->xid) ||
		(bb_pagestore_major(scan->store)->twophase_digits < 16 &&
		 twophase->xid > PG_UINT32_MAX))
		complaint = "There can be no transaction of that number.";
	else if (twophase->size > MaxAllocSize - sizeof(pg_crc32c))
		complaint = "It is larger than the server can read.";
	return check_valid(scan, &fields, &reader, complaint);
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
	check_valid(scan, &fields, &reader,
				fields.rel == 0 || fields.rel > PG_UINT16_MAX
					? "There can be no replication origin of that number."
					: NULL);
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

/* (SlruFileName in PostgreSQL's slru.c) */
char *
bb_slru_path(const BbMajor *major, BbSlru slru, uint64 segment)
{
	int			digits = slru == BB_SLRU_MULTIXACT_MEMBERS
		? major->members_digits
		: 4;

	return psprintf("%s/%0*llX", bb_slru_directory(slru), digits,
					(unsigned long long) segment);
}
