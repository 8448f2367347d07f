/*-------------------------------------------------------------------------
 *
 * test_rewrite.c
 *	  Merges of delta layers, and what every rewrite promises.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "objstore/objstore_driver.h"
#include "upkeep/commit.h"
#include "upkeep/pace.h"
#include "upkeep/rewrite.h"

static uint64 seed;

/* ---- reads against the model ---- */

static void
check_entry(const BbEntry *entry, const ModelValue *value, int k)
{
	BbKey		key = model_key(k);

	CHECK_SEED(bb_key_compare(&entry->key, &key) == 0);
	CHECK_SEED(entry->length == value->length);
	CHECK_SEED(memcmp(entry->value, value->page.data, value->length) == 0);
}

/* Compare all keys at an LSN, by a scan and by point reads. */
static void
check_at(const BbReqCtx *ctx, const Model *model, BbTimeline *timeline,
		 XLogRecPtr lsn)
{
	BbKey		last = model_key(NKEYS - 1);
	BbKeyRange	range = {model_key(0), bb_key_next(&last)};
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &range, lsn);
	BbEntry		entry;

	for (int k = 0; k < NKEYS; k++)
	{
		ModelValue	value;

		model_value(model, k, lsn, &value);
		if (value.exists)
		{
			CHECK_SEED(bb_timeline_scan_next(ctx, scan, &entry));
			check_entry(&entry, &value, k);
		}
		if (model_roll(4) == 0)
		{
			BbKey		key = model_key(k);

			CHECK_SEED(bb_timeline_get(ctx, timeline, &key, lsn, &entry) ==
					   value.exists);
			if (value.exists)
				check_entry(&entry, &value, k);
		}
	}
	CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
	bb_timeline_scan_close(scan);
}

/* The versions of a key are all there, in their order. */
static void
check_versions(const BbReqCtx *ctx, const Model *model, BbTimeline *timeline)
{
	int			k = model_roll(NKEYS);
	BbKey		key = model_key(k);
	BbTimelineVersions *versions;
	BbEntry		entry;

	versions = bb_timeline_versions_new(ctx, timeline, &key,
										model->manifest.start_lsn,
										model->manifest.end_lsn);
	for (int i = 0; i < model->nevents; i++)
	{
		const ModelEvent *event = &model->events[i];

		if (event->k != k)
			continue;
		CHECK_SEED(bb_timeline_versions_next(ctx, versions, &entry));
		CHECK_SEED(entry.lsn == event->lsn && entry.type == event->type &&
				   entry.length == event->length &&
				   memcmp(entry.value, event->data, entry.length) == 0);
	}
	CHECK_SEED(!bb_timeline_versions_next(ctx, versions, &entry));
	bb_timeline_versions_close(versions);
}

static void
check_reads(const BbReqCtx *ctx, const Model *model, int rounds)
{
	const BbManifest *manifest = &model->manifest;

	for (int i = 0; i < rounds; i++)
	{
		MemoryContext context = unit_enter();
		BbTimeline *timeline = bb_timeline_open(ctx, model->objects,
												manifest->timeline);

		check_at(ctx, model, timeline,
				 i == 0
					 ? manifest->end_lsn
					 : pg_prng_uint64_range(&model_prng, manifest->start_lsn,
											manifest->end_lsn));
		check_versions(ctx, model, timeline);
		unit_leave(context);
	}
}

static int
count_objects(const BbReqCtx *ctx, const Model *model)
{
	return list_length(bb_objstore_list(ctx, model->objects,
										psprintf("timelines/%s/layers",
												 model->manifest.timeline)));
}

/* ---- jobs ---- */

static void
include(BbLayerDesc *rectangle, const BbLayerDesc *layer)
{
	rectangle->lsn_start = Min(rectangle->lsn_start, layer->lsn_start);
	rectangle->lsn_end = Max(rectangle->lsn_end, layer->lsn_end);
	if (bb_key_compare(&layer->keys.start, &rectangle->keys.start) < 0)
		rectangle->keys.start = layer->keys.start;
	if (bb_key_compare(&layer->keys.end, &rectangle->keys.end) > 0)
		rectangle->keys.end = layer->keys.end;
}

/* Random keys within a range, rising. */
static List *
draw_cuts(const BbKeyRange *keys)
{
	List	   *cuts = NIL;

	for (int k = model_roll(NKEYS); k < NKEYS; k += 1 + model_roll(NKEYS))
	{
		BbKey	   *cut = palloc(sizeof(BbKey));

		*cut = model_key(k);
		if (bb_key_compare(&keys->start, cut) < 0 &&
			bb_key_compare(cut, &keys->end) < 0)
			cuts = lappend(cuts, cut);
	}
	return cuts;
}

/* No layer has entries on both sides of a cut. */
static void
check_cuts(const Model *model, const BbUpkeepJob *job, List *layers)
{
	ListCell   *cell;
	ListCell   *cut;

	foreach(cell, layers)
		foreach(cut, job->cuts)
		{
			const BbLayerDesc *layer = lfirst(cell);
			bool		sides[2] = {false, false};

			for (int i = 0; i < model->nevents; i++)
			{
				BbKey		key = model_key(model->events[i].k);

				if (model->events[i].lsn >= layer->lsn_start &&
					model->events[i].lsn < layer->lsn_end &&
					bb_key_in_range(&key, &layer->keys))
					sides[bb_key_compare(&key, lfirst(cut)) >= 0] = true;
			}
			CHECK_SEED(!sides[0] || !sides[1]);
		}
}

/*
 * A random merge: the layers of a rectangle, which grows until each layer that
 * it touches is within it.  Its LSNs may have holes, since not all layers have
 * all keys; then it isn't one.
 */
static bool
draw_merge(const BbManifest *manifest, BbUpkeepJob *job)
{
	BbLayerDesc rectangle;
	XLogRecPtr	reached;
	int			n;
	int			grown;
	bool		whole = true;
	int			first = model_roll(manifest->nlayers);

	if (manifest->layers[first].image)
		return false;
	rectangle = manifest->layers[first];
	if (model_roll(2))
		rectangle.keys = bb_key_range_all();
	else
	{
		const BbLayerDesc
			*other = &manifest->layers[model_roll(manifest->nlayers)];

		if (!other->image)
			include(&rectangle, other);
	}
	do
	{
		grown = 0;
		for (int i = 0; i < manifest->nlayers; i++)
		{
			BbLayerDesc before = rectangle;

			if (manifest->layers[i].image ||
				!bb_layer_overlaps(&manifest->layers[i], &rectangle))
				continue;
			include(&rectangle, &manifest->layers[i]);
			grown += memcmp(&before, &rectangle, sizeof(before)) != 0;
		}
	} while (grown > 0);

	*job = (BbUpkeepJob){.kind = BB_UPKEEP_MERGE,
						 .keys = rectangle.keys,
						 .cuts = draw_cuts(&rectangle.keys)};
	for (int i = 0; i < manifest->nlayers; i++)
		if (!manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &rectangle))
			job->inputs = lappend(job->inputs, &manifest->layers[i]);

	/* sweep over the LSNs */
	reached = rectangle.lsn_start;
	for (n = 1; n > 0;)
	{
		ListCell   *cell;

		n = 0;
		foreach(cell, job->inputs)
		{
			const BbLayerDesc *input = lfirst(cell);

			if (input->lsn_start <= reached && input->lsn_end > reached)
			{
				reached = input->lsn_end;
				n++;
			}
		}
	}
	whole = reached == rectangle.lsn_end;
	return whole;
}

/* The layers are tiles of the job's keys, each of all LSNs. */
static void
check_tiles(const BbUpkeepJob *job, List *layers)
{
	const BbLayerDesc *first = linitial(layers);
	BbKey		at = job->keys.start;
	XLogRecPtr	lo = PG_UINT64_MAX;
	XLogRecPtr	hi = 0;
	ListCell   *cell;

	foreach(cell, job->inputs)
	{
		const BbLayerDesc *input = lfirst(cell);

		lo = Min(lo, input->lsn_start);
		hi = Max(hi, input->lsn_end);
	}
	foreach(cell, layers)
	{
		const BbLayerDesc *layer = lfirst(cell);

		CHECK_SEED(bb_key_compare(&layer->keys.start, &at) == 0);
		CHECK_SEED(layer->lsn_start == lo && layer->lsn_end == hi);
		CHECK_SEED(!layer->image && first->image == layer->image);
		at = layer->keys.end;
	}
	CHECK_SEED(bb_key_compare(&at, &job->keys.end) == 0);
}

/* Do a job and commit it; the model goes on with the next manifest. */
static void
do_job(const BbReqCtx *ctx, Model *model, const BbUpkeepJob *job)
{
	BbManifest *manifest = bb_manifest_read(ctx, model->objects,
											model->manifest.timeline);
	BbManifest *next;
	BbRewriteStats stats = {0};
	List	   *added = bb_rewrite(ctx, model->objects, manifest, job, &stats);

	check_tiles(job, added);
	check_cuts(model, job, added);
	CHECK_SEED(stats.layers_read == list_length(job->inputs));
	CHECK_SEED(stats.layers_written == list_length(added));
	CHECK_SEED(stats.entries_written == stats.entries_read);
	CHECK_SEED(
		bb_upkeep_commit(ctx, model->objects, manifest, job, added, &next));
	CHECK_SEED(next->nlayers ==
			   manifest->nlayers - list_length(job->inputs) +
				   list_length(added));
	CHECK_SEED(next->keeps.nretired ==
			   manifest->keeps.nretired + list_length(job->inputs));
	CHECK_SEED(count_objects(ctx, model) ==
			   next->nlayers + next->keeps.nretired);
}

/* Make a timeline with random history. */
static Model *
random_timeline(const BbReqCtx *ctx)
{
	Model	   *model;

	seed = unit_seed();
	pg_prng_seed(&model_prng, seed);
	model = model_new(unit_store(ctx), "main", NULL, 0);
	model_import(ctx, model);
	model_live(ctx, model, 4 + model_roll(12));
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
	return model;
}

static void
make_branch(const BbReqCtx *ctx, Model *branch)
{
	model_live(ctx, branch, 2 + model_roll(4));
	CHECK(bb_manifest_commit(ctx, branch->objects, &branch->manifest));
}

static void
merge_at_random(const BbReqCtx *ctx, Model *model, int jobs)
{
	static const int sizes[] = {0, 0, 1, 256};

	for (int i = 0; i < jobs; i++)
	{
		MemoryContext context = unit_enter();
		BbManifest *manifest = bb_manifest_read(ctx, model->objects,
												model->manifest.timeline);
		BbUpkeepJob job;

		/* 0 MB: a tile for each key */
		bb_setting_layer_size_mb = sizes[model_roll(lengthof(sizes))];
		if (draw_merge(manifest, &job))
			do_job(ctx, model, &job);
		unit_leave(context);
	}
}

UNIT_TEST(merges_keep_every_version)
{
	int			size = bb_setting_layer_size_mb;

	for (int round = 0; round < 3; round++)
	{
		Model	   *root = random_timeline(ctx);
		Model	   *branch = model_new(root->objects, "branch", root,
									   pg_prng_uint64_range(&model_prng, START,
															root->manifest
																.end_lsn));

		make_branch(ctx, branch);
		for (int i = 0; i < 4; i++)
		{
			merge_at_random(ctx, model_roll(3) ? root : branch, 3);
			check_reads(ctx, root, 3);
			check_reads(ctx, branch, 2);
		}
	}
	bb_setting_layer_size_mb = size;
}

/* ---- jobs that aren't as required ---- */

/* All delta layers, over all keys. */
static BbUpkeepJob
merge_all(const BbManifest *manifest)
{
	BbUpkeepJob job = {.kind = BB_UPKEEP_MERGE, .keys = bb_key_range_all()};

	for (int i = 0; i < manifest->nlayers; i++)
		if (!manifest->layers[i].image)
			job.inputs = lappend(job.inputs, &manifest->layers[i]);
	return job;
}

static void
check_refused(const BbReqCtx *ctx, Model *model, const BbManifest *manifest,
			  BbUpkeepJob job)
{
	BbRewriteStats stats = {0};
	int			before = count_objects(ctx, model);

	CHECK_ERROR(bb_rewrite(ctx, model->objects, manifest, &job, &stats),
				ERRCODE_INTERNAL_ERROR);
	CHECK(count_objects(ctx, model) == before);
}

UNIT_TEST(merges_planned_wrongly_are_refused)
{
	Model	   *model = random_timeline(ctx);
	BbManifest *manifest = bb_manifest_read(ctx, model->objects, "main");
	BbUpkeepJob job = merge_all(manifest);
	BbUpkeepJob wrong;
	BbLayerDesc stranger;
	const BbLayerDesc *last = llast(job.inputs);
	BbManifest	other;
	BbGap		gap;

	/* one is left out: in the middle there is a hole */
	for (int i = 0; i < list_length(job.inputs); i++)
	{
		wrong = job;
		wrong.inputs = list_delete_nth_cell(list_copy(job.inputs), i);
		if (i > 0 && i < list_length(job.inputs) - 1)
			check_refused(ctx, model, manifest, wrong);
	}
	wrong = job;
	wrong.inputs = NIL;
	check_refused(ctx, model, manifest, wrong);

	wrong = job;
	wrong.keys.end = bb_key_make(BB_KEY_REL_SIZE, SPC, DB, REL, 0, 0);
	check_refused(ctx, model, manifest, wrong);
	wrong.keys.end = wrong.keys.start;
	check_refused(ctx, model, manifest, wrong);

	wrong = job;
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].image)
		{
			wrong.inputs = lappend(list_copy(job.inputs),
								   &manifest->layers[i]);
			break;
		}
	check_refused(ctx, model, manifest, wrong);

	stranger = *last;
	stranger.file_id++;
	wrong.inputs = lappend(list_copy(job.inputs), &stranger);
	check_refused(ctx, model, manifest, wrong);
	wrong.inputs = lappend(list_copy(job.inputs), (void *) last);
	check_refused(ctx, model, manifest, wrong);

	wrong = job;
	wrong.kind = BB_UPKEEP_EXPIRE;
	check_refused(ctx, model, manifest, wrong);

	/* a killed rebase is undone by the next one, which can't cut layers */
	other = *manifest;
	gap = (BbGap){.from = last->lsn_start - 1, .until = BB_LSN_UNKNOWN};
	other.gaps = &gap;
	other.ngaps = 1;
	check_refused(ctx, model, &other, job);

	other = *manifest;
	other.start_lsn = BB_LSN_UNKNOWN;
	check_refused(ctx, model, &other, job);
}

/* ---- what ends a rewrite early ---- */

/* How often upkeep may look around before it is canceled. */
static int	looks_left;

static void
cancel_soon(void)
{
	if (looks_left-- == 0)
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("enough")));
}

/* A timeline of flushes that have images of the same 100 blocks. */
static BbManifest *
timeline_of_images(const BbReqCtx *ctx, BbObjectStore *objects, int flushes)
{
	Model	   *model = model_new(objects, "main", NULL, 0);
	BbManifest *manifest = &model->manifest;
	BbKey		start = model_block_key(0);
	BbKey		end = model_block_key(100);
	PGAlignedBlock page = {{0}};

	model_write_image(ctx, model, 0, NKEYS, START);
	for (int i = 0; i < flushes; i++)
	{
		XLogRecPtr	lsn = manifest->end_lsn + 8;
		BbLayerWriter *writer;

		writer = bb_layer_writer_new_delta(ctx, objects, "main", &start,
										   manifest->end_lsn + 1, lsn + 1,
										   BB_COMPRESSION_NONE);
		for (int block = 0; block < 100; block++)
			bb_layer_writer_add_entry(ctx, writer,
									  &(BbEntry){model_block_key(block), lsn,
												 BB_ENTRY_IMAGE,
												 (uint8 *) page.data, BLCKSZ});
		manifest->layers[manifest->nlayers++] = *bb_layer_writer_finish(ctx,
																		writer,
																		&end);
		manifest->end_lsn = lsn;
	}
	CHECK(bb_manifest_commit(ctx, objects, manifest));
	return bb_manifest_read(ctx, objects, "main");
}

static int
count_layers(const BbReqCtx *ctx, BbObjectStore *objects)
{
	return list_length(
		bb_objstore_list(ctx, objects, "timelines/main/layers"));
}

UNIT_TEST(merges_that_fail_leave_nothing)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *manifest = timeline_of_images(ctx, objects, 5);
	BbUpkeepJob job = merge_all(manifest);
	int			size = bb_setting_layer_size_mb;
	int			compression = bb_setting_compression;
	int			failed = 0;

	bb_setting_layer_size_mb = 0;
	bb_setting_compression = BB_COMPRESSION_NONE;
	for (int calls = 0;; calls++)
	{
		MemoryContext context = unit_enter();
		BbRewriteStats stats = {0};
		int			before = count_layers(ctx, objects);
		int			sqlstate;

		looks_left = calls;
		bb_upkeeppace_begin(ctx, cancel_soon);
		ERROR_OF(bb_rewrite(ctx, objects, manifest, &job, &stats), sqlstate);
		CHECK(sqlstate == 0 || sqlstate == ERRCODE_QUERY_CANCELED);
		if (sqlstate != 0)
			CHECK(count_layers(ctx, objects) == before);
		failed += sqlstate != 0;
		unit_leave(context);
		if (sqlstate == 0)
			break;
	}
	/* with the first tiles written already */
	CHECK(failed >= 3);
	bb_setting_layer_size_mb = size;
	bb_setting_compression = compression;
}

UNIT_TEST(merges_of_lost_and_broken_layers_leave_nothing)
{
	Model	   *model = random_timeline(ctx);
	BbManifest *manifest = bb_manifest_read(ctx, model->objects, "main");
	BbUpkeepJob job = merge_all(manifest);
	BbLayerDesc *last = llast(job.inputs);
	BbRewriteStats stats = {0};
	int			before;

	/* a manifest that doesn't have the number of entries */
	before = count_objects(ctx, model);
	last->entries++;
	CHECK_ERROR(bb_rewrite(ctx, model->objects, manifest, &job, &stats),
				ERRCODE_DATA_CORRUPTED);
	last->entries--;
	CHECK(count_objects(ctx, model) == before);

	bb_objstore_remove(ctx, model->objects,
					   bb_layer_object_name("main", last));
	CHECK_ERROR(bb_rewrite(ctx, model->objects, manifest, &job, &stats),
				ERRCODE_UNDEFINED_FILE);
	CHECK(count_objects(ctx, model) == before - 1);
}

/* ---- two writers ---- */

UNIT_TEST(merge_beside_other_writers)
{
	Model	   *model = random_timeline(ctx);
	BbManifest *manifest = bb_manifest_read(ctx, model->objects, "main");
	BbUpkeepJob job = merge_all(manifest);
	BbRewriteStats stats = {0};
	List	   *mine = bb_rewrite(ctx, model->objects, manifest, &job, &stats);
	List	   *theirs = bb_rewrite(ctx, model->objects, manifest, &job,
									&stats);
	XLogRecPtr	end = manifest->end_lsn + 8;
	BbLayerDesc *flush = model_write_delta(ctx, model->objects, "main",
										   manifest->end_lsn, end);
	BbManifestEnd moved = {.end_lsn = end,
						   .prev_lsn = manifest->end_lsn,
						   .end_time = manifest->end_time,
						   .tli = manifest->tli};
	BbManifest *next;
	int			before = count_objects(ctx, model);

	/* intake goes on in the meantime */
	(void) bb_manifest_edit(ctx, model->objects,
							&(BbManifestEdit){.base = manifest,
											  .added = list_make1(flush),
											  .end = &moved});
	CHECK(
		bb_upkeep_commit(ctx, model->objects, manifest, &job, theirs, &next));
	CHECK(next->end_lsn == end);

	/* the inputs are gone */
	CHECK(!bb_upkeep_commit(ctx, model->objects, manifest, &job, mine, &next));
	CHECK(count_objects(ctx, model) == before - list_length(mine));
	check_reads(ctx, model, 3);

	/* an answer that was lost: what was committed isn't removed */
	CHECK(
		bb_upkeep_commit(ctx, model->objects, manifest, &job, theirs, &next));
	CHECK(count_objects(ctx, model) == before - list_length(mine));
	check_reads(ctx, model, 3);

	/* a timeline that was dropped */
	mine = bb_rewrite(ctx, model->objects, next,
					  &(BbUpkeepJob){.kind = BB_UPKEEP_MERGE,
									 .keys = bb_key_range_all(),
									 .inputs = merge_all(next).inputs},
					  &stats);
	bb_timeline_drop(ctx, model->objects, "main");
	CHECK(!bb_upkeep_commit(ctx, model->objects, next, &job, mine, &next));
	CHECK(count_objects(ctx, model) == 0);
}

/* The postmaster signals a cancel twice, and once may be in the clean-up. */
UNIT_TEST(discard_beside_a_cancel)
{
	Model	   *model = random_timeline(ctx);
	BbManifest *manifest = bb_manifest_read(ctx, model->objects, "main");
	BbUpkeepJob job = merge_all(manifest);
	BbRewriteStats stats = {0};
	int			before = count_objects(ctx, model);
	List	   *added = bb_rewrite(ctx, model->objects, manifest, &job,
								   &stats);

	CHECK(count_objects(ctx, model) > before);
	QueryCancelPending = InterruptPending = true;
	bb_rewrite_discard(ctx, model->objects, "main", added);
	CHECK(QueryCancelPending && QueryCancelHoldoffCount == 0);
	QueryCancelPending = false;
	CHECK(count_objects(ctx, model) == before);
}

/* A store whose puts are refused; the "done_at"-th is done, without an answer. */
static struct
{
	const BbObjectStoreOps *ops;
	int			puts;
	int			done_at;
}			busy;

static bool
busy_put_if(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			const void *data, size_t length, BbObjectTag expected,
			BbObjectTag *tag)
{
	if (++busy.puts == busy.done_at)
		CHECK(
			busy.ops->put_if(ctx, objects, name, data, length, expected, tag));
	return false;
}

/* The edit isn't tried again then, but its layers are part of the timeline. */
UNIT_TEST(merge_without_an_answer_at_last)
{
	Model	   *model = random_timeline(ctx);
	BbManifest *manifest = bb_manifest_read(ctx, model->objects, "main");
	BbUpkeepJob job = merge_all(manifest);
	BbRewriteStats stats = {0};
	int			before = count_objects(ctx, model);
	BbObjectStoreOps ops = *model->objects->ops;
	List	   *added;
	BbManifest *next;

	memset(&busy, 0, sizeof(busy));
	busy.ops = model->objects->ops;
	ops.put_if = busy_put_if;
	added = bb_rewrite(ctx, model->objects, manifest, &job, &stats);
	model->objects->ops = &ops;
	CHECK(
		!bb_upkeep_commit(ctx, model->objects, manifest, &job, added, &next));
	CHECK(count_objects(ctx, model) == before);

	busy.done_at = busy.puts;
	busy.puts = 0;
	added = bb_rewrite(ctx, model->objects, manifest, &job, &stats);
	CHECK(
		!bb_upkeep_commit(ctx, model->objects, manifest, &job, added, &next));
	CHECK(busy.puts == busy.done_at);
	model->objects->ops = busy.ops;
	CHECK(count_objects(ctx, model) == before + list_length(added));
	check_reads(ctx, model, 3);
}
