/*-------------------------------------------------------------------------
 *
 * rewrite_image.c
 *	  Images: the values of a key range at an LSN, and none is missing.
 *
 * A reader takes it that a key which an image layer covers and lacks doesn't
 * exist.  So what has to exist is known first, and each block is awaited:
 *
 *	  sizes		 REL_SIZE 16384: 3		 REL_SIZE 16385: 2
 *	  expected	 0	 1	 2				 0	 1
 *	  scan		 0	 1	 2	 3	 4		 0		 2		 the first has been
 *								beyond		 missing	 truncated
 *
 * Blocks beyond the size are remains of a truncation or of a relation that was
 * dropped.  They stay in older layers, and the scan seeks past them.
 *
 * The size keys of a kind come before its block keys, and differ from them in
 * the kind and the block number only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/compat.h"
#include "base/zerorun.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"
#include "timeline/timeline.h"
#include "upkeep/rewrite_internal.h"
#include "utils/memutils.h"

/* Blocks, and where their number is known from. */
typedef struct BlockKind
{
	BbKeyKind	blocks;
	BbKeyKind	sizes;
	bool		in_bytes; /* is the size one in bytes? */
} BlockKind;

/* In the order of their keys. */
static const BlockKind block_kinds[] = {
	{BB_KEY_FILE_BLOCK, BB_KEY_FILE_ENTRY, true},
	{BB_KEY_SLRU_BLOCK, BB_KEY_SLRU_SIZE, false},
	{BB_KEY_REL_BLOCK, BB_KEY_REL_SIZE, false},
	{BB_KEY_TWOPHASE_BLOCK, BB_KEY_TWOPHASE_SIZE, true},
};

typedef struct Imager
{
	BbRewrite  *rewrite;
	BbTimeline *timeline;
	XLogRecPtr	lsn;
	BbOutput   *output;

	/* the scan of a stretch of keys */
	BbTimelineScan *scan;
	bool		loaded; /* is "entry" the next value, or "ended" true? */
	bool		ended;
	BbEntry		entry;

	/* runs of zeros of a fork of a relation */
	bool		runs_known;
	BbZeroRunList runs;
} Imager;

pg_noreturn static void
report_value(const Imager *imager, const BbKey *key, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value of %s in timeline \"%s\" at " BB_LSN_FORMAT " is invalid",
					bb_key_text(key), imager->rewrite->manifest->timeline,
					LSN_FORMAT_ARGS(imager->lsn)),
			 errdetail_internal("%s", detail)));
}

pg_noreturn static void
report_missing(const Imager *imager, const BbKey *key, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s is missing in timeline \"%s\" at " BB_LSN_FORMAT,
					bb_key_text(key), imager->rewrite->manifest->timeline,
					LSN_FORMAT_ARGS(imager->lsn)),
			 errdetail_internal("%s", why),
			 errhint("No image was made, and nothing was changed. Run bb_verify().")));
}

/* ---- the scan ---- */

static void
begin_scan(const BbReqCtx *ctx, Imager *imager, const BbKeyRange *range)
{
	imager->scan = bb_timeline_scan_new(ctx, imager->timeline, range,
										imager->lsn);
	imager->loaded = false;
}

/* Return the next value, or NULL. */
static const BbEntry *
peek(const BbReqCtx *ctx, Imager *imager)
{
	if (!imager->loaded)
	{
		imager->ended = !bb_timeline_scan_next(ctx, imager->scan,
											   &imager->entry);
		imager->loaded = true;
	}
	return imager->ended ? NULL : &imager->entry;
}

/* Pass all values before a key. */
static void
pass_before(const BbReqCtx *ctx, Imager *imager, const BbKey *key)
{
	if (imager->loaded &&
		(imager->ended || bb_key_compare(&imager->entry.key, key) >= 0))
		return;
	bb_timeline_scan_seek(ctx, imager->scan, key);
	imager->loaded = false;
}

static void
write_value(const BbReqCtx *ctx, Imager *imager)
{
	bb_output_add(ctx, imager->output, &imager->entry);
	imager->loaded = false;
}

/* ---- blocks ---- */

static BbKey
size_key(const BlockKind *kind, const BbKey *block)
{
	BbKeyFields fields = bb_key_fields(block);

	return bb_key_make(kind->sizes, fields.spc, fields.db, fields.rel,
					   fields.fork, 0);
}

static BbKey
block_key(const BlockKind *kind, const BbKey *size, BlockNumber block)
{
	BbKeyFields fields = bb_key_fields(size);

	return bb_key_make(kind->blocks, fields.spc, fields.db, fields.rel,
					   fields.fork, block);
}

/* The size keys of the blocks of a range, which is within the kind. */
static BbKeyRange
sizes_of(const BlockKind *kind, const BbKeyRange *range)
{
	BbKeyRange	all = bb_key_range_kind(kind->blocks);
	BbKeyRange	sizes = bb_key_range_kind(kind->sizes);

	if (bb_key_compare(&range->start, &all.start) > 0)
		sizes.start = size_key(kind, &range->start);
	if (bb_key_compare(&range->end, &all.end) < 0)
	{
		sizes.end = size_key(kind, &range->end);
		if (bb_key_fields(&range->end).block > 0)
			sizes.end = bb_key_next(&sizes.end);
	}
	return sizes;
}

/* The size that a value says, in blocks or in bytes. */
static uint64
decode_size(const Imager *imager, const BlockKind *kind, const BbEntry *size)
{
	if (kind->sizes == BB_KEY_FILE_ENTRY)
	{
		/* mode u32, size u64, path; see catalog.h */
		if (size->length < sizeof(uint32) + sizeof(uint64))
			report_value(imager, &size->key, "It is too short.");
		return bb_get_le64(size->value + sizeof(uint32));
	}
	if (size->length != sizeof(uint32))
		report_value(imager, &size->key, "Its length is wrong.");
	return bb_get_le32(size->value);
}

/* Is a block of a relation, which has no value, in a run of zeros? */
static bool
is_zeros(const BbReqCtx *ctx, Imager *imager, const BbKey *key)
{
	BbKeyFields fields = bb_key_fields(key);
	BbKey		runs = bb_key_rel_zeros(fields.spc, fields.db, fields.rel,
										fields.fork);
	BbEntry		entry;

	if (fields.kind != BB_KEY_REL_BLOCK)
		return false;
	if (!imager->runs_known)
	{
		imager->runs.n = 0;
		if (bb_timeline_get(ctx, imager->timeline, &runs, imager->lsn,
							&entry) &&
			!bb_zerorun_decode(entry.value, entry.length, &imager->runs))
			report_value(imager, &runs, "Its runs are impossible.");
		imager->runs_known = true;
	}
	return bb_zerorun_has(&imager->runs, fields.block);
}

/* Check a page of a relation. */
static void
check_page(const Imager *imager, const BbEntry *entry)
{
	Page		page = (Page) entry->value;
	XLogRecPtr	lsn = PageGetLSN(page);
	uint16		checksum;

	if (PageIsNew(page))
		return;
	if (lsn > imager->lsn)
		report_value(imager, &entry->key,
					 psprintf("The page has the later LSN " BB_LSN_FORMAT ".",
							  LSN_FORMAT_ARGS(lsn)));
	if (imager->rewrite->manifest->data_checksum_version == 0)
		return;
	checksum = pg_checksum_page((char *) page,
								bb_key_fields(&entry->key).block);
	if (checksum != ((PageHeader) page)->pd_checksum)
		report_value(imager, &entry->key,
					 psprintf("The page has the checksum %u instead of %u.",
							  ((PageHeader) page)->pd_checksum, checksum));
}

/* Write the block "key", of that many bytes, which has to be there. */
static void
copy_block(const BbReqCtx *ctx, Imager *imager, const BbKey *key,
		   uint64 length, uint64 size)
{
	const BbEntry *entry = peek(ctx, imager);
	PGAlignedBlock page;

	if (entry == NULL || bb_key_compare(&entry->key, key) != 0)
	{
		if (!is_zeros(ctx, imager, key))
			report_missing(
				imager, key,
				psprintf("The size of what it belongs to is " UINT64_FORMAT
						 ".",
						 size));
		return;
	}
	if (entry->length != length)
		report_value(imager, key,
					 psprintf("It has %u bytes instead of " UINT64_FORMAT ".",
							  entry->length, length));
	if (key->bytes[0] == BB_KEY_REL_BLOCK)
	{
		/* a page in a layer's block isn't aligned */
		memcpy(page.data, entry->value, BLCKSZ);
		imager->entry.value = (const uint8 *) page.data;
		check_page(imager, &imager->entry);
	}
	write_value(ctx, imager);
}

/* Write the blocks of one fork, segment or file that the range has. */
static void
copy_blocks_of(const BbReqCtx *ctx, Imager *imager, const BlockKind *kind,
			   const BbEntry *size, const BbKeyRange *range)
{
	uint64		total = decode_size(imager, kind, size);
	uint64		nblocks = kind->in_bytes ? (total + BLCKSZ - 1) / BLCKSZ
										 : total;
	BbKey		key = block_key(kind, &size->key, 0);
	uint64		block = 0;

	if (nblocks > MaxBlockNumber)
		report_value(imager, &size->key, "It is impossibly large.");
	imager->runs_known = false;
	if (bb_key_compare(&key, &range->start) < 0)
	{
		key = range->start;
		block = bb_key_fields(&key).block;
	}
	pass_before(ctx, imager, &key);
	for (; block < nblocks; block++)
	{
		key = block_key(kind, &size->key, (BlockNumber) block);
		if (bb_key_compare(&key, &range->end) >= 0)
			break;
		bb_reqctx_check(ctx);
		copy_block(ctx, imager, &key,
				   kind->in_bytes ? Min(BLCKSZ, total - block * BLCKSZ)
								  : BLCKSZ,
				   total);
	}
}

/* Write the blocks of a range, which is within their kind. */
static void
copy_blocks(const BbReqCtx *ctx, Imager *imager, const BlockKind *kind,
			const BbKeyRange *range)
{
	BbKeyRange	sizes = sizes_of(kind, range);
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, imager->timeline, &sizes,
												imager->lsn);
	BbEntry		size;

	begin_scan(ctx, imager, range);
	while (bb_timeline_scan_next(ctx, scan, &size))
	{
		bb_reqctx_check(ctx);
		copy_blocks_of(ctx, imager, kind, &size, range);
	}
	bb_timeline_scan_close(imager->scan);
	bb_timeline_scan_close(scan);
}

/* ---- all kinds of keys ---- */

/* Write all values of a range that has no blocks. */
static void
copy_values(const BbReqCtx *ctx, Imager *imager, const BbKeyRange *range)
{
	static const BbKeyKind needed[] = {BB_KEY_CONTROL_FILE, BB_KEY_CHECKPOINT};

	begin_scan(ctx, imager, range);
	for (int i = 0; i < lengthof(needed); i++)
	{
		BbKey		key = bb_key_make(needed[i], 0, 0, 0, 0, 0);

		if (!bb_key_in_range(&key, range))
			continue;
		if (peek(ctx, imager) == NULL ||
			bb_key_compare(&imager->entry.key, &key) != 0)
			report_missing(imager, &key, "Each timeline has it.");
		write_value(ctx, imager);
	}
	while (peek(ctx, imager) != NULL)
		write_value(ctx, imager);
	bb_timeline_scan_close(imager->scan);
}

/* Write the part of a range that is within the job's keys. */
static void
copy_part(const BbReqCtx *ctx, Imager *imager, const BlockKind *kind,
		  BbKeyRange range)
{
	const BbKeyRange *keys = &imager->rewrite->job->keys;

	if (bb_key_compare(&range.start, &keys->start) < 0)
		range.start = keys->start;
	if (bb_key_compare(&range.end, &keys->end) > 0)
		range.end = keys->end;
	if (bb_key_compare(&range.start, &range.end) >= 0)
		return;
	if (kind != NULL)
		copy_blocks(ctx, imager, kind, &range);
	else
		copy_values(ctx, imager, &range);
}

static void
copy_all(const BbReqCtx *ctx, Imager *imager)
{
	BbKeyRange	between = bb_key_range_all();

	for (int i = 0; i < lengthof(block_kinds); i++)
	{
		BbKeyRange	blocks = bb_key_range_kind(block_kinds[i].blocks);

		between.end = blocks.start;
		copy_part(ctx, imager, NULL, between);
		copy_part(ctx, imager, &block_kinds[i], blocks);
		between.start = blocks.end;
	}
	between.end = bb_key_range_all().end;
	copy_part(ctx, imager, NULL, between);
}

void
bb_rewrite_image(const BbReqCtx *ctx, BbRewrite *rewrite)
{
	Imager	   *imager = MemoryContextAllocZero(rewrite->context,
												sizeof(Imager));
	BbTimeline *timeline = bb_timeline_open_manifest(ctx, rewrite->objects,
													 rewrite->manifest);

	imager->rewrite = rewrite;
	imager->timeline = timeline;
	imager->lsn = rewrite->job->lsn;
	imager->output = bb_output_new_image(rewrite, imager->lsn);
	rewrite->stats->layers_read = list_length(
		bb_timeline_objects(ctx, timeline, &rewrite->job->keys, 1,
							imager->lsn));
	copy_all(ctx, imager);
	bb_output_finish(ctx, imager->output);
}
