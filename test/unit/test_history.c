/*-------------------------------------------------------------------------
 *
 * test_history.c
 *	  Reads at any LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "model.h"
#include "pagestore/pagestore_driver.h"
#include "pagestore/target.h"
#include "storage/bufpage.h"
#include "utils/timestamp.h"

static uint64 seed;

/* ---- against the model ---- */

static void
check_value(const BbEntry *entry, const ModelValue *value, int k)
{
	BbKey		key = model_key(k);

	CHECK_SEED(bb_key_compare(&entry->key, &key) == 0);
	CHECK_SEED(entry->length == value->length);
	CHECK_SEED(memcmp(entry->value, value->page.data, value->length) == 0);
}

static void
check_gets(const BbReqCtx *ctx, Model *model, BbTimeline *timeline,
		   XLogRecPtr lsn)
{
	for (int i = 0; i < NKEYS; i++)
	{
		int			k = model_roll(NKEYS);
		BbKey		key = model_key(k);
		BbEntry		entry;
		ModelValue	value;
		bool		found;

		model_value(model, k, lsn, &value);
		found = bb_timeline_get(ctx, timeline, &key, lsn, &entry);
		CHECK_SEED(found == value.exists);
		if (found)
			check_value(&entry, &value, k);
	}
}

/*
 * Scan all keys from number "from" to "to", sometimes with a leap, and in
 * parts.
 */
static void
check_scan(const BbReqCtx *ctx, Model *model, BbTimeline *timeline,
		   XLogRecPtr lsn, int from, int to, bool leaps, bool parts)
{
	BbKeyRange	range = {model_key(from), model_key(to - 1)};
	BbTimelineScan *scan;
	BbEntry		entry;
	ModelValue	value;
	int			part_end = from;

	range.end = bb_key_next(&range.end);
	scan = bb_timeline_scan_new(ctx, timeline, &range, lsn);
	if (parts)
		bb_timeline_scan_until(scan, &range.start);
	for (int k = from; k < to; k++)
	{
		if (leaps && model_roll(5) == 0)
		{
			int			leap = model_roll(8);
			BbKey		target;

			k = Min(k + leap, to - 1);
			target = model_key(k);
			bb_timeline_scan_seek(ctx, scan, &target);
		}
		if (parts && k >= part_end)
		{
			BbKey		until;

			CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
			part_end = k + 1 + model_roll(20);
			until = part_end < to ? model_key(part_end) : range.end;
			bb_timeline_scan_until(scan, &until);
		}
		model_value(model, k, lsn, &value);
		if (!value.exists)
			continue;
		CHECK_SEED(bb_timeline_scan_next(ctx, scan, &entry));
		check_value(&entry, &value, k);
	}
	CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
	CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
	bb_timeline_scan_close(scan);
}

static int
count_versions(const Model *model, int k, XLogRecPtr after, XLogRecPtr until,
			   XLogRecPtr *lsns)
{
	int			n = 0;

	if (model->ancestor)
		n = count_versions(model->ancestor, k, after,
						   Min(until, model->manifest.ancestor_lsn), lsns);
	for (int i = 0; i < model->nevents; i++)
	{
		const ModelEvent *event = &model->events[i];

		if (event->k == k && event->lsn > after && event->lsn <= until)
			lsns[n++] = event->lsn;
	}
	return n;
}

static void
check_versions(const BbReqCtx *ctx, Model *model, BbTimeline *timeline,
			   XLogRecPtr after, XLogRecPtr until)
{
	int			k = model_roll(NKEYS);
	BbKey		key = model_key(k);
	XLogRecPtr *lsns = palloc(30000 * sizeof(XLogRecPtr));
	int			n = count_versions(model, k, after, until, lsns);
	BbTimelineVersions *versions;
	BbEntry		entry;

	versions = bb_timeline_versions_new(ctx, timeline, &key, after, until);
	for (int i = 0; i < n; i++)
	{
		CHECK_SEED(bb_timeline_versions_next(ctx, versions, &entry));
		CHECK_SEED(bb_key_compare(&entry.key, &key) == 0);
		CHECK_SEED(entry.lsn == lsns[i]);
	}
	CHECK_SEED(!bb_timeline_versions_next(ctx, versions, &entry));
	bb_timeline_versions_close(versions);
	pfree(lsns);
}

static void
check_model(const BbReqCtx *ctx, Model *model, int rounds)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "read",
												  ALLOCSET_DEFAULT_SIZES);
	XLogRecPtr	last = model->manifest.end_lsn;

	model->manifest.tag = BB_OBJECT_ABSENT;
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
	for (int i = 0; i < rounds; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		BbTimeline *timeline = bb_timeline_open(ctx, model->objects,
												model->manifest.timeline);
		XLogRecPtr	lsn = last;
		int			from = model_roll(NKEYS);

		if (i > 0)
			lsn = pg_prng_uint64_range(&model_prng, model->manifest.start_lsn,
									   last);
		check_gets(ctx, model, timeline, lsn);
		check_scan(ctx, model, timeline, lsn, 0, NKEYS, false, false);
		check_scan(ctx, model, timeline, lsn, 0, NKEYS, true, false);
		check_scan(ctx, model, timeline, lsn, 0, NKEYS, model_roll(2), true);
		check_scan(ctx, model, timeline, lsn, from,
				   from + 1 + model_roll(NKEYS - from), model_roll(2),
				   model_roll(2));
		check_versions(ctx, model, timeline,
					   pg_prng_uint64_range(&model_prng, 0, lsn), lsn);
		check_gets(ctx, model, timeline,
				   pg_prng_uint64_range(&model_prng, model->manifest.start_lsn,
										last));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

UNIT_TEST(history_as_the_model)
{
	for (int round = 0; round < 4; round++)
	{
		BbObjectStore *objects = unit_store(ctx);
		Model	   *root;
		Model	   *branch;
		Model	   *twig;

		seed = unit_seed();
		pg_prng_seed(&model_prng, seed);
		root = model_new(objects, "main", NULL, 0);
		model_import(ctx, root);
		model_live(ctx, root, 1 + model_roll(20));
		branch = model_new(objects, "branch", root,
						   pg_prng_uint64_range(&model_prng, START,
												root->manifest.end_lsn));
		model_live(ctx, branch, 1 + model_roll(5));
		/* its ancestor goes on */
		model_live(ctx, root, 1 + model_roll(3));
		twig = model_new(objects, "twig", branch,
						 pg_prng_uint64_range(&model_prng,
											  branch->manifest.start_lsn,
											  branch->manifest.end_lsn));
		model_live(ctx, twig, model_roll(3));

		check_model(ctx, root, 12);
		check_model(ctx, branch, 8);
		check_model(ctx, twig, 8);
	}
}

/* ---- impossible histories ---- */

/* Begin a delta layer of LSNs after the end of the timeline, up to "to". */
static BbLayerWriter *
begin_delta(const BbReqCtx *ctx, const Model *model, const BbKey *start,
			XLogRecPtr to)
{
	const BbManifest *manifest = &model->manifest;

	return bb_layer_writer_new_delta(ctx, model->objects, manifest->timeline,
									 start, manifest->end_lsn + 1, to + 1,
									 BB_COMPRESSION_DEFAULT);
}

/* Add the delta layer to the manifest. */
static void
finish_delta(const BbReqCtx *ctx, Model *model, BbLayerWriter *writer,
			 const BbKey *end)
{
	BbManifest *manifest = &model->manifest;
	BbLayerDesc *layer = bb_layer_writer_finish(ctx, writer, end);

	manifest->layers[manifest->nlayers++] = *layer;
}

/* A flush up to an LSN, of one entry. */
static void
flush_entry(const BbReqCtx *ctx, Model *model, const BbEntry *entry,
			XLogRecPtr to)
{
	BbKey		end = bb_key_next(&entry->key);
	BbLayerWriter *writer = begin_delta(ctx, model, &entry->key, to);

	bb_layer_writer_add_entry(ctx, writer, entry);
	finish_delta(ctx, model, writer, &end);
	model->manifest.end_lsn = to;
}

/* A flush up to an LSN, of a key that no test reads. */
static void
flush_up_to(const BbReqCtx *ctx, Model *model, XLogRecPtr lsn)
{
	BbEntry		entry = {bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 1, 0, 0),
						 lsn, BB_ENTRY_IMAGE, (const uint8 *) "x", 1};

	flush_entry(ctx, model, &entry, lsn);
}

/* The timeline "main", with an image layer. */
static Model *
new_main(const BbReqCtx *ctx)
{
	Model	   *model = model_new(unit_store(ctx), "main", NULL, 0);

	model_write_image(ctx, model, 0, NKEYS, START);
	return model;
}

static void
commit(const BbReqCtx *ctx, Model *model)
{
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
}

static BbTimeline *
commit_and_open(const BbReqCtx *ctx, Model *model)
{
	commit(ctx, model);
	return bb_timeline_open(ctx, model->objects, model->manifest.timeline);
}

/* Commit; now the timeline "name" can't be opened. */
static void
commit_and_fail(const BbReqCtx *ctx, Model *model, const char *name,
				const char *message)
{
	commit(ctx, model);
	CHECK_ERROR(bb_timeline_open(ctx, model->objects, name),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, message) != NULL);
}

/* A timeline with one delta layer, which has one entry. */
static BbTimeline *
timeline_with(const BbReqCtx *ctx, BbEntry entry)
{
	Model	   *model = new_main(ctx);

	flush_entry(ctx, model, &entry, START + 99);
	return commit_and_open(ctx, model);
}

static void
scan_all(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	BbKeyRange	all = bb_key_range_all();
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &all, lsn);
	BbEntry		entry;

	while (bb_timeline_scan_next(ctx, scan, &entry))
		;
	bb_timeline_scan_close(scan);
}

/* Reads below the entry work; at the entry, get and scan fail. */
static void
check_no_history(const BbReqCtx *ctx, BbEntry entry, const char *message)
{
	BbTimeline *timeline = timeline_with(ctx, entry);
	BbEntry		found;

	CHECK(!bb_timeline_get(ctx, timeline, &entry.key, entry.lsn - 1, &found));
	scan_all(ctx, timeline, entry.lsn - 1);
	CHECK_ERROR(bb_timeline_get(ctx, timeline, &entry.key, entry.lsn, &found),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, message) != NULL);
	CHECK(strstr(unit_last_error, bb_key_text(&entry.key)) != NULL);
	CHECK_ERROR(scan_all(ctx, timeline, entry.lsn), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, message) != NULL);
}

UNIT_TEST(history_without_base)
{
	ModelEvent	event = {.k = NKEYS - 1};
	BbEntry		entry = {.lsn = START + 50, .type = BB_ENTRY_RECORD};

	model_make_generic(&event);
	entry.key = model_key(event.k);
	entry.value = event.data;
	entry.length = event.length;
	check_no_history(ctx, entry, "no base");

	model_make_native(&event);
	entry.type = BB_ENTRY_NATIVE;
	entry.key = model_key(NTIMES);
	entry.value = event.data;
	entry.length = event.length;
	check_no_history(ctx, entry, "no base");
}

UNIT_TEST(history_of_the_wrong_key)
{
	ModelEvent	event = {.k = NKEYS - 1};
	BbEntry		entry = {.lsn = START + 50, .type = BB_ENTRY_RECORD_INIT};
	BbKey		no_pages[] = {
		bb_key_rel_block(SPC, DB, REL, VISIBILITYMAP_FORKNUM, 0),
		bb_key_rel_block(SPC, DB, REL, FSM_FORKNUM, 0),
		bb_key_rel_size(SPC, DB, REL, MAIN_FORKNUM),
		bb_key_slru_block(BB_SLRU_XACT, 0, 0),
	};

	model_make_sequence(&event);
	entry.value = event.data;
	entry.length = event.length;
	for (int i = 0; i < lengthof(no_pages); i++)
	{
		entry.key = no_pages[i];
		check_no_history(ctx, entry, "cannot be applied");
	}
	entry.type = BB_ENTRY_NATIVE;
	entry.key = model_key(NKEYS - 1);
	check_no_history(ctx, entry, "cannot be applied");
	entry.key = model_key(NKEYS - NBLOCKS - 1);
	check_no_history(ctx, entry, "cannot be applied");
}

/* Two layers with the same history: it must not be applied twice. */
UNIT_TEST(history_from_layers_that_overlap)
{
	Model	   *model = new_main(ctx);
	BbManifest *manifest = &model->manifest;
	BbKey		key = model_key(0);
	BbEntry		entry = {.key = key,
						 .value = (const uint8 *) "x",
						 .length = 1};
	BbKeyRange	all = bb_key_range_all();

	/* the second is of the same flush, the third of a flush that overlaps it */
	for (int i = 0; i < 3; i++)
	{
		BbLayerWriter *writer = begin_delta(ctx, model, &all.start,
											START + (i == 2 ? 199 : 99));

		entry.lsn = START + 90 - 10 * i;
		entry.type = i == 2 ? BB_ENTRY_RECORD : BB_ENTRY_NATIVE;
		bb_layer_writer_add_entry(ctx, writer, &entry);
		finish_delta(ctx, model, writer, &all.end);
	}
	manifest->end_lsn = START + 199;
	commit_and_fail(ctx, model, "main", "overlap");

	manifest->layers[1] = manifest->layers[--manifest->nlayers];
	commit_and_fail(ctx, model, "main", "overlap");
}

/* A manifest that has lost any of its rows. */
UNIT_TEST(history_that_was_lost_is_noticed)
{
	Model	   *model = new_main(ctx);
	BbManifest *manifest = &model->manifest;
	BbLayerDesc layers[4];

	for (int i = 1; i <= 3; i++)
		flush_up_to(ctx, model, START + 10 * i);
	memcpy(layers, manifest->layers, sizeof(layers));
	(void) commit_and_open(ctx, model);

	/* without the image layer nothing can be read */
	for (int lost = 1; lost < 4; lost++)
	{
		memcpy(manifest->layers, layers, sizeof(layers));
		manifest->layers[lost] = layers[3];
		manifest->nlayers = 3;
		commit_and_fail(ctx, model, "main", "are missing");
	}

	/* one that covers its neighbors replaces them, as if merged */
	memcpy(manifest->layers, layers, sizeof(layers));
	manifest->layers[2].lsn_start = layers[1].lsn_start;
	manifest->layers[1] = layers[3];
	(void) commit_and_open(ctx, model);
}

/* A branch whose ancestor was restored from an older copy, or replaced. */
UNIT_TEST(branch_of_another_ancestor_is_noticed)
{
	Model	   *model = new_main(ctx);
	BbManifest *manifest = &model->manifest;
	BbTliSwitch tli_switch = {1, START + 10};

	flush_up_to(ctx, model, START + 10);
	flush_up_to(ctx, model, START + 20);
	commit(ctx, model);
	bb_timeline_branch(ctx, model->objects, "branch", "main", START + 20);
	(void) bb_timeline_open(ctx, model->objects, "branch");

	manifest->nlayers--;
	manifest->end_lsn = START + 10;
	commit_and_fail(ctx, model, "branch", "branched from");

	/* it reaches that LSN again, but with another timeline ID */
	flush_up_to(ctx, model, START + 30);
	manifest->tli = 2;
	manifest->nswitches = 1;
	manifest->switches = &tli_switch;
	commit_and_fail(ctx, model, "branch", "branched from");

	manifest->tli = 1;
	manifest->nswitches = 0;
	commit(ctx, model);
	(void) bb_timeline_open(ctx, model->objects, "branch");
	manifest->system_identifier++;
	commit_and_fail(ctx, model, "branch", "branched from");
}

/*
 * Each flush has a layer of the same key range.  There are more layers than a
 * process may have files open, and few of them have entries of a key.
 */
UNIT_TEST(history_in_many_layers)
{
	Model	   *model = new_main(ctx);
	BbManifest *manifest = &model->manifest;
	BbKeyRange	all = bb_key_range_all();
	int			nlayers = 1200;
	int			nblocks = 400;
	BbTimeline *timeline;
	BbTimelineScan *scan;
	BbEntry		entry = {.type = BB_ENTRY_IMAGE};
	uint64		skipped;

	manifest->layers = repalloc(manifest->layers,
								(nlayers + 1) * sizeof(BbLayerDesc));
	/* flush i has block i and a few others, at START + 10 * (i + 1) */
	for (int i = 0; i < nlayers; i++)
	{
		XLogRecPtr	lsn = START + 10 * (i + 1);
		BbLayerWriter *writer = begin_delta(ctx, model, &all.start, lsn);
		uint8		value[8];

		bb_put_le64(value, lsn);
		for (int block = i % 40; block < nblocks; block += 40)
		{
			entry.key = bb_key_rel_block(SPC, DB, 1, MAIN_FORKNUM, block);
			entry.lsn = lsn;
			entry.value = value;
			entry.length = sizeof(value);
			bb_layer_writer_add_entry(ctx, writer, &entry);
		}
		finish_delta(ctx, model, writer, &all.end);
		manifest->end_lsn = lsn;
	}

	timeline = commit_and_open(ctx, model);
	all.start = bb_key_rel_block(SPC, DB, 1, MAIN_FORKNUM, 0);
	scan = bb_timeline_scan_new(ctx, timeline, &all, manifest->end_lsn);
	for (int block = 0; block < nblocks; block++)
	{
		CHECK(bb_timeline_scan_next(ctx, scan, &entry));
		CHECK(bb_key_fields(&entry.key).block == block);
		CHECK(bb_get_le64(entry.value) ==
			  START + 10 * (nlayers - 40 + block % 40 + 1));
	}
	CHECK(!bb_timeline_scan_next(ctx, scan, &entry));
	bb_timeline_scan_close(scan);

	/* at an old LSN, and where the newest flushes don't have the key */
	entry.key = bb_key_rel_block(SPC, DB, 1, MAIN_FORKNUM, 41);
	skipped = ctx->counters->layers_skipped;
	CHECK(
		bb_timeline_get(ctx, timeline, &entry.key, manifest->end_lsn, &entry));
	CHECK(bb_get_le64(entry.value) == START + 10 * (nlayers - 40 + 2));
	CHECK(ctx->counters->layers_skipped - skipped >= 30);
	CHECK(bb_timeline_get(ctx, timeline, &entry.key, START + 20, &entry));
	CHECK(bb_get_le64(entry.value) == START + 20);
	CHECK(!bb_timeline_get(ctx, timeline, &entry.key, START + 19, &entry));
}

/*
 * Pages that are changed all the time: a scan applies their changes piece by
 * piece, with the same result as a point read, which applies all at once.
 */
UNIT_TEST(history_of_hot_pages)
{
	Model	   *model = new_main(ctx);
	BbManifest *manifest = &model->manifest;
	BbKeyRange	range = {model_key(NKEYS - 3), bb_key_range_all().end};
	int			nchanges = 100000;
	BbLayerWriter *writer;
	BbTimeline *timeline;
	BbTimelineScan *scan;
	BbEntry		entry;
	PGAlignedBlock page;

	writer = begin_delta(ctx, model, &range.start, START + nchanges);
	for (int k = NKEYS - 3; k < NKEYS; k++)
	{
		/* the page in the middle is changed rarely */
		for (int i = 1; i <= (k == NKEYS - 2 ? 10 : nchanges); i++)
		{
			ModelEvent	event = {.k = k, .lsn = START + i};

			if (i == 1)
				model_make_sequence(&event);
			else
				model_make_generic(&event);
			entry.key = model_key(k);
			entry.lsn = event.lsn;
			entry.type = i == 1 ? BB_ENTRY_RECORD_INIT : BB_ENTRY_RECORD;
			entry.value = event.data;
			entry.length = event.length;
			bb_layer_writer_add_entry(ctx, writer, &entry);
			pfree(event.data);
		}
	}
	finish_delta(ctx, model, writer, &range.end);
	manifest->end_lsn = START + nchanges;

	timeline = commit_and_open(ctx, model);
	scan = bb_timeline_scan_new(ctx, timeline, &range, manifest->end_lsn);
	for (int k = NKEYS - 3; k < NKEYS; k++)
	{
		BbKey		key = model_key(k);

		CHECK(bb_timeline_scan_next(ctx, scan, &entry));
		CHECK(bb_key_compare(&entry.key, &key) == 0);
		CHECK(PageGetLSN((Page) entry.value) ==
			  (k == NKEYS - 2 ? START + 10 : manifest->end_lsn));
		memcpy(page.data, entry.value, BLCKSZ);
		CHECK(bb_timeline_get(ctx, timeline, &key, manifest->end_lsn, &entry));
		CHECK(memcmp(page.data, entry.value, BLCKSZ) == 0);
	}
	CHECK(!bb_timeline_scan_next(ctx, scan, &entry));
	bb_timeline_scan_close(scan);
}

/* Reads at the first and the last LSN of layers. */
UNIT_TEST(history_at_the_borders_of_layers)
{
	Model	   *model = new_main(ctx);
	BbKey		key = model_key(NTIMES + NSLRU);
	BbKeyRange	range = {key, bb_key_next(&key)};
	BbTimeline *timeline;
	BbEntry		entry = {.key = key, .type = BB_ENTRY_IMAGE};

	/* layers of two LSNs each, with an entry at both */
	for (int i = 0; i < 10; i++)
	{
		XLogRecPtr	lsn = START + 1 + 2 * i;
		BbLayerWriter *writer = begin_delta(ctx, model, &range.start, lsn + 1);

		for (entry.lsn = lsn; entry.lsn < lsn + 2; entry.lsn++)
		{
			ModelEvent *event = &model->events[model->nevents++];
			uint8	   *value = palloc(sizeof(uint64));

			bb_put_le64(value, entry.lsn);
			entry.value = value;
			entry.length = sizeof(uint64);
			bb_layer_writer_add_entry(ctx, writer, &entry);
			*event = (ModelEvent){NTIMES + NSLRU, entry.lsn, BB_ENTRY_IMAGE,
								  value, sizeof(uint64)};
		}
		finish_delta(ctx, model, writer, &range.end);
		model->manifest.end_lsn = lsn + 1;
		/* at the first LSN of a layer, and at the last of another */
		if (i == 3 || i == 6)
			model_write_image(ctx, model, NTIMES, NKEYS, lsn + i % 2);
	}
	timeline = commit_and_open(ctx, model);
	for (XLogRecPtr lsn = START; lsn <= START + 20; lsn++)
	{
		BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &range,
													lsn);
		bool		expected = lsn > START;

		CHECK(bb_timeline_get(ctx, timeline, &key, lsn, &entry) == expected);
		if (expected)
			CHECK(bb_get_le64(entry.value) == lsn);
		CHECK(bb_timeline_scan_next(ctx, scan, &entry) == expected);
		if (expected)
			CHECK(bb_get_le64(entry.value) == lsn);
		bb_timeline_scan_close(scan);
	}
}

/* ---- times ---- */

/* Add a flush whose only entry is "value" of a WAL page's record ends. */
static void
flush_record_ends(const BbReqCtx *ctx, Model *model, XLogRecPtr page,
				  XLogRecPtr lsn, XLogRecPtr end_lsn, const uint16 *ends,
				  int n)
{
	BbEntry		entry = {.lsn = lsn, .type = BB_ENTRY_IMAGE};
	uint8		value[100];

	for (int i = 0; i < n; i++)
	{
		value[2 * i] = (uint8) ends[i];
		value[2 * i + 1] = ends[i] >> 8;
	}
	entry.key = bb_key_make(BB_KEY_RECORD_ENDS, 0, 0, page / XLOG_BLCKSZ, 0,
							0);
	entry.value = value;
	entry.length = 2 * n;
	flush_entry(ctx, model, &entry, end_lsn);
}

/* A timeline with commits at START + 10, 20, …, at these seconds. */
static BbPageStore *
store_with_commits(const BbReqCtx *ctx, const int *seconds, int n)
{
	Model	   *model = new_main(ctx);
	BbEntry		entry = {.key = model_key(0), .type = BB_ENTRY_IMAGE};
	uint16		ends[20];

	/* each commit is followed by another record */
	for (int i = 0; i < 2 * n; i++)
		ends[i] = START + 10 + 5 * i;
	flush_record_ends(ctx, model, 0, START + 1, START + 1, ends, 2 * n);
	for (int i = 0; i < n; i++)
	{
		uint8		value[BB_COMMIT_SIZE];

		bb_commit_encode(&(BbCommit){.time = seconds[i] * USECS_PER_SEC,
									 .xid = 1000 + i,
									 .aborted = i == 1},
						 value);
		entry.lsn = START + 10 * (i + 1);
		entry.value = value;
		entry.length = sizeof(value);
		flush_entry(ctx, model, &entry, entry.lsn);
	}
	flush_up_to(ctx, model, START + 10 * n + 5);
	commit(ctx, model);
	return bb_pagestore_timeline(ctx, model->objects, "main");
}

static void
check_time(const BbReqCtx *ctx, BbPageStore *store, int second,
		   BbTargetAnswer answer, XLogRecPtr expected)
{
	TimestampTz time = second * USECS_PER_SEC;
	XLogRecPtr	lsn;

	CHECK(bb_pagestore_find_time(ctx, store, time, true, &lsn) == answer);
	CHECK(lsn == expected);
	/* not inclusive is like a bit earlier */
	CHECK(bb_pagestore_find_time(ctx, store, time + 1, false, &lsn) == answer);
	CHECK(lsn == expected);
}

UNIT_TEST(lsn_at_a_time)
{
	/* the clock goes back after the third */
	static const int seconds[] = {100, 200, 200, 150, 300};
	BbPageStore *store = store_with_commits(ctx, seconds, 5);

	check_time(ctx, store, 99, BB_TARGET_PAST, START);
	/* up to the record before the next commit */
	check_time(ctx, store, 100, BB_TARGET_FOUND, START + 15);
	/* recovery would stop before the second, and never read the fourth */
	check_time(ctx, store, 150, BB_TARGET_FOUND, START + 15);
	check_time(ctx, store, 199, BB_TARGET_FOUND, START + 15);
	check_time(ctx, store, 200, BB_TARGET_FOUND, START + 45);
	check_time(ctx, store, 299, BB_TARGET_FOUND, START + 45);
	check_time(ctx, store, 300, BB_TARGET_FUTURE, START);
	check_time(ctx, store, 999, BB_TARGET_FUTURE, START);

	CHECK(bb_snapshot_time(ctx, unit_snapshot(store, START + 19)) ==
		  timestamptz_to_time_t(100 * USECS_PER_SEC));
	CHECK(bb_snapshot_time(ctx, unit_snapshot(store, START + 40)) ==
		  timestamptz_to_time_t(150 * USECS_PER_SEC));

	store = store_with_commits(ctx, NULL, 0);
	check_time(ctx, store, 100, BB_TARGET_NO_DATA, START);
}

static void
check_lsn(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr target,
		  bool inclusive, BbTargetAnswer answer, XLogRecPtr expected)
{
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	CHECK(bb_pagestore_find_lsn(ctx, store, target, inclusive, &lsn) ==
		  answer);
	CHECK(answer != BB_TARGET_FOUND || lsn == expected);
}

UNIT_TEST(lsn_of_a_target_lsn)
{
	static const uint16 ends[] = {START + 16, START + 24, START + 48};
	Model	   *model = new_main(ctx);
	BbPageStore *store;

	flush_record_ends(ctx, model, 0, START + 16, START + 48, ends, 3);
	commit(ctx, model);
	store = bb_pagestore_timeline(ctx, model->objects, "main");

	check_lsn(ctx, store, START - 1, true, BB_TARGET_PAST, 0);
	check_lsn(ctx, store, START, false, BB_TARGET_FOUND, START);
	check_lsn(ctx, store, START, true, BB_TARGET_FOUND, START + 16);
	/* inside the first record: the next one starts behind it */
	check_lsn(ctx, store, START + 1, false, BB_TARGET_FOUND, START + 16);
	check_lsn(ctx, store, START + 1, true, BB_TARGET_FOUND, START + 24);
	check_lsn(ctx, store, START + 24, false, BB_TARGET_FOUND, START + 24);
	check_lsn(ctx, store, START + 24, true, BB_TARGET_FOUND, START + 48);
	check_lsn(ctx, store, START + 25, false, BB_TARGET_FOUND, START + 48);
	check_lsn(ctx, store, START + 25, true, BB_TARGET_FUTURE, 0);
	check_lsn(ctx, store, START + 48, false, BB_TARGET_FOUND, START + 48);
	check_lsn(ctx, store, START + 48, true, BB_TARGET_FUTURE, 0);
	check_lsn(ctx, store, START + 49, false, BB_TARGET_FUTURE, 0);
}

UNIT_TEST(event_values)
{
	BbCommit	commit = {.time = 5,
						  .xid = UINT64CONST(0x123456789),
						  .aborted = true};
	BbRestorePoint point = {.time = 7};
	uint8		value[BB_RESTORE_POINT_SIZE + 1];

	bb_commit_encode(&commit, value);
	memset(&commit, 0, sizeof(commit));
	CHECK(bb_commit_decode(value, BB_COMMIT_SIZE, &commit));
	CHECK(commit.time == 5 && commit.aborted &&
		  commit.xid == UINT64CONST(0x123456789));
	/* as they were before they had xids */
	CHECK(bb_commit_decode(value, BB_COMMIT_TIME_SIZE, &commit));
	CHECK(commit.time == 5 && !commit.aborted && commit.xid == 0);
	CHECK(!bb_commit_decode(value, BB_COMMIT_SIZE - 1, &commit));
	CHECK(!bb_commit_decode(value, 7, &commit));
	CHECK(!bb_commit_decode(value, 0, &commit));
	value[16] = 2;
	CHECK(!bb_commit_decode(value, BB_COMMIT_SIZE, &commit));
	value[7] = 0x80;
	CHECK(!bb_commit_decode(value, BB_COMMIT_TIME_SIZE, &commit));

	memset(point.name, 'x', BB_RESTORE_POINT_NAME_SIZE - 1);
	CHECK(bb_restore_point_encode(&point, value) == BB_RESTORE_POINT_SIZE);
	memset(&point, 0xFF, sizeof(point));
	CHECK(bb_restore_point_decode(value, BB_RESTORE_POINT_SIZE, &point));
	CHECK(point.time == 7 &&
		  strlen(point.name) == BB_RESTORE_POINT_NAME_SIZE - 1);
	CHECK(!bb_restore_point_decode(value, BB_RESTORE_POINT_SIZE + 1, &point));
	CHECK(bb_restore_point_decode(value, 8, &point));
	CHECK(point.name[0] == '\0');
	CHECK(!bb_restore_point_decode(value, 7, &point));
	value[20] = '\0';
	CHECK(!bb_restore_point_decode(value, BB_RESTORE_POINT_SIZE, &point));
}

UNIT_TEST(branch_has_its_own_tli)
{
	Model	   *model = new_main(ctx);
	BbTliSwitch switches[] = {{1, START + 10}, {4, START + 20}};
	BbManifest *branch;
	static const struct
	{
		XLogRecPtr	lsn;
		TimeLineID	tli;
		int			nswitches;
	}			cases[] = {
		{START + 5, 1, 0},	{START + 10, 1, 0}, {START + 11, 4, 1},
		{START + 20, 4, 1}, {START + 21, 7, 2}, {START + 30, 7, 2},
	};

	model->manifest.tli = 7;
	model->manifest.nswitches = 2;
	model->manifest.switches = switches;
	flush_up_to(ctx, model, START + 30);
	commit(ctx, model);
	for (int i = 0; i < lengthof(cases); i++)
	{
		MemoryContext context = unit_enter();
		char	   *name = psprintf("b%d", i);

		bb_timeline_branch(ctx, model->objects, name, "main", cases[i].lsn);
		branch = bb_manifest_read(ctx, model->objects, name);
		CHECK(branch->tli == cases[i].tli);
		CHECK(branch->nswitches == cases[i].nswitches);
		unit_leave(context); /* REQUIRES: the lock */
	}
}

static void
check_snapshot(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			   XLogRecPtr expected, XLogRecPtr expected_start)
{
	BbSnapshot	snapshot = bb_snapshot_take(ctx, store, lsn);

	CHECK(snapshot.lsn == expected);
	CHECK(bb_snapshot_prev_lsn(ctx, &snapshot) == expected_start);
}

/*
 * A branch that begins in the middle of a WAL page.  Records that ended in this
 * page later, on the ancestor, aren't part of the branch.
 */
UNIT_TEST(branch_has_its_own_record_ends)
{
	static const uint16 of_main[] = {1096, 1200, 1304, 1408};
	static const uint16 of_branch[] = {1096, 1200, 1320};
	Model	   *model = new_main(ctx);
	Model	   *branch;
	BbPageStore *store;

	flush_record_ends(ctx, model, 0, 1096, 1408, of_main, 4);
	commit(ctx, model);

	branch = model_new(model->objects, "branch", model, 1200);
	branch->manifest.end_lsn = 1200;
	flush_record_ends(ctx, branch, 0, 1320, 1700, of_branch, 3);
	commit(ctx, branch);
	store = bb_pagestore_timeline(ctx, model->objects, "branch");

	check_snapshot(ctx, store, 1319, 1200, InvalidXLogRecPtr);
	check_snapshot(ctx, store, 1320, 1320, 1200);
	check_snapshot(ctx, store, 1500, 1320, 1200);

	store = bb_pagestore_timeline(ctx, model->objects, "main");
	check_snapshot(ctx, store, 1319, 1304, 1200);
	check_snapshot(ctx, store, 1200, 1200, 1096);
	CHECK(bb_snapshot_take(ctx, store, 1095).lsn == START);
}
