/*-------------------------------------------------------------------------
 *
 * test_timeline.c
 *	  Manifests, the layer map, timelines and branches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/parallel.h"
#include "layer/layermap.h"
#include "layer/manifest_codec.h"
#include "lib/stringinfo.h"
#include "timeline/timeline.h"
#include "unit.h"

static BbKey
block_key(uint32 block)
{
	return bb_key_rel_block(1663, 5, 1000, MAIN_FORKNUM, block);
}

/*
 * An image layer of blocks [from, to) at lsn; values are "LSN:block".
 */
static BbLayerDesc *
write_blocks(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			 uint32 from, uint32 to, XLogRecPtr lsn)
{
	BbKey		start = block_key(from);
	BbKey		end = block_key(to);
	BbLayerWriter *writer = bb_layer_writer_new(ctx, objects, timeline, &start,
												lsn, BB_COMPRESSION_DEFAULT);

	for (uint32 block = from; block < to; block++)
	{
		BbKey		key = block_key(block);
		char	   *value = psprintf("%u:%u", (unsigned) lsn, block);

		bb_layer_writer_add(ctx, writer, &key, value, strlen(value));
	}
	return bb_layer_writer_finish(ctx, writer, &end);
}

/*
 * An image layer of all that comes before relation blocks at lsn.
 */
static BbLayerDesc *
write_rest(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
		   XLogRecPtr lsn)
{
	BbKey		start = bb_key_range_all().start;
	BbKey		end = block_key(0);
	BbKey		control = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbLayerWriter *writer = bb_layer_writer_new(ctx, objects, timeline, &start,
												lsn, BB_COMPRESSION_DEFAULT);

	bb_layer_writer_add(ctx, writer, &control, "control", 7);
	return bb_layer_writer_finish(ctx, writer, &end);
}

static BbManifest
manifest_for(const char *timeline)
{
	BbManifest	manifest;

	memset(&manifest, 0, sizeof(manifest));
	manifest.timeline = pstrdup(timeline);
	manifest.pg_version_num = PG_VERSION_NUM;
	manifest.system_identifier = 42;
	manifest.wal_segment_size = 16 * 1024 * 1024;
	manifest.tli = 1;
	manifest.directory_mode = 0700;
	manifest.start_lsn = 100;
	manifest.end_lsn = 1000;
	manifest.layers = palloc0(10 * sizeof(BbLayerDesc));
	return manifest;
}

/*
 * Commit a manifest with a delta layer, of a key that no test reads, of all
 * LSNs above base: a timeline has them all.
 */
static bool
commit_from(const BbReqCtx *ctx, BbObjectStore *objects, BbManifest *manifest,
			XLogRecPtr base)
{
	BbKey		start = bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 1, 0, 0);
	BbKey		end = bb_key_next(&start);
	BbEntry		entry = {start, manifest->end_lsn, BB_ENTRY_IMAGE,
						 (const uint8 *) "x", 1};
	BbLayerWriter *writer = bb_layer_writer_new_delta(ctx, objects,
													  manifest->timeline,
													  &start, base + 1,
													  manifest->end_lsn + 1,
													  BB_COMPRESSION_DEFAULT);

	bb_layer_writer_add_entry(ctx, writer, &entry);
	manifest->layers[manifest->nlayers++] = *bb_layer_writer_finish(ctx,
																	writer,
																	&end);
	if (manifest->ancestor == NULL)
		manifest->start_lsn = base;
	return bb_manifest_commit(ctx, objects, manifest);
}

static void
check_value(const BbReqCtx *ctx, BbTimeline *timeline, uint32 block,
			XLogRecPtr lsn, XLogRecPtr expected)
{
	BbKey		key = block_key(block);
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
	BbKeyRange	range = {block_key(from), block_key(to)};
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

UNIT_TEST(manifest_roundtrip)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");
	BbManifest *again;

	manifest.prev_lsn = 900;
	manifest.end_time = 5;
	manifest.ancestor = "old";
	manifest.ancestor_lsn = 77;
	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 3, 100);
	manifest.nlayers = 1;
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	CHECK(manifest.generation == 1);

	again = bb_manifest_read(ctx, objects, "main");
	CHECK(again->generation == 1 && again->tag == manifest.tag);
	CHECK(again->system_identifier == 42 && again->prev_lsn == 900);
	CHECK(again->end_time == 5 && again->ancestor_lsn == 77);
	CHECK(strcmp(again->ancestor, "old") == 0);
	CHECK(again->nlayers == 1);
	CHECK(memcmp(&again->layers[0].keys, &manifest.layers[0].keys,
				 sizeof(BbKeyRange)) == 0);
	CHECK(again->layers[0].file_id == manifest.layers[0].file_id);
	CHECK(again->layers[0].crc == manifest.layers[0].crc);
	CHECK(again->layers[0].image);
	CHECK(bb_manifest_find(ctx, objects, "other") == NULL);
	CHECK(list_length(bb_manifest_list(ctx, objects)) == 1);
}

UNIT_TEST(manifest_one_writer_wins)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	a = manifest_for("main");
	BbManifest	b = manifest_for("main");

	CHECK(bb_manifest_commit(ctx, objects, &a));
	CHECK(!bb_manifest_commit(ctx, objects, &b));

	b = *bb_manifest_read(ctx, objects, "main");
	a.end_lsn = 2000;
	CHECK(bb_manifest_commit(ctx, objects, &a));
	b.end_lsn = 3000;
	CHECK(!bb_manifest_commit(ctx, objects, &b));
	CHECK(bb_manifest_read(ctx, objects, "main")->end_lsn == 2000);
	CHECK(bb_manifest_read(ctx, objects, "main")->generation == 2);
}

UNIT_TEST(manifest_broken_is_noticed)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");
	StringInfoData buf;
	char	   *path = unit_object_path(objects, "timelines/main/manifest");
	const char *complaint;

	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 3, 100);
	manifest.nlayers = 1;
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	initStringInfo(&buf);
	bb_manifest_encode(&manifest, &buf);

	for (int at = 0; at < buf.len; at++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			buf.data[at] ^= 1 << bit;
			CHECK(bb_manifest_decode(buf.data, buf.len, &complaint) == NULL);
			buf.data[at] ^= 1 << bit;
		}
	}
	for (int length = 0; length < buf.len; length++)
	{
		CHECK(bb_manifest_decode(buf.data, length, &complaint) == NULL);
		CHECK(truncate(path, buf.len - 1 - length) == 0);
		CHECK_ERROR(bb_manifest_read(ctx, objects, "main"),
					ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, "timelines/main/manifest") != NULL);
	}
}

UNIT_TEST(manifest_too_large_is_not_committed)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");

	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	manifest.nlayers = 1000 * 1000;
	manifest.layers = MemoryContextAllocExtended(CurrentMemoryContext,
												 manifest.nlayers *
													 sizeof(BbLayerDesc),
												 MCXT_ALLOC_HUGE |
													 MCXT_ALLOC_ZERO);
	CHECK_ERROR(bb_manifest_commit(ctx, objects, &manifest),
				ERRCODE_PROGRAM_LIMIT_EXCEEDED);
	CHECK(bb_manifest_read(ctx, objects, "main")->generation == 1);
}

UNIT_TEST(manifest_of_another_timeline_is_noticed)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	a = manifest_for("a");
	BbManifest	b = manifest_for("b");

	CHECK(bb_manifest_commit(ctx, objects, &a));
	CHECK(bb_manifest_commit(ctx, objects, &b));
	CHECK(rename(unit_object_path(objects, "timelines/a/manifest"),
				 unit_object_path(objects, "timelines/b/manifest")) == 0);
	CHECK_ERROR(bb_manifest_read(ctx, objects, "b"), ERRCODE_DATA_CORRUPTED);
}

UNIT_TEST(manifest_sweep_keeps_what_is_named)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");

	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 3, 100);
	manifest.nlayers = 1;
	(void) write_blocks(ctx, objects, "main", 0, 3, 200);
	CHECK(list_length(bb_objstore_list(ctx, objects, "timelines")) == 2);
	bb_manifest_sweep(ctx, objects, "main", &manifest);
	CHECK(list_length(bb_objstore_list(ctx, objects, "timelines")) == 1);
	bb_manifest_sweep(ctx, objects, "main", NULL);
	CHECK(list_length(bb_objstore_list(ctx, objects, "timelines")) == 0);
}

UNIT_TEST(timeline_names)
{
	static const char *const bad[] = {"",	 ".",	"..", ".a", "-a",
									  "a/b", "a b", "ä",  "a\n"};
	char		longest[BB_TIMELINE_NAME_MAX + 2];

	for (int i = 0; i < lengthof(bad); i++)
		CHECK_ERROR(bb_timeline_name_check(bad[i]),
					ERRCODE_INVALID_PARAMETER_VALUE);
	memset(longest, 'x', sizeof(longest));
	longest[BB_TIMELINE_NAME_MAX] = '\0';
	bb_timeline_name_check(longest);
	longest[BB_TIMELINE_NAME_MAX] = 'x';
	longest[BB_TIMELINE_NAME_MAX + 1] = '\0';
	CHECK_ERROR(bb_timeline_name_check(longest),
				ERRCODE_INVALID_PARAMETER_VALUE);
	bb_timeline_name_check("a.b-c_D9");
}

UNIT_TEST(timeline_newest_image_wins)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");
	BbTimeline *timeline;
	BbKey		outside = block_key(20);
	BbEntry		entry;

	/* blocks: 0-9 at 1, 4-5 at 2, 2-2 and 8-9 at 3 */
	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 5, 1);
	manifest.layers[1] = *write_blocks(ctx, objects, "main", 5, 10, 1);
	manifest.layers[2] = *write_blocks(ctx, objects, "main", 4, 6, 2);
	manifest.layers[3] = *write_blocks(ctx, objects, "main", 8, 10, 3);
	manifest.layers[4] = *write_blocks(ctx, objects, "main", 2, 3, 3);
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
	BbManifest	manifest = manifest_for("main");
	BbTimeline *timeline;

	manifest.layers = palloc0(51 * sizeof(BbLayerDesc));
	manifest.nlayers = 50;
	for (int i = 0; i < 50; i++)
		manifest.layers[i] = *write_blocks(ctx, objects, "main", i, i + 1, 7);
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
	BbManifest	manifest = manifest_for("main");
	BbTimeline *branch;

	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 10, 1);
	manifest.layers[1] = *write_blocks(ctx, objects, "main", 0, 5, 3);
	manifest.layers[2] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 3;
	CHECK(commit_from(ctx, objects, &manifest, 1));

	bb_timeline_branch(ctx, objects, "branch", "main", 2);
	manifest = *bb_manifest_read(ctx, objects, "branch");
	CHECK(manifest.ancestor_lsn == 2 && manifest.end_lsn == 2);
	CHECK(manifest.prev_lsn == InvalidXLogRecPtr);

	/* what the ancestor got after the branch point is not the branch's */
	branch = bb_timeline_open(ctx, objects, "branch");
	CHECK(strcmp(scan_text(ctx, branch, 0, 10, 99), "1111111111") == 0);

	manifest.layers = palloc0(2 * sizeof(BbLayerDesc));
	manifest.layers[0] = *write_blocks(ctx, objects, "branch", 3, 4, 4);
	manifest.nlayers = 1;
	manifest.end_lsn = 4;
	CHECK(commit_from(ctx, objects, &manifest, 2));
	branch = bb_timeline_open(ctx, objects, "branch");
	CHECK(strcmp(scan_text(ctx, branch, 0, 10, 99), "1114111111") == 0);
	check_value(ctx, branch, 3, 4, 4);
	check_value(ctx, branch, 3, 3, 1);
	check_value(ctx, branch, 0, 4, 1);
}

UNIT_TEST(timeline_identity)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");
	BbTimeline *main;
	BbTimeline *branch;
	BbBackupTask task = {.lsn = 2, .timeline = "main"};
	uint64		before;

	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 10, 1);
	manifest.layers[1] = *write_blocks(ctx, objects, "main", 0, 5, 3);
	manifest.layers[2] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 3;
	CHECK(commit_from(ctx, objects, &manifest, 1));
	main = bb_timeline_open(ctx, objects, "main");
	CHECK(bb_timeline_identity(main, 3) == bb_timeline_identity(main, 4));
	CHECK(bb_timeline_identity(main, 2) != bb_timeline_identity(main, 3));

	/* a branch reads its ancestor's layers, until it has its own */
	bb_timeline_branch(ctx, objects, "branch", "main", 2);
	branch = bb_timeline_open(ctx, objects, "branch");
	before = bb_timeline_identity(branch, 3);
	CHECK(before == bb_timeline_identity(main, 2));
	manifest = *bb_manifest_read(ctx, objects, "branch");
	manifest.layers = palloc0(2 * sizeof(BbLayerDesc));
	manifest.layers[0] = *write_blocks(ctx, objects, "branch", 3, 4, 4);
	manifest.nlayers = 1;
	manifest.end_lsn = 4;
	CHECK(commit_from(ctx, objects, &manifest, 2));
	branch = bb_timeline_open(ctx, objects, "branch");
	CHECK(bb_timeline_identity(branch, 2) == before);
	CHECK(bb_timeline_identity(branch, 4) != before);

	/* a worker of a backup that reads another one */
	task.identity = before + 1;
	CHECK_ERROR(bb_parallel_serve(ctx,
								  bb_pagestore_timeline(ctx, objects, "main"),
								  &task),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "was replaced") != NULL);

	/* the same again has other layers */
	bb_timeline_drop(ctx, objects, "branch");
	bb_timeline_drop(ctx, objects, "main");
	manifest = manifest_for("main");
	manifest.layers[0] = *write_blocks(ctx, objects, "main", 0, 10, 1);
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
	BbManifest	manifest = manifest_for("main");

	manifest.layers[0] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 1;
	CHECK(commit_from(ctx, objects, &manifest, 1));
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
	BbManifest	manifest = manifest_for("main");

	manifest.layers[0] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 1;
	CHECK(commit_from(ctx, objects, &manifest, 1));

	bb_manifest_lock(ctx, objects, "branch"); /* an import */
	CHECK_ERROR(branch_step(ctx, objects, "branch"), ERRCODE_OBJECT_IN_USE);
	CHECK(bb_manifest_find(ctx, objects, "branch") == NULL);
}

UNIT_TEST(timeline_branch_replaces_a_killed_import)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = manifest_for("main");
	BbManifest	killed = manifest_for("branch");

	manifest.layers[0] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 1;
	CHECK(commit_from(ctx, objects, &manifest, 1));
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
	BbManifest	manifest = manifest_for("main");

	manifest.layers[0] = *write_rest(ctx, objects, "main", 1);
	manifest.nlayers = 1;
	CHECK(commit_from(ctx, objects, &manifest, 1));
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
	BbManifest	manifest = manifest_for("main");

	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	bb_manifest_lock(ctx, objects, "main");
	CHECK_ERROR(bb_manifest_lock(ctx, objects, "main"), ERRCODE_OBJECT_IN_USE);
	CHECK_ERROR(bb_timeline_drop(ctx, objects, "main"), ERRCODE_OBJECT_IN_USE);
}
