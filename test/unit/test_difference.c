/*-------------------------------------------------------------------------
 *
 * test_difference.c
 *	  A new base into a random timeline, and what reads return around the gap.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/basewriter.h"
#include "import/difference.h"
#include "model.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"
#include "utils/timestamp.h"

static uint64 seed;

/* What becomes of a key in the base. */
typedef enum Fate
{
	EQUAL,
	NEW,
	OMITTED,
	UNKNOWN /* it isn't in the base */
} Fate;

/* A new value of a key, of an LSN up to "lsn". */
static const uint8 *
new_value(const BbKey *key, XLogRecPtr from, XLogRecPtr lsn, uint32 *length)
{
	PageHeader	page = palloc0(BLCKSZ);

	*length = BLCKSZ;
	if (key->bytes[0] == BB_KEY_REL_BLOCK && model_roll(10) > 0)
	{
		PageInit((Page) page, BLCKSZ, 16);
		page->pd_lower = 1000;
		page->pd_upper = 7000;
		((uint8 *) page)[500] = (uint8) (1 + model_roll(255));
		PageSetLSN((Page) page, model_roll(2) ? from : lsn);
		page->pd_checksum = pg_checksum_page((char *) page,
											 bb_key_fields(key).block);
	}
	else if (key->bytes[0] == BB_KEY_SLRU_BLOCK)
		((uint8 *) page)[model_roll(BLCKSZ)] = 0x55;
	else if (key->bytes[0] != BB_KEY_REL_BLOCK)
	{
		*length = 1 + model_roll(20);
		memset(page, 1 + model_roll(255), *length);
	}
	return (uint8 *) page;
}

static Fate
fate_of(const BbKey *key, bool exists)
{
	int			die = model_roll(10);

	if (key->bytes[0] == BB_KEY_COMMIT_TIME)
		return UNKNOWN;
	if (die < 6)
		return exists ? EQUAL : UNKNOWN;
	if (die < 8)
		return NEW;
	if (die == 8 && key->bytes[0] == BB_KEY_REL_BLOCK)
		return OMITTED;
	return UNKNOWN;
}

/* Remember what a read returns from "lsn" on: an image, or a deletion. */
static void
remember(Model *model, int k, XLogRecPtr lsn, BbEntryType type,
		 const uint8 *data, uint32 length)
{
	model->events[model->nevents++] = (ModelEvent){k, lsn, type,
												   unconstify(uint8 *, data),
												   length};
	model->exists[k] = type != BB_ENTRY_DELETED;
}

/* Give keys [first, end) of a random base to a difference; count the new ones. */
static int
give(const BbReqCtx *ctx, Model *model, BbDifference *difference, int first,
	 int end, const BbDifferencePlace *place)
{
	int			n = 0;

	for (int k = first; k < end; k++)
	{
		BbKey		key = model_key(k);
		ModelValue *old = palloc(sizeof(ModelValue));
		bool		block = key.bytes[0] == BB_KEY_REL_BLOCK;
		const uint8 *value;
		uint32		length;

		model_value(model, k, place->from, old);
		switch (fate_of(&key, old->exists))
		{
			case EQUAL:
				bb_difference_add(ctx, difference, &key, old->page.data,
								  old->length);
				break;
			case NEW:
				value = new_value(&key, place->from, place->lsn, &length);
				bb_difference_add(ctx, difference, &key, value, length);
				if (old->exists && old->length == length &&
					memcmp(old->page.data, value, length) == 0)
					break;
				n += block;
				remember(model, k, place->lsn, BB_ENTRY_IMAGE, value, length);
				break;
			case OMITTED:
				bb_difference_omit(ctx, difference, &key);
				if (old->exists)
					remember(model, k, place->lsn, BB_ENTRY_DELETED, NULL, 0);
				break;
			case UNKNOWN:
				/* a block would be beyond the size of its fork */
				if (old->exists && !block)
					remember(model, k, place->lsn, BB_ENTRY_DELETED, NULL, 0);
				break;
		}
	}
	return n;
}

/* The control file, which redo needs, is the same. */
static void
give_control(const BbReqCtx *ctx, BbDifference *difference,
			 const BbDifferencePlace *place)
{
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbEntry		entry;
	uint8	   *copy;

	CHECK_SEED(
		bb_timeline_get(ctx, place->timeline, &key, place->from, &entry));
	copy = palloc(entry.length);
	memcpy(copy, entry.value, entry.length);
	bb_difference_add(ctx, difference, &key, copy, entry.length);
}

/* What differs has holes, which only a gap may have. */
static void
add_gap(BbManifest *manifest, const BbDifferencePlace *place)
{
	BbGap	   *gaps = palloc((manifest->ngaps + 1) * sizeof(BbGap));

	if (manifest->ngaps > 0)
		memcpy(gaps, manifest->gaps, manifest->ngaps * sizeof(BbGap));
	gaps[manifest->ngaps++] = (BbGap){.from = place->from,
									  .until = place->lsn};
	manifest->gaps = gaps;
}

/* Write a random base into the model's timeline. */
static void
rebase(const BbReqCtx *ctx, Model *model)
{
	BbManifest *manifest = &model->manifest;
	BbDifferencePlace place = {model->objects, NULL, manifest->end_lsn,
							   manifest->end_lsn + 1 + model_roll(1000)};
	int			first_block = NKEYS - NBLOCKS;
	int			from = first_block + model_roll(NBLOCKS);
	int			to = from + model_roll(NKEYS - from);
	BbKeyRange	all = bb_key_range_all();
	BbKeyRange	part = {model_key(from), model_key(to)};
	BbDifference *rest;
	BbDifference *middle = NULL;
	List	   *layers = NIL;
	ListCell   *cell;
	int			n;
	int			events = model->nevents;

	CHECK(bb_manifest_commit(ctx, model->objects, manifest));
	place.timeline = bb_timeline_open(ctx, model->objects, manifest->timeline);

	/* a part comes first, though its keys don't */
	if (from < to)
	{
		middle = bb_difference_new(ctx, &place, &part);
		n = give(ctx, model, middle, from, to, &place);
		layers = bb_difference_finish(ctx, middle);
		CHECK_SEED(bb_difference_pages(middle) == n);
	}
	rest = bb_difference_new(ctx, &place, &all);
	give_control(ctx, rest, &place);
	n = give(ctx, model, rest, 0, from, &place);
	if (from < to)
		bb_difference_include(ctx, rest, &part, layers);
	n += give(ctx, model, rest, Max(from, to), NKEYS, &place);
	foreach(cell, bb_difference_finish(ctx, rest))
		manifest->layers[manifest->nlayers++] = *(BbLayerDesc *) lfirst(cell);
	CHECK_SEED(bb_difference_pages(rest) == n);
	CHECK_SEED(model->nevents > events);
	manifest->end_lsn = place.lsn;
	add_gap(manifest, &place);
}

/* ---- reads ---- */

static void
check_entry(const BbEntry *entry, const ModelValue *value, int k)
{
	BbKey		key = model_key(k);

	CHECK_SEED(bb_key_compare(&entry->key, &key) == 0);
	CHECK_SEED(entry->length == value->length);
	CHECK_SEED(memcmp(entry->value, value->page.data, value->length) == 0);
}

/* Point reads, then a scan, of all keys. */
static void
check_reads(const BbReqCtx *ctx, const Model *model, XLogRecPtr lsn)
{
	BbTimeline *timeline = bb_timeline_open(ctx, model->objects,
											model->manifest.timeline);
	BbKey		first = model_key(0);
	BbKeyRange	range = {first, bb_key_range_all().end};
	BbTimelineScan *scan;
	ModelValue *value = palloc(sizeof(ModelValue));
	BbKey		last = model_key(NKEYS - 1);
	BbEntry		entry;

	scan = bb_timeline_scan_new(ctx, timeline, &range, lsn);
	for (int k = 0; k < NKEYS; k++)
	{
		BbKey		key = model_key(k);

		model_value(model, k, lsn, value);
		CHECK_SEED(bb_timeline_get(ctx, timeline, &key, lsn, &entry) ==
				   value->exists);
		if (!value->exists)
			continue;
		check_entry(&entry, value, k);
		CHECK_SEED(bb_timeline_scan_next(ctx, scan, &entry));
		check_entry(&entry, value, k);
	}
	while (bb_timeline_scan_next(ctx, scan, &entry))
		CHECK_SEED(bb_key_compare(&entry.key, &last) > 0);
	bb_timeline_scan_close(scan);
}

/* Errors of all kinds have the seed in their context. */
static void
say_seed(void *arg)
{
	errcontext("seed " UINT64_FORMAT, seed);
}

UNIT_TEST(difference_as_the_model)
{
	ErrorContextCallback context = {.previous = error_context_stack,
									.callback = say_seed};

	error_context_stack = &context;
	for (int round = 0; round < 6; round++)
	{
		Model	   *model = model_new(unit_store(ctx), "main", NULL, 0);
		BbManifest *manifest = &model->manifest;

		seed = unit_seed();
		pg_prng_seed(&model_prng, seed);
		model_import(ctx, model);
		for (int gap = 0; gap < 3; gap++)
		{
			model_live(ctx, model, model_roll(5));
			rebase(ctx, model);
		}
		model_live(ctx, model, 1 + model_roll(4));
		CHECK(bb_manifest_commit(ctx, model->objects, manifest));
		check_reads(ctx, model, manifest->end_lsn);
		for (int i = 0; i < 10; i++)
			check_reads(ctx, model,
						pg_prng_uint64_range(&model_prng, START,
											 manifest->end_lsn));
	}
	error_context_stack = context.previous;
}

/* ---- what is lost ---- */

static BbKeyRange *
blocks_of(Oid rel, BlockNumber from, BlockNumber until)
{
	BbKeyRange *range = palloc(sizeof(BbKeyRange));

	range->start = bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, from);
	range->end = bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, until);
	return range;
}

static bool
is_range(const BbKeyRange *range, Oid rel, BlockNumber from, Oid last,
		 BlockNumber until)
{
	BbKey		start = bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, from);
	BbKey		end = bb_key_rel_block(1663, 5, last, MAIN_FORKNUM, until);

	return bb_key_compare(&range->start, &start) == 0 &&
		bb_key_compare(&range->end, &end) == 0;
}

UNIT_TEST(basewriter_widens)
{
	BlockNumber file = RELSEG_SIZE;
	BbKeyRange	all = bb_key_range_all();
	BbKeyRange	blocks = bb_key_range_kind(BB_KEY_REL_BLOCK);
	BbKeyRange *range;
	List	   *lost = NIL;
	List	   *images;

	CHECK(bb_basewriter_widen(NIL) == NIL);
	CHECK(!bb_basewriter_is_lost(NIL, &all));

	/* to files, in order, with room in between */
	lost = lappend(lost, blocks_of(9, 2 * file + 1, 3 * file));
	lost = lappend(lost, blocks_of(7, 3, 4));
	lost = lappend(lost, blocks_of(9, file - 1, file + 1));
	images = bb_basewriter_widen(lost);
	CHECK(list_length(images) == 2);
	CHECK(is_range(linitial(images), 7, 0, 7, file));
	CHECK(is_range(lsecond(images), 9, 0, 9, 3 * file));
	CHECK(bb_basewriter_is_lost(images, blocks_of(7, file - 1, file)));
	CHECK(!bb_basewriter_is_lost(images, blocks_of(7, file, 2 * file)));
	CHECK(bb_basewriter_is_lost(images, blocks_of(8, 0, UINT32_MAX)) == false);

	/* the last file of a fork ends where the next fork begins */
	images = bb_basewriter_widen(
		list_make1(blocks_of(7, UINT32_MAX - 1, UINT32_MAX)));
	range = linitial(images);
	CHECK(bb_key_fields(&range->start).block % file == 0);
	CHECK(bb_key_fields(&range->end).fork == MAIN_FORKNUM + 1);

	/* up to the end of blocks, and no further */
	range = blocks_of(7, 5, 6);
	range->end = blocks.end;
	images = bb_basewriter_widen(list_make1(range));
	CHECK(bb_key_compare(&((BbKeyRange *) linitial(images))->end,
						 &blocks.end) == 0);

	/* to everything */
	range->end = bb_key_next(&blocks.end);
	lost = lappend(lost, range);
	images = bb_basewriter_widen(lost);
	CHECK(list_length(images) == 1);
	CHECK(memcmp(linitial(images), &all, sizeof(all)) == 0);
}
