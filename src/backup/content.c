/*-------------------------------------------------------------------------
 *
 * content.c
 *	  The bytes of a member, piece by piece.
 *
 * Relation and SLRU blocks come from one pass over the page store
 * (blockscan.h).  Point reads serve what is small or out of order: captured
 * files, two-phase files, and init forks, which a backup has twice.
 *
 * The file list says how many blocks a file has.  The page store may have
 * more: those of forks that were truncated, and of relations dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/content.h"
#include "base/compat.h"
#include "base/foreigntext.h"
#include "members/filelist.h"
#include "pagestore/blockread.h"
#include "pagestore/blockscan.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

struct BbContentReader
{
	MemoryContext context; /* owns this struct and its scan */
	const BbSnapshot *snapshot;
	const BbSeed *seed;
	BbBlockScan blocks;
	BbZeroRuns	zeros;
	const BbPartial *partial; /* NULL: all databases */
	BbParallel *parallel;	  /* workers for relation blocks; NULL: none */
	bool		points;		  /* read blocks one by one, not by the scan */

	BbMember	member;
	uint64		at;	 /* bytes of it already returned */
	pg_crc32c	crc; /* of them; two-phase files */
	uint8		control[PG_CONTROL_FILE_SIZE];
	uint8		wal[XLOG_BLCKSZ]; /* the page returned last */
};

/* Fewer blocks than these are read one by one: a scan costs as much to begin. */
#define SCAN_FROM 4

static BbContentReader *
new_reader(const BbSnapshot *snapshot)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup content",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbContentReader *reader = palloc0(sizeof(BbContentReader));

	StaticAssertStmt(PG_CONTROL_FILE_SIZE <= BB_PIECE_MAX,
					 "the control file is one piece");

	reader->context = context;
	reader->snapshot = snapshot;
	bb_blockscan_init(&reader->blocks, snapshot);
	bb_zeroruns_init(&reader->zeros, snapshot);

	MemoryContextSwitchTo(old_context);
	return reader;
}

BbContentReader *
bb_content_new(const BbBackupPlan *plan)
{
	BbContentReader *reader = new_reader(&plan->snapshot);

	reader->seed = plan->seed;
	reader->partial = plan->options.partial;
	memcpy(reader->control, plan->seed->control.bytes,
		   plan->major->control_size);
	return reader;
}

BbContentReader *
bb_content_new_at(const BbSnapshot *snapshot)
{
	return new_reader(snapshot);
}

void
bb_content_share(BbContentReader *reader, BbParallel *parallel)
{
	reader->parallel = parallel;
}

void
bb_content_close(BbContentReader *reader)
{
	bb_blockscan_close(&reader->blocks);
	MemoryContextDelete(reader->context);
}

void
bb_content_begin(const BbReqCtx *ctx, BbContentReader *reader,
				 const BbMember *member)
{
	reader->member = *member;
	reader->at = 0;
	reader->points = false;
	INIT_CRC32C(reader->crc);
}

static void
report_missing(const BbContentReader *reader, const BbKey *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("block of file \"%s\" is missing in the page store",
					reader->member.path),
			 errdetail("There is no %s at " BB_LSN_FORMAT ".", bb_key_text(key),
					   LSN_FORMAT_ARGS(reader->snapshot->lsn))));
}

/* A block that has no value: zeros, or an error if the store has lost it. */
static const uint8 *
absent_block(const BbReqCtx *ctx, BbContentReader *reader, const BbKey *key)
{
	const uint8 *zeros = NULL;

	if (key->bytes[0] == BB_KEY_REL_BLOCK)
		zeros = bb_zeroruns_page(ctx, &reader->zeros, key);
	if (zeros == NULL)
		report_missing(reader, key);
	return zeros;
}

static void
check_length(const BbContentReader *reader, const BbKey *key, uint32 actual,
			 uint32 expected)
{
	if (unlikely(actual != expected))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block of file \"%s\" has a wrong length in the page store",
						reader->member.path),
				 errdetail("%s has %u bytes at " BB_LSN_FORMAT "; they should be %u.",
						   bb_key_text(key), actual,
						   LSN_FORMAT_ARGS(reader->snapshot->lsn), expected)));
}

/* A block, by a point read. */
static const uint8 *
get_block(const BbReqCtx *ctx, BbContentReader *reader, const BbKey *key,
		  uint32 length)
{
	BbValue		value;

	if (!bb_pagestore_get(ctx, reader->snapshot, key, &value))
		return absent_block(ctx, reader, key);
	check_length(reader, key, value.length, length);
	return value.data;
}

/* A block that a worker has made; NULL: the reader has to make it. */
static const uint8 *
shared_block(const BbReqCtx *ctx, BbContentReader *reader, const BbKey *key)
{
	BbBlockOutcome outcome;
	BbValue		value;

	if (reader->parallel == NULL)
		return NULL;
	outcome = bb_parallel_next(ctx, reader->parallel, key, &value);
	if (outcome == BB_BLOCK_OURS)
		return NULL;
	if (outcome == BB_BLOCK_MISSING)
		return absent_block(ctx, reader, key);
	check_length(reader, key, value.length, BLCKSZ);
	return value.data;
}

/* The next block of the pass. */
static const uint8 *
scan_block(const BbReqCtx *ctx, BbContentReader *reader, const BbKey *wanted)
{
	BbKey		key;
	BbValue		value;

	if (!bb_blockscan_peek(ctx, &reader->blocks, wanted, &key, &value) ||
		bb_key_compare(&key, wanted) != 0)
		return absent_block(ctx, reader, wanted);
	check_length(reader, &key, value.length, BLCKSZ);
	bb_blockscan_advance(&reader->blocks);
	return value.data;
}

static const uint8 *
read_relation(const BbReqCtx *ctx, BbContentReader *reader)
{
	const BbMember *member = &reader->member;
	BlockNumber block = member->source.relation.first + reader->at / BLCKSZ;
	BbKey		key = bb_key_rel_block(member->source.relation.spc,
									   member->source.relation.db,
									   member->source.relation.rel,
									   member->source.relation.fork, block);
	const uint8 *marked = NULL;
	const uint8 *data;

	if (member->source.relation.fork == INIT_FORKNUM || reader->points)
		return get_block(ctx, reader, &key, BLCKSZ);
	data = shared_block(ctx, reader, &key);
	if (data == NULL)
		data = scan_block(ctx, reader, &key);
	if (reader->partial != NULL)
		marked = bb_partial_block(reader->partial, &key);
	return marked != NULL ? marked : data;
}

static const uint8 *
read_slru(const BbReqCtx *ctx, BbContentReader *reader)
{
	const BbMember *member = &reader->member;
	BbKey		key = bb_key_slru_block(member->source.slru.slru,
										member->source.slru.segment,
										reader->at / BLCKSZ);

	return reader->points ? get_block(ctx, reader, &key, BLCKSZ)
						  : scan_block(ctx, reader, &key);
}

/* The state, as the page store has it, and after it its CRC. */
static const uint8 *
read_twophase(const BbReqCtx *ctx, BbContentReader *reader, uint32 *length)
{
	uint64		state_size = reader->member.size - sizeof(pg_crc32c);
	BbKey		key;
	const uint8 *data;

	if (reader->at == state_size)
	{
		FIN_CRC32C(reader->crc);
		*length = sizeof(reader->crc);
		return (const uint8 *) &reader->crc;
	}

	*length = Min(BLCKSZ, state_size - reader->at);
	key = bb_key_twophase_block(reader->member.source.xid,
								reader->at / BLCKSZ);
	data = get_block(ctx, reader, &key, *length);
	COMP_CRC32C(reader->crc, data, *length);
	return data;
}

/* The key of the block of a relation or SLRU segment at a byte offset. */
static BbKey
block_key(const BbMember *member, uint64 offset)
{
	if (member->content == BB_CONTENT_SLRU)
		return bb_key_slru_block(member->source.slru.slru,
								 member->source.slru.segment, offset / BLCKSZ);
	return bb_key_rel_block(member->source.relation.spc,
							member->source.relation.db,
							member->source.relation.rel,
							member->source.relation.fork,
							member->source.relation.first + offset / BLCKSZ);
}

/* Choose how the blocks in a range are read. */
static void
choose_way(BbContentReader *reader, uint64 offset, uint64 length)
{
	BbKey		first = block_key(&reader->member, offset);
	BbKey		end = block_key(&reader->member, offset + length);
	bool		follows = reader->blocks.scan != NULL &&
		bb_key_compare(&reader->blocks.at, &first) == 0;

	reader->points = !follows && length < SCAN_FROM * BLCKSZ;
	if (!reader->points)
		bb_blockscan_until(&reader->blocks, &end);
}

/*
 * Read a two-phase file up to the piece that has a byte: the CRC, its last piece, is
 * of all of it.
 */
static void
skip_twophase(const BbReqCtx *ctx, BbContentReader *reader, uint64 offset)
{
	uint64		state_size = reader->member.size - sizeof(pg_crc32c);
	const uint8 *data;
	uint32		piece;

	while (reader->at < state_size &&
		   reader->at + Min(BLCKSZ, state_size - reader->at) <= offset)
		(void) bb_content_next(ctx, reader, &data, &piece);
}

uint64
bb_content_seek(const BbReqCtx *ctx, BbContentReader *reader, uint64 offset,
				uint64 length)
{
	const BbMember *member = &reader->member;

	Assert(offset + length <= member->size);
	if (member->content == BB_CONTENT_TWOPHASE)
		skip_twophase(ctx, reader, offset);
	else
		reader->at = offset - offset % BB_PIECE_MAX;
	if (member->content == BB_CONTENT_RELATION ||
		member->content == BB_CONTENT_SLRU)
		choose_way(reader, reader->at,
				   TYPEALIGN64(BLCKSZ, offset + length - reader->at));
	return reader->at;
}

bool
bb_content_next(const BbReqCtx *ctx, BbContentReader *reader,
				const uint8 **data, uint32 *length)
{
	const BbMember *member = &reader->member;
	uint64		left = member->size - reader->at;
	BbKey		key;

	bb_reqctx_check(ctx);

	if (left == 0)
		return false;

	switch (member->content)
	{
		case BB_CONTENT_MANIFEST:
			elog(ERROR, "content of file \"%s\" is not in the page store",
				 member->path);
			break;
		case BB_CONTENT_NONE:
			elog(ERROR, "directory \"%s\" has no content", member->path);
			break;
		case BB_CONTENT_BYTES:
			*length = Min(BB_PIECE_MAX, left);
			*data = (const uint8 *) member->source.bytes + reader->at;
			break;
		case BB_CONTENT_FILE:
			*length = Min(BLCKSZ, left);
			key = bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, member->source.ordinal,
							  0, reader->at / BLCKSZ);
			*data = get_block(ctx, reader, &key, *length);
			break;
		case BB_CONTENT_SLRU:
			*length = BLCKSZ;
			*data = read_slru(ctx, reader);
			break;
		case BB_CONTENT_RELMAP:
			*length = left;
			key = bb_key_make(BB_KEY_RELMAP, member->source.relmap.spc,
							  member->source.relmap.db, 0, 0, 0);
			*data = get_block(ctx, reader, &key, *length);
			break;
		case BB_CONTENT_RELATION:
			*length = BLCKSZ;
			*data = read_relation(ctx, reader);
			break;
		case BB_CONTENT_TWOPHASE:
			*data = read_twophase(ctx, reader, length);
			break;
		case BB_CONTENT_WAL:
			*length = XLOG_BLCKSZ;
			bb_seed_wal_page(reader->seed, member->source.wal, reader->at,
							 reader->wal);
			*data = reader->wal;
			break;
		case BB_CONTENT_CONTROL:
			*length = PG_CONTROL_FILE_SIZE;
			*data = reader->control;
			break;
	}

	reader->at += *length;
	return true;
}
