/*-------------------------------------------------------------------------
 *
 * verify_pages.c
 *	  Verification of pages: the blocks at an LSN.
 *
 *	  sizes	  [a: 3 blocks]		  [b: 0]	[c: 2 blocks]	one scan
 *	  blocks  [a 0] [a 1] [a 2]				[c 0] [c 1]		another one
 *					 ^ pass->key: blocks before it have been checked
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/pagecheck.h"
#include "pagestore/blockread.h"
#include "pagestore/blockscan.h"
#include "upkeep/inherited.h"
#include "upkeep/pace.h"
#include "upkeep/verify_note.h"
#include "upkeep/verify_pages.h"
#include "upkeep/verify_values.h"
#include "utils/memutils.h"

/* A step checks so many blocks. */
#define STEP_BLOCKS 8192

/* Where a scan fails, so many blocks are read one by one. */
#define CAREFUL_BLOCKS 256

/* Values with blocks: the kind of the size, and that of the blocks. */
static const struct
{
	BbKeyKind	size;
	BbKeyKind	block;
}			kinds[] = {
	{BB_KEY_FILE_ENTRY, BB_KEY_FILE_BLOCK},
	{BB_KEY_SLRU_SIZE, BB_KEY_SLRU_BLOCK},
	{BB_KEY_REL_SIZE, BB_KEY_REL_BLOCK},
	{BB_KEY_TWOPHASE_SIZE, BB_KEY_TWOPHASE_BLOCK},
};

/* The blocks that a size says are there. */
typedef struct Extent
{
	BbKey		size_key;
	uint64		blocks;
	uint32		last_length; /* of the last one */
} Extent;

typedef struct Walk
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	BbVerifyPass *pass;
	XLogRecPtr	lsn;
	BbPageStore *store;
	BbSnapshot	snapshot;
	BbZeroRuns	zeros;
	uint64		blocks; /* checked in this step */

	bool		in_sizes; /* is a size being read? */
	Extent		extent;	  /* being checked */
	uint64		end;	  /* careful: up to this block */
	bool		failed;	  /* careful: is there a finding? */
	bool		more;	  /* the step is over, the LSN isn't */
} Walk;

/* ---- findings ---- */

/* The key of a block of an extent. */
static BbKey
block_key(const Extent *extent, BbKeyKind kind, uint64 block)
{
	BbKeyFields f = bb_key_fields(&extent->size_key);

	return bb_key_make(kind, f.spc, f.db, f.rel, f.fork,
					   (uint32) Min(block, PG_UINT32_MAX));
}

static void
note_blocks(Walk *walk, BbFindingKind kind, uint64 end, const char *message)
{
	BbKeyRange	keys = {.start = walk->pass->key,
						.end = block_key(&walk->extent,
										 (BbKeyKind) walk->pass->key.bytes[0],
										 end)};

	bb_verify_note_at(walk->pass, walk->lsn, kind, &keys, message);
	walk->failed = true;
}

/* ---- a block ---- */

/* How long is block number "block"? */
static uint32
length_of(const Extent *extent, uint64 block)
{
	return block == extent->blocks - 1 ? extent->last_length : BLCKSZ;
}

/* Check the block at pass->key; value NULL: there is none. */
static void
check_block(Walk *walk, uint64 block, const BbValue *value)
{
	BbKey	   *key = &walk->pass->key;
	uint32		length = length_of(&walk->extent, block);
	PGAlignedBlock page;
	const char *error;

	if (value == NULL)
	{
		if (key->bytes[0] != BB_KEY_REL_BLOCK ||
			bb_zeroruns_page(walk->ctx, &walk->zeros, key) == NULL)
			note_blocks(walk, BB_FINDING_ABSENT, block + 1,
						"The block is missing.");
		return;
	}
	if (value->length != length)
	{
		note_blocks(walk, BB_FINDING_VALUE, block + 1,
					psprintf("It has %u bytes; they should be %u.",
							 value->length, length));
		return;
	}
	if (key->bytes[0] != BB_KEY_REL_BLOCK)
		return;
	memcpy(page.data, value->data, BLCKSZ);
	error = bb_pagecheck(page.data, (BlockNumber) block,
						 bb_pagestore_info(walk->store)
								 ->data_checksum_version != 0,
						 walk->lsn);
	if (error != NULL)
		note_blocks(walk, BB_FINDING_PAGE, block + 1, error);
}

/* Pass the block at pass->key. */
static void
pass_block(Walk *walk, uint64 block)
{
	walk->pass->key = block_key(&walk->extent,
								(BbKeyKind) walk->pass->key.bytes[0],
								block + 1);
	walk->pass->pages++;
	if (++walk->blocks % 64 == 0)
		bb_upkeeppace(walk->ctx, 0);
	if (walk->blocks >= STEP_BLOCKS)
		walk->more = true;
}

/* ---- extents ---- */

/* Decode a size.  Returns false if it is invalid, which was found before. */
static bool
decode_size(const BbKey *key, const BbValue *value, Extent *extent)
{
	BbReader	reader;
	uint64		bytes;

	bb_reader_init(&reader, value->data, value->length);
	extent->size_key = *key;
	extent->last_length = BLCKSZ;
	switch (key->bytes[0])
	{
		case BB_KEY_REL_SIZE:
		case BB_KEY_SLRU_SIZE:
			extent->blocks = bb_reader_le32(&reader);
			return bb_reader_done(&reader);
		case BB_KEY_TWOPHASE_SIZE:
			bytes = bb_reader_le32(&reader);
			break;
		default:
			(void) bb_reader_le32(&reader);
			bytes = bb_reader_le64(&reader);
			break;
	}
	extent->blocks = bytes / BLCKSZ + (bytes % BLCKSZ != 0);
	if (bytes % BLCKSZ != 0)
		extent->last_length = bytes % BLCKSZ;
	return !reader.failed && extent->blocks <= PG_UINT32_MAX;
}

/* The key of the size that the block at pass->key belongs to. */
static BbKey
size_key_at(const Walk *walk, BbKeyKind kind)
{
	BbKeyFields f = bb_key_fields(&walk->pass->key);

	return bb_key_make(kind, f.spc, f.db, f.rel, f.fork, 0);
}

/* Where to begin in an extent: at pass->key, if that is in it. */
static uint64
first_block(Walk *walk, BbKeyKind kind)
{
	BbKey		first = block_key(&walk->extent, kind, 0);

	if (bb_key_compare(&first, &walk->pass->key) > 0)
		walk->pass->key = first;
	return bb_key_fields(&walk->pass->key).block;
}

/* Check the blocks of an extent from number "block" on, by the scan. */
static void
scan_extent(Walk *walk, BbBlockScan *scan, uint64 block)
{
	for (; block < walk->extent.blocks && !walk->more; block++)
	{
		BbKey		key;
		BbValue		value;
		bool		found;

		found = bb_blockscan_peek(walk->ctx, scan, &walk->pass->key, &key,
								  &value) &&
			bb_key_compare(&key, &walk->pass->key) == 0;
		check_block(walk, block, found ? &value : NULL);
		if (found)
			bb_blockscan_advance(scan);
		pass_block(walk, block);
	}
}

/* Check all blocks of a kind from pass->key on, or a step's worth. */
static void
check_kind(Walk *walk, int kind)
{
	BbKeyRange	range = {.start = size_key_at(walk, kinds[kind].size),
						 .end = bb_key_range_kind(kinds[kind].size).end};
	BbBlockScan blocks;
	BbPageScan *sizes;
	BbKey		key;
	BbValue		value;

	walk->in_sizes = true;
	bb_blockscan_init(&blocks, &walk->snapshot);
	sizes = bb_pagestore_scan_new(walk->ctx, &walk->snapshot, &range);
	while (bb_pagestore_scan_next(walk->ctx, sizes, &key, &value))
	{
		if (!decode_size(&key, &value, &walk->extent))
			continue;
		walk->in_sizes = false;
		scan_extent(walk, &blocks, first_block(walk, kinds[kind].block));
		if (walk->more)
			return;
		walk->in_sizes = true;
	}
	walk->pass->key = bb_key_range_kind(kinds[kind].block).end;
}

/* ---- the walk ---- */

/* Open the timeline in CurrentMemoryContext. */
static void
open_store(Walk *walk)
{
	walk->store = bb_pagestore_open_in(walk->ctx, walk->objects,
									   walk->pass->timeline);
	walk->snapshot = bb_snapshot_at(walk->store, walk->lsn);
	bb_zeroruns_init(&walk->zeros, &walk->snapshot);
}

/* The index in "kinds" of what pass->key belongs to, or the next one. */
static int
kind_at(const BbVerifyPass *pass)
{
	int			kind = 0;

	while (kind < lengthof(kinds) && kinds[kind].block < pass->key.bytes[0])
		kind++;
	return kind;
}

/* Check a step's worth from pass->key on; a call of bb_verify_try. */
static void
walk_on(void *arg)
{
	Walk	   *walk = arg;
	BbVerifyPass *pass = walk->pass;

	open_store(walk);
	if (pass->key.bytes[0] == 0)
	{
		bb_verify_values(walk->ctx, &walk->snapshot, pass);
		pass->key = bb_key_range_kind(kinds[0].block).start;
	}
	for (int kind = kind_at(pass); kind < lengthof(kinds) && !walk->more;
		 kind++)
	{
		BbKey		start = bb_key_range_kind(kinds[kind].block).start;

		if (bb_key_compare(&pass->key, &start) < 0)
			pass->key = start;
		check_kind(walk, kind);
	}
}

/* Read the block at pass->key by itself; a call of bb_verify_try. */
static void
read_block(void *arg)
{
	Walk	   *walk = arg;
	BbKey	   *key = &walk->pass->key;
	BbValue		value;
	bool		found = bb_pagestore_get(walk->ctx, &walk->snapshot, key,
										 &value);

	check_block(walk, bb_key_fields(key).block, found ? &value : NULL);
}

/* Read blocks up to walk->end by a scan again; a call of bb_verify_try. */
static void
scan_again(void *arg)
{
	Walk	   *walk = arg;
	BbKeyRange	range = {.start = walk->pass->key,
						 .end = block_key(&walk->extent,
										  (BbKeyKind) walk->pass->key.bytes[0],
										  walk->end)};
	BbPageScan *scan = bb_pagestore_scan_new(walk->ctx, &walk->snapshot,
											 &range);
	BbKey		key;
	BbValue		value;

	while (bb_pagestore_scan_next(walk->ctx, scan, &key, &value))
		bb_reqctx_check(walk->ctx);
}

/*
 * A scan has failed at or after pass->key: read the next blocks one by one.
 */
static void
go_carefully(Walk *walk)
{
	BbVerifyPass *pass = walk->pass;
	uint64		block = bb_key_fields(&pass->key).block;
	BbKey		begin = pass->key;
	ErrorData  *error;

	open_store(walk);
	walk->end = Min(walk->extent.blocks, block + CAREFUL_BLOCKS);
	walk->failed = false;
	for (; block < walk->end; block++)
	{
		error = bb_verify_try(read_block, walk);
		if (error != NULL)
			note_blocks(walk, BB_FINDING_READ, block + 1, error->message);
		pass_block(walk, block);
	}
	if (walk->failed)
		return;

	/* the scan may have failed ahead of these blocks */
	pass->key = begin;
	open_store(walk);
	error = bb_verify_try(scan_again, walk);
	if (error != NULL)
		note_blocks(walk, BB_FINDING_READ, walk->end,
					psprintf("Backups can't read what single reads can: %s",
							 error->message));
	pass->key = block_key(&walk->extent, (BbKeyKind) begin.bytes[0],
						  walk->end);
}

/* Sizes can't be read from pass->key on, so nothing is known of their blocks. */
static void
give_up_kind(Walk *walk, const char *message)
{
	BbVerifyPass *pass = walk->pass;
	int			kind = kind_at(pass);
	BbKeyRange	range = {.start = pass->key,
						 .end = bb_key_range_kind(kinds[kind].block).end};

	bb_verify_note_at(pass, walk->lsn, BB_FINDING_READ, &range, message);
	pass->key = range.end;
}

bool
bb_verify_lsn_readable(const BbManifest *manifest, XLogRecPtr lsn)
{
	return lsn <= manifest->end_lsn &&
		(lsn >= manifest->start_lsn ||
		 bb_keeps_has_point(&manifest->keeps, lsn)) &&
		bb_gap_at(manifest->gaps, manifest->ngaps, lsn) == NULL;
}

/* Go on at an LSN.  Returns false at its end. */
static bool
walk_lsn(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass)
{
	Walk		walk = {.ctx = ctx,
						.objects = objects,
						.pass = pass,
						.lsn = pass->lsns[pass->lsn_at]};
	BbManifest *manifest = bb_manifest_read(ctx, objects, pass->timeline);
	BbManifest	readable = bb_manifest_readable(manifest);
	ErrorData  *error;

	if (!bb_verify_lsn_readable(&readable, walk.lsn))
		return false;
	error = bb_verify_try(walk_on, &walk);
	if (error == NULL)
		return walk.more;

	/* upkeep may have removed a layer: then the next step reads another one */
	if (walk.store != NULL && !bb_pagestore_is_current(ctx, walk.store))
		return true;
	if (walk.store == NULL || pass->key.bytes[0] == 0)
		bb_verify_note_at(pass, walk.lsn, BB_FINDING_READ,
						  &(BbKeyRange){bb_key_range_all().start,
										bb_key_range_all().end},
						  error->message);
	else if (walk.in_sizes)
		give_up_kind(&walk, error->message);
	else
		go_carefully(&walk);
	return walk.store != NULL && pass->key.bytes[0] != 0;
}

bool
bb_verify_pages(const BbReqCtx *ctx, BbObjectStore *objects,
				BbVerifyPass *pass)
{
	if (!pass->asked)
	{
		MemoryContext old = MemoryContextSwitchTo(pass->context);

		pass->inherited = bb_inherited_from_ancestors(ctx, objects,
													  pass->timeline);
		pass->asked = true;
		MemoryContextSwitchTo(old);
	}
	if (pass->lsn_at < pass->nlsns && !walk_lsn(ctx, objects, pass))
	{
		pass->lsn_at++;
		pass->key = bb_key_range_all().start;
	}
	return pass->lsn_at < pass->nlsns;
}
