/*-------------------------------------------------------------------------
 *
 * test_timeline.c
 *	  The layer map, timelines and branches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/parallel.h"
#include "layer/layermap.h"
#include "layer/manifest_edit.h"
#include "lib/stringinfo.h"
#include "model.h"

/* Write an image layer at lsn of all keys before relation blocks. */
static BbLayerDesc *
write_rest(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
		   XLogRecPtr lsn)
{
	BbKey		start = bb_key_range_all().start;
	BbKey		end = model_block_key(0);
	BbKey		control = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbLayerWriter *writer = bb_layer_writer_new(ctx, objects, timeline, &start,
												lsn, BB_COMPRESSION_DEFAULT);

	bb_layer_writer_add(ctx, writer, &control, "control", 7);
	return bb_layer_writer_finish(ctx, writer, &end);
}

/* Commit a manifest with a delta layer, so that it has all LSNs above base. */
static bool
commit_from(const BbReqCtx *ctx, BbObjectStore *objects, BbManifest *manifest,
			XLogRecPtr base)
{
	manifest
		->layers[manifest->nlayers++] = *model_write_delta(ctx, objects,
														   manifest->timeline,
														   base,
														   manifest->end_lsn);
	if (manifest->ancestor == NULL)
		manifest->start_lsn = base;
	return bb_manifest_commit(ctx, objects, manifest);
}

/* The timeline "main", with blocks 0 to 9 at LSN 1, and 0 to 4 also at 3. */
static void
make_main(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");

	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 10, 1);
	manifest.layers[1] = *model_write_blocks(ctx, objects, "main", 0, 5, 3);
	manifest.layers[2] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 3;
	CHECK(commit_from(ctx, objects, &manifest, 1));
}

/* The timeline "main", without blocks. */
static void
make_bare_main(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");

	manifest.layers[0] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 1;
	CHECK(commit_from(ctx, objects, &manifest, 1));
}

/* Give "branch", which begins at LSN 2, block 3 at LSN 4. */
static BbTimeline *
grow_branch(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = *bb_manifest_read(ctx, objects, "branch");

	manifest.layers = palloc0(2 * sizeof(BbLayerDesc));
	manifest.layers[0] = *model_write_blocks(ctx, objects, "branch", 3, 4, 4);
	manifest.nlayers = 1;
	manifest.end_lsn = 4;
	CHECK(commit_from(ctx, objects, &manifest, 2));
	return bb_timeline_open(ctx, objects, "branch");
}

static void
check_value(const BbReqCtx *ctx, BbTimeline *timeline, uint32 block,
			XLogRecPtr lsn, XLogRecPtr expected)
{
	BbKey		key = model_block_key(block);
	BbEntry		entry;
	char	   *value = psprintf("%u:%u", (unsigned) expected, block);

	CHECK(bb_timeline_get(ctx, timeline, &key, lsn, &entry));
	CHECK(entry.length == strlen(value) &&
		  memcmp(entry.value, value, entry.length) == 0);
}

/* The LSNs of the values of blocks [from, to), one letter each. */
static char *
scan_text(const BbReqCtx *ctx, BbTimeline *timeline, uint32 from, uint32 to,
		  XLogRecPtr lsn)
{
	BbKeyRange	range = {model_block_key(from), model_block_key(to)};
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &range, lsn);
	StringInfoData text;
	BbEntry		entry;

	initStringInfo(&text);
	for (uint32 block = from; bb_timeline_scan_next(ctx, scan, &entry);
		 block++)
	{
		CHECK(bb_key_fields(&entry.key).block == block);
		appendStringInfoChar(&text, (char) entry.value[0]);
	}
	bb_timeline_scan_close(scan);
	return text.data;
}

UNIT_TEST(timeline_newest_image_wins)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");
	BbTimeline *timeline;
	BbKey		outside = model_block_key(20);
	BbEntry		entry;

	/* blocks: 0-9 at 1, 4-5 at 2, 2-2 and 8-9 at 3 */
	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 5, 1);
	manifest.layers[1] = *model_write_blocks(ctx, objects, "main", 5, 10, 1);
	manifest.layers[2] = *model_write_blocks(ctx, objects, "main", 4, 6, 2);
	manifest.layers[3] = *model_write_blocks(ctx, objects, "main", 8, 10, 3);
	manifest.layers[4] = *model_write_blocks(ctx, objects, "main", 2, 3, 3);
	manifest.nlayers = 5;
	CHECK(commit_from(ctx, objects, &manifest, 1));
	timeline = bb_timeline_open(ctx, objects, "main");

	check_value(ctx, timeline, 4, 1, 1);
	check_value(ctx, timeline, 4, 2, 2);
	check_value(ctx, timeline, 2, 2, 1);
	check_value(ctx, timeline, 2, 3, 3);
	check_value(ctx, timeline, 9, 99, 3);
	check_value(ctx, timeline, 6, 99, 1);
	CHECK(strcmp(scan_text(ctx, timeline, 0, 10, 1), "1111111111") == 0);
	CHECK(strcmp(scan_text(ctx, timeline, 0, 10, 2), "1111221111") == 0);
	CHECK(strcmp(scan_text(ctx, timeline, 0, 10, 3), "1131221133") == 0);
	CHECK(strcmp(scan_text(ctx, timeline, 3, 9, 3), "122113") == 0);
	CHECK_ERROR(bb_timeline_get(ctx, timeline, &outside, 3, &entry),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(scan_text(ctx, timeline, 5, 12, 3), ERRCODE_DATA_CORRUPTED);
}

UNIT_TEST(timeline_more_layers_than_stay_open)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");
	BbTimeline *timeline;

	manifest.layers = palloc0(51 * sizeof(BbLayerDesc));
	manifest.nlayers = 50;
	for (int i = 0; i < 50; i++)
		manifest.layers[i] = *model_write_blocks(ctx, objects, "main", i,
												 i + 1, 7);
	CHECK(commit_from(ctx, objects, &manifest, 7));
	timeline = bb_timeline_open(ctx, objects, "main");
	for (int round = 0; round < 3; round++)
	{
		for (int i = 0; i < 50; i++)
			check_value(ctx, timeline, (i * 37) % 50, 7, 7);
	}
}

UNIT_TEST(timeline_branch_reads_its_ancestor)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest;
	BbTimeline *branch;

	make_main(ctx, objects);

	bb_timeline_branch(ctx, objects, "branch", "main", 2);
	manifest = *bb_manifest_read(ctx, objects, "branch");
	CHECK(manifest.ancestor_lsn == 2 && manifest.end_lsn == 2);
	CHECK(manifest.prev_lsn == InvalidXLogRecPtr);

	/* the branch doesn't see changes of the ancestor after the branch point */
	branch = bb_timeline_open(ctx, objects, "branch");
	CHECK(strcmp(scan_text(ctx, branch, 0, 10, 99), "1111111111") == 0);

	branch = grow_branch(ctx, objects);
	CHECK(strcmp(scan_text(ctx, branch, 0, 10, 99), "1114111111") == 0);
	check_value(ctx, branch, 3, 4, 4);
	check_value(ctx, branch, 3, 3, 1);
	check_value(ctx, branch, 0, 4, 1);
}

UNIT_TEST(timeline_identity)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest;
	BbTimeline *main;
	BbTimeline *branch;
	BbBackupTask task = {.lsn = 2, .timeline = "main"};
	BbManifestEdit image = {0};
	uint64		before;

	make_main(ctx, objects);
	main = bb_timeline_open(ctx, objects, "main");
	before = bb_timeline_identity(main, 3);
	CHECK(bb_timeline_identity(main, 2) != before);

	/* upkeep replaces all layers, one after another, and adds an image */
	manifest = *bb_timeline_manifest(main);
	for (int i = 0; i < manifest.nlayers; i++)
		model_replace_layer(ctx, objects, "main", &manifest.layers[i]);
	main = bb_timeline_open(ctx, objects, "main");
	CHECK(bb_timeline_identity(main, 3) == before);
	CHECK(bb_timeline_manifest(main)->keeps.nretired == manifest.nlayers);

	/* a branch reads its ancestor's layers until it has layers */
	bb_timeline_branch(ctx, objects, "branch", "main", 2);
	branch = bb_timeline_open(ctx, objects, "branch");
	before = bb_timeline_identity(branch, 2);
	CHECK(before == bb_timeline_identity(main, 2));
	branch = grow_branch(ctx, objects);
	CHECK(bb_timeline_identity(branch, 2) == before);
	CHECK(bb_timeline_identity(branch, 4) != before);

	/* an image at the branch's start is older than its first layers */
	before = bb_timeline_identity(branch, 4);
	image.added = list_make1(
		model_write_blocks(ctx, objects, "branch", 0, 10, 2));
	image.base = bb_manifest_read(ctx, objects, "branch");
	(void) bb_manifest_edit(ctx, objects, &image);
	branch = bb_timeline_open(ctx, objects, "branch");
	CHECK(bb_timeline_identity(branch, 4) == before);
	before = bb_timeline_identity(branch, 2);

	/* a worker of a backup that reads another timeline */
	task.identity = before + 1;
	CHECK_ERROR(bb_parallel_serve(ctx,
								  bb_pagestore_timeline(ctx, objects, "main"),
								  &task),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "was replaced") != NULL);

	/* the same timeline, made again, has other layers */
	bb_timeline_drop(ctx, objects, "branch");
	bb_timeline_drop(ctx, objects, "main");
	manifest = model_manifest("main");
	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 10, 1);
	manifest.layers[1] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 2;
	CHECK(commit_from(ctx, objects, &manifest, 1));
	main = bb_timeline_open(ctx, objects, "main");
	CHECK(bb_timeline_identity(main, 2) != before);
}

static void
branch_step(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	bb_timeline_branch(ctx, objects, name, "main", 2);
}

UNIT_TEST(timeline_drop)
{
	BbObjectStore *objects = unit_store(ctx);

	make_bare_main(ctx, objects);
	branch_step(ctx, objects, "branch");

	/* one after another: locks end with the call */
	bb_timeline_drop(ctx, objects, "branch");
	CHECK(bb_manifest_find(ctx, objects, "branch") == NULL);
	branch_step(ctx, objects, "branch");
	bb_timeline_drop(ctx, objects, "branch");
	bb_timeline_drop(ctx, objects, "main");
	CHECK(rmdir(unit_object_path(objects, "timelines")) == 0);
}

UNIT_TEST(timeline_branch_wants_a_free_name)
{
	BbObjectStore *objects = unit_store(ctx);

	make_bare_main(ctx, objects);
	bb_manifest_lock(ctx, objects, "branch"); /* an import */
	CHECK_ERROR(branch_step(ctx, objects, "branch"), ERRCODE_OBJECT_IN_USE);
	CHECK(bb_manifest_find(ctx, objects, "branch") == NULL);
}

UNIT_TEST(timeline_branch_replaces_a_killed_import)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	killed = model_manifest("branch");

	make_bare_main(ctx, objects);
	(void) write_rest(ctx, objects, "branch", 1);
	killed.start_lsn = BB_LSN_UNKNOWN;
	CHECK(bb_manifest_commit(ctx, objects, &killed));

	branch_step(ctx, objects, "branch");
	CHECK(list_length(bb_objstore_list(ctx, objects, "timelines/branch")) ==
		  1);
	CHECK(bb_manifest_read(ctx, objects, "branch")->start_lsn == 2);
	CHECK_ERROR(branch_step(ctx, objects, "branch"), ERRCODE_DUPLICATE_OBJECT);
}

UNIT_TEST(timeline_drop_refused)
{
	BbObjectStore *objects = unit_store(ctx);

	make_bare_main(ctx, objects);
	branch_step(ctx, objects, "branch");
	CHECK_ERROR(bb_timeline_drop(ctx, objects, "main"),
				ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST);
	CHECK(strstr(unit_last_error, "\"branch\"") != NULL);
	/* the failed call's locks live as long as this test */
	CHECK_ERROR(bb_timeline_drop(ctx, objects, "branch"),
				ERRCODE_OBJECT_IN_USE);
	CHECK(bb_manifest_find(ctx, objects, "main") != NULL);
}

UNIT_TEST(timeline_writer_lock)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");

	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	bb_manifest_lock(ctx, objects, "main");
	CHECK_ERROR(bb_manifest_lock(ctx, objects, "main"), ERRCODE_OBJECT_IN_USE);
	CHECK_ERROR(bb_timeline_drop(ctx, objects, "main"), ERRCODE_OBJECT_IN_USE);
}
