/*-------------------------------------------------------------------------
 *
 * test_reload.c
 *	  Reads whose layers are replaced and removed while they go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/prefetch.h"
#include "base/compat.h"
#include "layer/manifest_edit.h"
#include "model.h"

static uint64 seed;

/*
 * Replace each layer of a timeline, or of some of them, and remove the objects
 * of those that were, of some also from the cache.
 */
static void
upkeep(const BbReqCtx *ctx, Model *model, bool all)
{
	const char *timeline = model->manifest.timeline;
	BbManifest *manifest = bb_manifest_read(ctx, model->objects, timeline);
	List	   *gone = NIL;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!all && model_roll(3) == 0)
			continue;
		model_replace_layer(ctx, model->objects, timeline, layer);
		gone = lappend(gone, bb_layer_object_name(timeline, layer));
	}
	bb_objstore_remove_all(ctx, model->objects, gone);
	if (model_roll(2) == 0)
		(void) bb_objstore_evict_idle(ctx, model->objects, DT_NOEND);
}

static void
check_value(const Model *model, const BbEntry *entry, int k, XLogRecPtr lsn)
{
	BbKey		key = model_key(k);
	ModelValue	value;

	model_value(model, k, lsn, &value);
	CHECK_SEED(value.exists);
	CHECK_SEED(bb_key_compare(&entry->key, &key) == 0);
	CHECK_SEED(entry->length == value.length);
	CHECK_SEED(memcmp(entry->value, value.page.data, value.length) == 0);
}

/* A scan, point reads and versions through one timeline, in turns. */
static void
read_all(const BbReqCtx *ctx, Model *top, Model *worked, XLogRecPtr lsn)
{
	BbTimeline *timeline = bb_timeline_open(ctx, top->objects,
											top->manifest.timeline);
	const BbManifest *manifest = bb_timeline_manifest(timeline);
	char	   *name = pstrdup(manifest->timeline);
	uint64		identity = bb_timeline_identity(timeline, lsn);
	BbKeyRange	range = {model_key(0), model_key(NKEYS - 1)};
	int			traced = model_roll(NKEYS);
	BbKey		first = model_key(traced);
	BbTimelineScan *scan;
	BbTimelineVersions *versions;
	XLogRecPtr	version = InvalidXLogRecPtr;
	BbEntry		entry;
	int			nversions = 0;
	int			expected = 0;

	range.end = bb_key_next(&range.end);
	for (const Model *m = top; m != NULL; m = m->ancestor)
		for (int i = 0; i < m->nevents; i++)
			expected += m->events[i].k == traced && m->events[i].lsn <= lsn &&
				m->events[i].lsn > START &&
				(m == top || m->events[i].lsn <= top->manifest.ancestor_lsn);
	scan = bb_timeline_scan_new(ctx, timeline, &range, lsn);
	versions = bb_timeline_versions_new(ctx, timeline, &first, START, lsn);
	for (int k = 0; k < NKEYS; k++)
	{
		int			other = model_roll(NKEYS);
		BbKey		key = model_key(other);
		ModelValue	value;
		bool		found;

		if (model_roll(10) == 0)
			upkeep(ctx, worked, model_roll(2));
		if (model_roll(8) == 0)
		{
			k += model_roll(4);
			k = Min(k, NKEYS - 1);
			key = model_key(k);
			bb_timeline_scan_seek(ctx, scan, &key);
			key = model_key(other);
		}
		model_value(top, k, lsn, &value);
		if (value.exists)
		{
			CHECK_SEED(bb_timeline_scan_next(ctx, scan, &entry));
			check_value(top, &entry, k, lsn);
		}
		if (model_roll(10) == 0)
			upkeep(ctx, worked, true);
		model_value(top, other, lsn, &value);
		found = bb_timeline_get(ctx, timeline, &key, lsn, &entry);
		CHECK_SEED(found == value.exists);
		if (found)
			check_value(top, &entry, other, lsn);
		if (bb_timeline_versions_next(ctx, versions, &entry))
		{
			CHECK_SEED(entry.lsn >= version);
			version = entry.lsn;
			nversions++;
		}
	}
	CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
	while (bb_timeline_versions_next(ctx, versions, &entry))
		nversions++;
	CHECK_SEED(nversions == expected);
	bb_timeline_scan_close(scan);
	bb_timeline_versions_close(versions);
	CHECK_SEED(bb_timeline_manifest(timeline) == manifest);
	CHECK_SEED(strcmp(manifest->timeline, name) == 0);
	CHECK_SEED(bb_timeline_identity(timeline, lsn) == identity);
}

static void
live_and_read(const BbReqCtx *ctx, BbObjectStore *objects, int rounds)
{
	Model	   *root;
	Model	   *branch;

	seed = unit_seed();
	pg_prng_seed(&model_prng, seed);
	root = model_new(objects, "main", NULL, 0);
	model_import(ctx, root);
	model_live(ctx, root, 1 + model_roll(8));
	branch = model_new(objects, "branch", root,
					   pg_prng_uint64_range(&model_prng, START,
											root->manifest.end_lsn));
	model_live(ctx, branch, 1 + model_roll(4));
	CHECK(bb_manifest_commit(ctx, objects, &root->manifest));
	CHECK(bb_manifest_commit(ctx, objects, &branch->manifest));
	for (int i = 0; i < rounds; i++)
	{
		MemoryContext context = unit_enter();

		read_all(ctx, root, root,
				 pg_prng_uint64_range(&model_prng, START,
									  root->manifest.end_lsn));
		read_all(ctx, branch, model_roll(2) ? root : branch,
				 pg_prng_uint64_range(&model_prng, branch->manifest.start_lsn,
									  branch->manifest.end_lsn));
		unit_leave(context);
	}
}

UNIT_TEST(reload_goes_on)
{
	for (int i = 0; i < 4; i++)
		live_and_read(ctx, unit_store(ctx), 3);
}

UNIT_TEST(reload_goes_on_on_s3)
{
	if (unit_s3_available())
		live_and_read(ctx, unit_s3_store(ctx), 1);
}

/* A store on S3 with a cache in a new directory; a path of 30 bytes. */
static BbObjectStore *
cached_store(const BbReqCtx *ctx, char *directory)
{
	strcpy(directory, "/tmp/bb_unit.XXXXXX");
	return unit_s3_cached_store(ctx, mkdtemp(directory));
}

/* Layers come from the cache, or go there, while they are replaced. */
UNIT_TEST(reload_goes_on_with_a_cache)
{
	char		directory[30];

	if (!unit_s3_available())
		return;
	live_and_read(ctx, cached_store(ctx, directory), 1);
	CHECK(rmtree(directory, true));
}

#define MANY 200

/*
 * Many versions of one LSN, more than a cursor has in memory, so that the layer
 * is replaced in the midst of them.
 */
static void
read_many_of_one_lsn(const BbReqCtx *ctx, BbObjectStore *objects)
{
	Model	   *model = model_new(objects, "main", NULL, 0);
	XLogRecPtr	lsn = START + 0x100;
	BbKeyRange	all = bb_key_range_all();
	BbKey		key = model_key(1);
	BbLayerWriter *writer;
	BbLayerDesc *layer;
	BbTimeline *timeline;
	BbTimelineVersions *versions;
	BbEntry		entry;
	PGAlignedBlock page;

	seed = unit_seed();
	pg_prng_seed(&model_prng, seed);
	model_import(ctx, model);
	writer = bb_layer_writer_new_delta(ctx, objects, "main", &all.start,
									   START + 1, lsn + 1,
									   BB_COMPRESSION_NONE);
	for (int i = 0; i < MANY; i++)
	{
		memset(page.data, i, BLCKSZ);
		bb_layer_writer_add_entry(ctx, writer,
								  &(BbEntry){.key = key,
											 .lsn = lsn,
											 .type = BB_ENTRY_IMAGE,
											 .value = (uint8 *) page.data,
											 .length = BLCKSZ});
	}
	layer = bb_layer_writer_finish(ctx, writer, &all.end);
	model->manifest.layers[model->manifest.nlayers++] = *layer;
	model->manifest.end_lsn = lsn;
	CHECK(bb_manifest_commit(ctx, objects, &model->manifest));

	timeline = bb_timeline_open(ctx, objects, "main");
	versions = bb_timeline_versions_new(ctx, timeline, &key, START, lsn);
	for (int i = 0; i < MANY; i++)
	{
		CHECK(bb_timeline_versions_next(ctx, versions, &entry));
		CHECK(entry.lsn == lsn && entry.length == BLCKSZ);
		CHECK(entry.value[0] == i && entry.value[BLCKSZ - 1] == i);
		if (i == 2)
			upkeep(ctx, model, true);
	}
	CHECK(!bb_timeline_versions_next(ctx, versions, &entry));
	bb_timeline_versions_close(versions);
}

UNIT_TEST(reload_amid_the_versions_of_one_lsn)
{
	read_many_of_one_lsn(ctx, unit_store(ctx));
	if (unit_s3_available())
		read_many_of_one_lsn(ctx, unit_s3_store(ctx));
}

/* A timeline of three flushes. */
static Model *
make_model_in(const BbReqCtx *ctx, BbObjectStore *objects)
{
	Model	   *model = model_new(objects, "main", NULL, 0);

	seed = unit_seed();
	pg_prng_seed(&model_prng, seed);
	model_import(ctx, model);
	model_live(ctx, model, 3);
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
	return model;
}

static Model *
make_model(const BbReqCtx *ctx)
{
	return make_model_in(ctx, unit_store(ctx));
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

/* A layer that is lost stays an error, also after upkeep. */
UNIT_TEST(reload_of_a_lost_layer)
{
	Model	   *model = make_model(ctx);
	BbTimeline *timeline = bb_timeline_open(ctx, model->objects, "main");
	/* later LSNs may have a newer image of these keys */
	XLogRecPtr	lsn = model->manifest.start_lsn;
	const BbLayerDesc *image = &model->manifest.layers[0];

	CHECK(image->image);
	bb_objstore_remove(ctx, model->objects,
					   bb_layer_object_name("main", image));
	CHECK_ERROR(scan_all(ctx, timeline, lsn), ERRCODE_UNDEFINED_FILE);
	CHECK(!bb_timeline_reload(ctx, timeline, lsn));
	model_replace_layer(ctx, model->objects, "main",
						&model->manifest.layers[model->manifest.nlayers - 1]);
	CHECK_ERROR(scan_all(ctx, timeline, lsn), ERRCODE_UNDEFINED_FILE);
	CHECK(strstr(unit_last_error, bb_layer_name(image)) != NULL);

	/* nobody can say what a timeline had that was dropped */
	timeline = bb_timeline_open(ctx, model->objects, "main");
	bb_timeline_drop(ctx, model->objects, "main");
	CHECK_ERROR(scan_all(ctx, timeline, lsn), ERRCODE_UNDEFINED_FILE);
}

/* The LSN expires while it is read; a point doesn't. */
UNIT_TEST(reload_after_the_start_has_moved)
{
	Model	   *model = make_model(ctx);
	BbTimeline *timeline = bb_timeline_open(ctx, model->objects, "main");
	BbTimeline *at_point = bb_timeline_open(ctx, model->objects, "main");
	BbPoint		point = {START, 0};
	BbManifestPoints points = {1, &point};
	BbManifestEdit edit = {.start_lsn = model->manifest.end_lsn,
						   .points = &points};

	edit.base = bb_manifest_read(ctx, model->objects, "main");
	(void) bb_manifest_edit(ctx, model->objects, &edit);
	upkeep(ctx, model, true);
	scan_all(ctx, at_point, START);
	CHECK_ERROR(scan_all(ctx, timeline, START + 1),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "expired") != NULL);
	CHECK(strstr(unit_last_detail,
				 psprintf(BB_LSN_FORMAT, LSN_FORMAT_ARGS(edit.start_lsn))) !=
		  NULL);

	/* another timeline of that name */
	at_point = bb_timeline_open(ctx, model->objects, "main");
	bb_timeline_drop(ctx, model->objects, "main");
	model = model_new(model->objects, "main", NULL, 0);
	model_import(ctx, model);
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
	CHECK_ERROR(scan_all(ctx, at_point, START),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "was replaced") != NULL);
}

/* ---- layers are listed, then held ---- */

static List *
list_needed(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	return bb_prefetch_objects(ctx, snapshot, true);
}

static bool
all_resident(const BbObjectStore *objects, List *list)
{
	ListCell   *cell;

	foreach(cell, list)
		if (!bb_object_is_resident(objects, lfirst(cell)))
			return false;
	return true;
}

UNIT_TEST(reload_of_a_prefetch)
{
	char		directory[30];
	Model	   *model;
	BbPageStore *store;
	BbSnapshot	snapshot;
	BbHold		hold = {.snapshot = &snapshot};
	List	   *needed;
	MemoryContext context;
	BbPoint		point = {START, 0};
	BbManifestPoints points = {1, &point};
	BbManifestEdit edit = {.points = &points};

	if (!unit_s3_available())
		return;
	model = make_model_in(ctx, cached_store(ctx, directory));
	store = bb_pagestore_open_in(ctx, model->objects, "main");
	snapshot = bb_snapshot_at(store, model->manifest.end_lsn);

	/* the listed layers are replaced, again and again */
	context = unit_enter();
	needed = list_needed(ctx, &snapshot);
	for (int i = 1; i < 4; i++)
	{
		upkeep(ctx, model, true);
		(void) bb_objstore_evict_idle(ctx, model->objects, DT_NOEND);
		CHECK(!bb_prefetch_hold(ctx, &hold, needed));
		CHECK(hold.tries == i);
		needed = list_needed(ctx, &snapshot);
	}
	CHECK(bb_prefetch_hold(ctx, &hold, needed));
	CHECK(hold.homeless == NULL);
	CHECK(all_resident(model->objects, needed));

	(void) bb_objstore_evict_idle(ctx, model->objects, DT_NOEND);
	CHECK(all_resident(model->objects, needed));
	unit_leave(context);

	/* one that is lost, and one that has expired */
	needed = list_needed(ctx, &snapshot);
	upkeep(ctx, model, true);
	(void) bb_objstore_evict_idle(ctx, model->objects, DT_NOEND);
	CHECK(bb_pagestore_reload(ctx, &snapshot));
	CHECK(!bb_pagestore_reload(ctx, &snapshot));
	CHECK_ERROR((void) bb_prefetch_hold(ctx, &hold, needed),
				ERRCODE_UNDEFINED_FILE);
	snapshot = bb_snapshot_at(store, START + 1);
	needed = list_needed(ctx, &snapshot);
	edit.start_lsn = model->manifest.end_lsn;
	edit.base = bb_manifest_read(ctx, model->objects, "main");
	(void) bb_manifest_edit(ctx, model->objects, &edit);
	upkeep(ctx, model, true);
	(void) bb_objstore_evict_idle(ctx, model->objects, DT_NOEND);
	hold.tries = 0;
	CHECK_ERROR((void) bb_prefetch_hold(ctx, &hold, needed),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(rmtree(directory, true));
}
