/*-------------------------------------------------------------------------
 *
 * test_rewrite_store.c
 *	  Merges, images and squashes of timelines as ingest makes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "base/settings.h"
#include "layer/layermap.h"
#include "layer/manifest_edit.h"
#include "rectangle.h"
#include "storemodel.h"
#include "upkeep/commit.h"
#include "upkeep/retention.h"
#include "upkeep/rewrite.h"
#include "upkeep/verify.h"

static uint64 seed;

/* What a test did, to see that it did enough. */
static struct
{
	int			jobs[BB_UPKEEP_KIND_COUNT];
}			done;

static BbManifest *
read_manifest(const BbReqCtx *ctx, const StoreModel *model)
{
	return bb_manifest_read(ctx, storemodel_objects(model),
							storemodel_name(model));
}

/* ---- jobs ---- */

static XLogRecPtr
draw_readable(const StoreModel *model, const BbManifest *manifest)
{
	int			npoints = manifest->keeps.npoints;

	if (npoints > 0 && model_roll(3) == 0)
		return manifest->keeps.points[model_roll(npoints)].lsn;
	if (model_roll(8) == 0)
		return manifest->start_lsn;
	return pg_prng_uint64_range(&model_prng, manifest->start_lsn,
								manifest->end_lsn);
}

/* A range of keys that an image may have. */
static BbKeyRange
draw_image_keys(const StoreModel *model)
{
	BbKeyRange	early = {bb_key_range_all().start,
						 bb_key_range_kind(BB_KEY_COMMIT_TIME).start};
	BbKeyRange	late = {bb_key_range_kind(BB_KEY_TABLESPACE).start,
						bb_key_range_all().end};
	BbKeyRange	range = late;

	if (model_roll(6) == 0)
		return early;
	if (model_roll(3))
	{
		BbKey		a = storemodel_draw_key(model);
		BbKey		b = storemodel_draw_key(model);

		if (bb_key_compare(&a, &b) > 0)
			range = (BbKeyRange){b, a};
		else
			range = (BbKeyRange){a, bb_key_next(&b)};
		if (bb_key_compare(&range.start, &late.start) < 0)
			range.start = late.start;
		if (bb_key_compare(&range.start, &range.end) >= 0)
			return late;
	}
	return range;
}

/* Is there an image layer at the LSN of a job, for some of its keys? */
static bool
is_imaged(const BbManifest *manifest, const BbUpkeepJob *job)
{
	BbLayerDesc image = {.keys = job->keys,
						 .lsn_start = job->lsn,
						 .lsn_end = job->lsn + 1};

	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &image))
			return true;
	return false;
}

/* The layers of each LSN range are tiles of the job's keys. */
static void
check_tiles(const BbUpkeepJob *job, List *layers)
{
	BbKey		at = job->keys.start;
	const BbLayerDesc *before = NULL;
	ListCell   *cell;

	foreach(cell, layers)
	{
		const BbLayerDesc *layer = lfirst(cell);

		if (before != NULL && before->lsn_end != layer->lsn_end)
		{
			CHECK_SEED(bb_key_compare(&at, &job->keys.end) == 0);
			CHECK_SEED(layer->lsn_start == before->lsn_end);
			at = job->keys.start;
		}
		CHECK_SEED(bb_key_compare(&layer->keys.start, &at) == 0);
		CHECK_SEED(layer->image == (job->kind == BB_UPKEEP_IMAGE));
		at = layer->keys.end;
		before = layer;
	}
	if (before != NULL)
		CHECK_SEED(bb_key_compare(&at, &job->keys.end) == 0);
}

static void
do_job(const BbReqCtx *ctx, StoreModel *model, BbUpkeepKind kind)
{
	static const int sizes[] = {0, 1, 256};
	BbManifest *manifest = read_manifest(ctx, model);
	BbUpkeepJob job = {.kind = kind};
	BbRewriteStats stats = {0};
	BbManifest *next;
	List	   *added;

	bb_setting_layer_size_mb = sizes[model_roll(lengthof(sizes))];
	if (kind == BB_UPKEEP_IMAGE)
	{
		job.keys = draw_image_keys(model);
		job.lsn = draw_readable(model, manifest);
		if (is_imaged(manifest, &job))
			return;
	}
	else if (!rectangle_draw_inputs(manifest, &job))
		return;
	added = bb_rewrite(ctx, storemodel_objects(model), manifest, &job, &stats);
	check_tiles(&job, added);
	CHECK_SEED(bb_upkeep_commit(ctx, storemodel_objects(model), manifest, &job,
								added, &next));
	done.jobs[kind]++;
}

static int
compare_lsns(const void *a, const void *b)
{
	XLogRecPtr	left = *(const XLogRecPtr *) a;
	XLogRecPtr	right = *(const XLogRecPtr *) b;

	return left < right ? -1 : left > right;
}

/*
 * Move the start up, and leave some points behind: that of the branch, and
 * others at random.
 */
static void
expire(const BbReqCtx *ctx, const StoreModel *model, XLogRecPtr branched)
{
	BbManifest *manifest = read_manifest(ctx, model);
	const BbKeeps *keeps = &manifest->keeps;
	XLogRecPtr	before = manifest->start_lsn;
	XLogRecPtr	start = storemodel_draw_lsn(model, before);
	BbManifestPoints points = {0};
	BbRetention a_second = {.window_s = 1};
	XLogRecPtr	lsns[6];
	int			n = 0;

	if (start <= before)
		return;
	points.points = palloc((keeps->npoints + lengthof(lsns)) *
						   sizeof(BbPoint));
	for (int i = 0; i < keeps->npoints; i++)
		if (model_roll(4) || keeps->points[i].lsn == branched)
			points.points[points.n++] = keeps->points[i];
	/* ends of records, and LSNs right before one */
	lsns[n++] = branched;
	while (n < lengthof(lsns))
		lsns[n++] = storemodel_draw_lsn(model, before) - model_roll(2);
	qsort(lsns, n, sizeof(XLogRecPtr), compare_lsns);
	for (int i = 0; i < n; i++)
		if (lsns[i] >= before && lsns[i] < start &&
			(i == 0 || lsns[i] != lsns[i - 1]))
			points.points[points.n++] = (BbPoint){.lsn = lsns[i]};
	(void) bb_manifest_edit(ctx, storemodel_objects(model),
							&(BbManifestEdit){.base = manifest,
											  .start_lsn = start,
											  .retention = &a_second,
											  .points = &points});
	done.jobs[BB_UPKEEP_EXPIRE]++;
}

/* Retire what isn't needed any more. */
static void
retire(const BbReqCtx *ctx, StoreModel *model)
{
	BbManifest *manifest = read_manifest(ctx, model);
	List	   *branches = bb_points_branches(ctx, storemodel_objects(model),
											  storemodel_name(model));
	BbUpkeepJob job = {.kind = BB_UPKEEP_RETIRE,
					   .inputs = bb_retention_unneeded(manifest, branches)};
	BbManifest *next;

	if (job.inputs == NIL)
		return;
	CHECK_SEED(bb_upkeep_commit(ctx, storemodel_objects(model), manifest, &job,
								NIL, &next));
	done.jobs[BB_UPKEEP_RETIRE]++;
}

/* ---- reading ---- */

static void
check_at(const BbReqCtx *ctx, StoreModel *model, XLogRecPtr lsn,
		 XLogRecPtr start)
{
	MemoryContext context = unit_enter();
	char	   *difference = storemodel_compare(ctx, model, lsn, start);

	if (difference != NULL)
		elog(ERROR, "%s (seed " UINT64_FORMAT ")", difference, seed);
	unit_leave(context);
}

static void
check_reads(const BbReqCtx *ctx, StoreModel *model, int rounds)
{
	MemoryContext context = unit_enter();
	BbManifest *manifest = read_manifest(ctx, model);

	for (int i = 0; i < manifest->keeps.npoints; i++)
		check_at(ctx, model, manifest->keeps.points[i].lsn,
				 manifest->start_lsn);
	check_at(ctx, model, manifest->start_lsn, manifest->start_lsn);
	check_at(ctx, model, manifest->end_lsn, manifest->start_lsn);
	for (int i = 0; i < rounds; i++)
		check_at(ctx, model,
				 pg_prng_uint64_range(&model_prng, manifest->start_lsn,
									  manifest->end_lsn),
				 manifest->start_lsn);
	unit_leave(context);
}

static bool
was_done(void)
{
	for (int kind = 0; kind <= BB_UPKEEP_RETIRE; kind++)
		if (done.jobs[kind] == 0)
			return false;
	return true;
}

UNIT_TEST(rewrites_keep_what_can_be_read)
{
	int			size = bb_setting_layer_size_mb;
	int			rounds = getenv("BB_ROUNDS") ? atoi(getenv("BB_ROUNDS")) : 4;

	memset(&done, 0, sizeof(done));
	/* few rounds may have no job of a kind */
	for (int round = 0; round < rounds || (!was_done() && round < 50); round++)
	{
		StoreModel *root;
		StoreModel *branch;
		XLogRecPtr	branched;

		seed = unit_seed();
		pg_prng_seed(&model_prng, seed);
		root = storemodel_new(ctx, unit_store(ctx), "main");
		for (int i = 0; i < 6; i++)
			storemodel_live(ctx, root, 20 + model_roll(60));
		branched = storemodel_draw_lsn(root, START);
		branch = storemodel_branch(ctx, root, "branch", branched);
		for (int i = 0; i < 12; i++)
		{
			MemoryContext context = unit_enter();
			StoreModel *model = model_roll(3) ? root : branch;

			if (model_roll(3) == 0 || storemodel_end(branch) == branched)
			{
				storemodel_live(ctx, model, 10 + model_roll(60));
				if (storemodel_end(branch) == branched)
					storemodel_live(ctx, branch, 30);
			}
			if (model_roll(3) == 0)
				expire(ctx, root, branched);
			for (int job = 0; job < 3; job++)
				do_job(ctx, model, (BbUpkeepKind) model_roll(3));
			if (model_roll(2))
				retire(ctx, model);
			check_reads(ctx, root, 1);
			check_reads(ctx, branch, 1);
			unit_leave(context);
		}
	}
	CHECK_SEED(was_done());
	bb_setting_layer_size_mb = size;
}

/* ---- images ---- */

/* A timeline of which all is kept. */
static StoreModel *
new_store(const BbReqCtx *ctx, int flushes)
{
	StoreModel *model;

	seed = unit_seed();
	pg_prng_seed(&model_prng, seed);
	model = storemodel_new(ctx, unit_store(ctx), "main");
	for (int i = 0; i < flushes; i++)
		storemodel_live(ctx, model, 50);
	return model;
}

static BbUpkeepJob
image_of(BbKeyKind from, XLogRecPtr lsn)
{
	return (BbUpkeepJob){.kind = BB_UPKEEP_IMAGE,
						 .keys = {bb_key_range_kind(from).start,
								  bb_key_range_all().end},
						 .lsn = lsn};
}

static BbManifest *
do_and_commit(const BbReqCtx *ctx, StoreModel *model, const BbUpkeepJob *job,
			  List **added)
{
	BbRewriteStats stats = {0};
	BbManifest *manifest = read_manifest(ctx, model);
	BbManifest *next;

	*added = bb_rewrite(ctx, storemodel_objects(model), manifest, job, &stats);
	CHECK(bb_upkeep_commit(ctx, storemodel_objects(model), manifest, job,
						   *added, &next));
	return next;
}

/* All delta layers from a kind of keys on, which have to be cut there. */
static BbUpkeepJob
rectangle_of(const BbManifest *manifest, BbUpkeepKind kind, BbKeyKind from)
{
	BbUpkeepJob job = {.kind = kind,
					   .keys = {bb_key_range_kind(from).start,
								bb_key_range_all().end},
					   .lsn = manifest->start_lsn};

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!layer->image &&
			bb_key_compare(&layer->keys.end, &job.keys.start) > 0)
			job.inputs = lappend(job.inputs, unconstify(BbLayerDesc *, layer));
	}
	return job;
}

/*
 * A squash of what no readable LSN needs, since all of it lies below an image at
 * the start: one entry stays, so that nobody takes the layer for lost.
 */
UNIT_TEST(squash_that_needs_nothing)
{
	StoreModel *model = new_store(ctx, 3);
	XLogRecPtr	end = storemodel_end(model);
	BbManifest *manifest = read_manifest(ctx, model);
	BbUpkeepJob job = rectangle_of(manifest, BB_UPKEEP_MERGE,
								   BB_KEY_CONTROL_FILE);
	BbManifestPoints none = {0};
	BbRetention a_second = {.window_s = 1};
	List	   *added;
	const BbLayerDesc *layer;

	job.keys = bb_key_range_all();
	(void) do_and_commit(ctx, model, &job, &added);
	CHECK(list_length(added) >= 2);
	job = image_of(BB_KEY_TABLESPACE, end);
	manifest = do_and_commit(ctx, model, &job, &added);
	(void) bb_manifest_edit(ctx, storemodel_objects(model),
							&(BbManifestEdit){.base = manifest,
											  .start_lsn = end,
											  .retention = &a_second,
											  .points = &none});
	manifest = read_manifest(ctx, model);
	job = rectangle_of(manifest, BB_UPKEEP_SQUASH, BB_KEY_TABLESPACE);
	CHECK(list_length(job.inputs) == 1);
	layer = linitial(job.inputs);
	CHECK(layer->entries > 1 && layer->lsn_end == end + 1);
	(void) do_and_commit(ctx, model, &job, &added);
	CHECK(list_length(added) == 1);
	layer = linitial(added);
	CHECK(layer->entries == 1 && !layer->image);
	CHECK(layer->lsn_start == START + 1 && layer->lsn_end == end + 1);
	check_reads(ctx, model, 0);

	/* and once more, which changes nothing */
	manifest = read_manifest(ctx, model);
	job = rectangle_of(manifest, BB_UPKEEP_SQUASH, BB_KEY_TABLESPACE);
	(void) do_and_commit(ctx, model, &job, &added);
	CHECK(list_length(added) == 1);
	CHECK(((const BbLayerDesc *) linitial(added))->entries == 1);
	check_reads(ctx, model, 0);
}

static int
count_objects(const BbReqCtx *ctx, const StoreModel *model)
{
	return list_length(bb_objstore_list(ctx, storemodel_objects(model),
										"timelines/main/layers"));
}

UNIT_TEST(images_by_two_writers)
{
	StoreModel *model = new_store(ctx, 3);
	BbObjectStore *objects = storemodel_objects(model);
	BbManifest *manifest = read_manifest(ctx, model);
	BbUpkeepJob job = image_of(BB_KEY_TABLESPACE, manifest->end_lsn);
	BbRewriteStats stats = {0};
	List	   *mine = bb_rewrite(ctx, objects, manifest, &job, &stats);
	List	   *theirs = bb_rewrite(ctx, objects, manifest, &job, &stats);
	BbManifest *next;
	int			before = count_objects(ctx, model);

	CHECK(bb_upkeep_commit(ctx, objects, manifest, &job, mine, &next));
	CHECK(!bb_upkeep_commit(ctx, objects, manifest, &job, theirs, &next));
	CHECK(count_objects(ctx, model) == before - list_length(theirs));
	check_reads(ctx, model, 3);
}

static void
check_refused(const BbReqCtx *ctx, StoreModel *model, BbUpkeepJob job)
{
	BbRewriteStats stats = {0};
	int			before = count_objects(ctx, model);

	CHECK_ERROR(bb_rewrite(ctx, storemodel_objects(model),
						   read_manifest(ctx, model), &job, &stats),
				ERRCODE_INTERNAL_ERROR);
	CHECK(count_objects(ctx, model) == before);
}

UNIT_TEST(images_planned_wrongly_are_refused)
{
	StoreModel *model = new_store(ctx, 3);
	XLogRecPtr	end = storemodel_end(model);
	BbUpkeepJob job = image_of(BB_KEY_TABLESPACE, end);

	check_refused(ctx, model, image_of(BB_KEY_TABLESPACE, end + 1));
	check_refused(ctx, model, image_of(BB_KEY_TABLESPACE, START - 1));
	check_refused(ctx, model, image_of(BB_KEY_TABLESPACE, START));
	check_refused(ctx, model, image_of(BB_KEY_COMMIT_TIME, end));
	check_refused(ctx, model, image_of(BB_KEY_RECORD_ENDS, end));
	check_refused(ctx, model, image_of(BB_KEY_CONTROL_FILE, end));
	job.keys.end = job.keys.start;
	check_refused(ctx, model, job);
	job = image_of(BB_KEY_TABLESPACE, end);
	job.inputs = list_make1(&read_manifest(ctx, model)->layers[0]);
	check_refused(ctx, model, job);
}

/* Does a verification of pages find that a block is absent? */
static bool
is_found_absent(const BbReqCtx *ctx, BbObjectStore *objects, XLogRecPtr lsn)
{
	BbVerifyPass *pass = bb_verify_begin("main", BB_VERIFY_PAGES, &lsn, 1);
	ListCell   *cell;

	while (bb_verify_step(ctx, objects, pass))
	{
	}
	foreach(cell, pass->findings)
	{
		const BbFinding *finding = lfirst(cell);

		if (finding->kind == BB_FINDING_ABSENT &&
			strcmp(finding->message, "The block is missing.") == 0)
			return true;
	}
	return false;
}

/*
 * Add a flush with one entry that is wrong, and see that no image is made with
 * it.
 */
static void
check_no_image(const BbReqCtx *ctx, BbKey key, BbEntryType type,
			   const void *value, uint32 length, const char *message)
{
	StoreModel *model = new_store(ctx, 2);
	BbObjectStore *objects = storemodel_objects(model);
	BbManifest *manifest = read_manifest(ctx, model);
	XLogRecPtr	end = manifest->end_lsn + 8;
	BbEntry		entry = {key, end, type, value, length};
	BbKey		next = bb_key_next(&key);
	BbLayerWriter *writer;
	BbManifestEnd moved = {.end_lsn = end,
						   .end_time = manifest->end_time,
						   .tli = manifest->tli};
	BbUpkeepJob job = image_of(BB_KEY_TABLESPACE, end);
	BbRewriteStats stats = {0};
	int			before;

	writer = bb_layer_writer_new_delta(ctx, objects, "main", &key,
									   manifest->end_lsn + 1, end + 1,
									   BB_COMPRESSION_DEFAULT);
	bb_layer_writer_add_entry(ctx, writer, &entry);
	manifest = bb_manifest_edit(
		ctx, objects,
		&(BbManifestEdit){.base = manifest,
						  .added = list_make1(
							  bb_layer_writer_finish(ctx, writer, &next)),
						  .end = &moved});
	before = count_objects(ctx, model);
	if (bb_key_compare(&key, &job.keys.start) < 0)
		job.keys = (BbKeyRange){bb_key_range_all().start,
								bb_key_range_kind(BB_KEY_COMMIT_TIME).start};
	CHECK_ERROR(bb_rewrite(ctx, objects, manifest, &job, &stats),
				ERRCODE_DATA_CORRUPTED);
	if (strstr(unit_last_error, message) == NULL &&
		(unit_last_detail == NULL ||
		 strstr(unit_last_detail, message) == NULL))
		elog(ERROR, "%s: %s", message, unit_last_error);
	CHECK(strstr(unit_last_error, bb_key_text(&key)) != NULL ||
		  strstr(message, "missing") != NULL);
	CHECK(count_objects(ctx, model) == before);

	if (strstr(message, "missing") != NULL &&
		key.bytes[0] >= BB_KEY_TABLESPACE)
		CHECK(is_found_absent(ctx, objects, end));
	CHECK(!is_found_absent(ctx, objects, end - 1));

	/* without the entry, there is one */
	job.lsn = end - 1;
	CHECK(bb_rewrite(ctx, objects, manifest, &job, &stats) != NIL);
}

UNIT_TEST(images_have_no_gap)
{
	static const uint8 large[4] = {200, 0, 0, 0};
	BbKey		size = bb_key_rel_size(SPC, DB, REL, MAIN_FORKNUM);
	BbKey		twophase = bb_key_twophase_size(9);
	PGAlignedBlock page = {{0}};

	bb_setting_layer_size_mb = 256;
	/* a relation, an SLRU segment, a file, a two-phase file lack blocks */
	check_no_image(ctx, size, BB_ENTRY_IMAGE, large, 4,
				   "relation 1663/5/1000 main block");
	check_no_image(ctx, bb_key_slru_size(BB_SLRU_XACT, 7), BB_ENTRY_IMAGE,
				   large, 4, "is missing");
	check_no_image(ctx, bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, 1, 0, 1),
				   BB_ENTRY_DELETED, "", 0, "is missing");
	check_no_image(ctx, twophase, BB_ENTRY_IMAGE, large, 4, "is missing");
	check_no_image(ctx, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
				   BB_ENTRY_DELETED, "", 0, "is missing");
	check_no_image(ctx, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0),
				   BB_ENTRY_DELETED, "", 0, "is missing");

	/* sizes and lengths that can't be */
	check_no_image(ctx, size, BB_ENTRY_IMAGE, large, 3, "length is wrong");
	check_no_image(ctx, bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, 1, 0, 0),
				   BB_ENTRY_IMAGE, large, 4, "too short");
	check_no_image(ctx, bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, 1, 0, 1),
				   BB_ENTRY_IMAGE, page.data, 6, "6 bytes instead of 5");
	check_no_image(ctx, size, BB_ENTRY_IMAGE, "\377\377\377\377", 4,
				   "impossibly large");
}

/* A page that is newer than the image, and one that was imported broken. */
UNIT_TEST(images_have_no_impossible_pages)
{
	StoreModel *model = new_store(ctx, 2);
	BbObjectStore *objects = storemodel_objects(model);
	BbManifest *manifest = read_manifest(ctx, model);
	BbKey		size = bb_key_rel_size(SPC, DB, 9, MAIN_FORKNUM);
	BbKey		block = bb_key_rel_block(SPC, DB, 9, MAIN_FORKNUM, 0);
	BbKey		next = bb_key_next(&block);
	BbKeyRange	range = {block, next};
	static const uint8 one[4] = {1, 0, 0, 0};
	XLogRecPtr	end = manifest->end_lsn + 8;
	BbManifestEnd moved = {.end_lsn = end,
						   .end_time = manifest->end_time,
						   .tli = manifest->tli};
	BbUpkeepJob job = image_of(BB_KEY_TABLESPACE, end);

	for (int round = 0; round < 3; round++)
	{
		uint8	   *page = model_random_page(round == 0 ? end + 1 : end);
		BbRewriteStats stats = {0};
		BbLayerWriter *writer;
		List	   *layers;
		BbManifest	with = *manifest;
		ListCell   *cell;

		writer = bb_layer_writer_new_delta(ctx, objects, "main", &size,
										   manifest->end_lsn + 1, end + 1,
										   BB_COMPRESSION_NONE);
		bb_layer_writer_add_entry(ctx, writer,
								  &(BbEntry){size, end, BB_ENTRY_IMAGE, one,
											 sizeof(one)});
		if (round < 2)
			bb_layer_writer_add_entry(ctx, writer,
									  &(BbEntry){block, end, BB_ENTRY_IMAGE,
												 page, BLCKSZ});
		layers = list_make1(bb_layer_writer_finish(ctx, writer, &next));
		if (round == 2)
		{
			/* as imported: its checksum isn't set by a read */
			writer = bb_layer_writer_new(ctx, objects, "main", &block, end,
										 BB_COMPRESSION_NONE);
			bb_layer_writer_add(ctx, writer, &block, page, BLCKSZ);
			layers = lappend(layers,
							 bb_layer_writer_finish(ctx, writer, &next));
		}
		with.end_lsn = moved.end_lsn;
		with.layers = palloc((with.nlayers + 2) * sizeof(BbLayerDesc));
		memcpy(with.layers, manifest->layers,
			   with.nlayers * sizeof(BbLayerDesc));
		foreach(cell, layers)
			with.layers[with.nlayers++] = *(BbLayerDesc *) lfirst(cell);
		job.keys = round == 2 ? range : job.keys;
		job.lsn = round == 2 ? end + 8 : end;
		if (round == 2)
			with.end_lsn = end + 8;
		if (round == 2)
		{
			BbLayerDesc *later = model_write_delta(ctx, objects, "main", end,
												   end + 8);

			with.layers = repalloc(with.layers,
								   (with.nlayers + 1) * sizeof(BbLayerDesc));
			with.layers[with.nlayers++] = *later;
		}
		if (round == 1)
		{
			CHECK(bb_rewrite(ctx, objects, &with, &job, &stats) != NIL);
			continue;
		}
		CHECK_ERROR(bb_rewrite(ctx, objects, &with, &job, &stats),
					ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, "relation 1663/5/9 main block 0") !=
			  NULL);
		CHECK(strstr(unit_last_detail,
					 round == 0 ? "later LSN" : "checksum") != NULL);
	}
}

/* ---- a disk that is full ---- */

/* No object can be made: the directory of the layers refuses it. */
UNIT_TEST(rewrites_without_room_leave_nothing)
{
	StoreModel *model = new_store(ctx, 4);
	BbObjectStore *objects = storemodel_objects(model);
	BbManifest *manifest = read_manifest(ctx, model);
	BbUpkeepJob jobs[] = {image_of(BB_KEY_TABLESPACE, manifest->end_lsn),
						  {.kind = BB_UPKEEP_MERGE,
						   .keys = bb_key_range_all()}};
	char	   *directory = unit_object_path(objects, "timelines/main/layers");
	int			before = count_objects(ctx, model);

	for (int i = 0; i < manifest->nlayers; i++)
		if (!manifest->layers[i].image)
			jobs[1].inputs = lappend(jobs[1].inputs, &manifest->layers[i]);
	for (int i = 0; i < lengthof(jobs); i++)
	{
		BbRewriteStats stats = {0};
		int			sqlstate;

		CHECK(chmod(directory, 0500) == 0);
		ERROR_OF(bb_rewrite(ctx, objects, manifest, &jobs[i], &stats),
				 sqlstate);
		CHECK(chmod(directory, 0700) == 0);
		CHECK(sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE);
		CHECK(count_objects(ctx, model) == before);
	}
	check_reads(ctx, model, 1);
}
