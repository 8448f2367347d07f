/*-------------------------------------------------------------------------
 *
 * test_manifest.c
 *	  Manifests: their values, their bytes, and their objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "base/codec.h"
#include "base/crc.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "utils/timestamp.h"

UNIT_TEST(manifest_roundtrip)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");
	BbManifest *again;

	manifest.prev_lsn = 900;
	manifest.end_time = 5;
	manifest.ancestor = "old";
	manifest.ancestor_lsn = 77;
	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 3, 100);
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
	BbManifest	a = model_manifest("main");
	BbManifest	b = model_manifest("main");

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
	BbManifest	manifest = model_manifest("main");
	StringInfoData buf;
	char	   *path = unit_object_path(objects, "timelines/main/manifest");
	const char *error;

	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 3, 100);
	manifest.nlayers = 1;
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	initStringInfo(&buf);
	bb_manifest_encode(&manifest, &buf);

	for (int at = 0; at < buf.len; at++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			buf.data[at] ^= 1 << bit;
			CHECK(bb_manifest_decode(buf.data, buf.len, &error) == NULL);
			buf.data[at] ^= 1 << bit;
		}
	}
	for (int length = 0; length < buf.len; length++)
	{
		CHECK(bb_manifest_decode(buf.data, length, &error) == NULL);
		CHECK(truncate(path, buf.len - 1 - length) == 0);
		CHECK_ERROR(bb_manifest_read(ctx, objects, "main"),
					ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, "timelines/main/manifest") != NULL);
	}
}

/* Put bytes in place of a timeline's manifest, with a correct checksum. */
static void
put_manifest(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			 StringInfo bytes)
{
	BbObjectWriter *writer = bb_object_create(ctx, objects,
											  psprintf("timelines/%s/manifest",
													   timeline));

	bb_put_le32((uint8 *) bytes->data + bytes->len - 4,
				bb_crc32c_of(bytes->data, bytes->len - 4));
	bb_object_write(ctx, writer, bytes->data, bytes->len);
	bb_object_finish(ctx, writer);
}

/* Locks are given back with the memory of a call. */
#define CHECK_NEWER(call)                                 \
	do                                                    \
	{                                                     \
		MemoryContext context_ = unit_enter();            \
                                                          \
		CHECK_ERROR(call, ERRCODE_FEATURE_NOT_SUPPORTED); \
		unit_leave(context_);                             \
	} while (0)

/* What follows its version may be anything. */
UNIT_TEST(manifest_of_a_newer_version_is_refused)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	a = model_manifest("a");
	BbManifest	b = model_manifest("b");
	BbManifestEdit edit = {.base = &b,
						   .retention = &(BbRetention){.daily = 1}};
	StringInfoData buf;
	ErrorData  *error;

	initStringInfo(&buf);
	CHECK(bb_manifest_commit(ctx, objects, &a));
	CHECK(bb_manifest_commit(ctx, objects, &b));
	bb_manifest_encode(&b, &buf);
	enlargeStringInfo(&buf, 100);
	memset(buf.data + 12, 0x5a, 100);
	buf.len = 112;

	/* a flipped bit isn't a newer version, and neither is 0 */
	buf.data[8] = 0;
	put_manifest(ctx, objects, "b", &buf);
	CHECK_ERROR(bb_manifest_read(ctx, objects, "b"), ERRCODE_DATA_CORRUPTED);
	buf.data[8] = BB_MANIFEST_VERSION_NEWEST + 1;
	CHECK(bb_manifest_newer_version(buf.data, buf.len) == 0);

	put_manifest(ctx, objects, "b", &buf);
	CHECK(bb_manifest_newer_version(buf.data, buf.len) ==
		  BB_MANIFEST_VERSION_NEWEST + 1);
	CHECK_ERROR(bb_manifest_read(ctx, objects, "b"),
				ERRCODE_FEATURE_NOT_SUPPORTED);
	CHECK(strstr(unit_last_error, "timelines/b/manifest") != NULL);
	CHECK(strstr(unit_last_detail, "has format version 7;") != NULL);
	CHECK(bb_manifest_try(ctx, objects, "b", &error) == NULL && error != NULL);
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit),
				ERRCODE_FEATURE_NOT_SUPPORTED);
	CHECK_NEWER(bb_timeline_branch(ctx, objects, "b", "a", 1000));
	CHECK_NEWER(bb_timeline_branch(ctx, objects, "c", "b", 1000));
	CHECK_NEWER(bb_timeline_drop(ctx, objects, "b"));
	/* "b" may be a branch of it */
	CHECK_NEWER(bb_timeline_drop(ctx, objects, "a"));
	CHECK(bb_manifest_find(ctx, objects, "a") != NULL);
	CHECK_ERROR(bb_manifest_read(ctx, objects, "b"),
				ERRCODE_FEATURE_NOT_SUPPORTED);

	/* what is broken goes, however */
	put_manifest(ctx, objects, "a", &(StringInfoData){palloc0(20), 20, 20, 0});
	bb_timeline_drop(ctx, objects, "a");
	CHECK(bb_manifest_find(ctx, objects, "a") == NULL);
}

UNIT_TEST(manifest_too_large_is_not_committed)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");

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
	BbManifest	a = model_manifest("a");
	BbManifest	b = model_manifest("b");

	CHECK(bb_manifest_commit(ctx, objects, &a));
	CHECK(bb_manifest_commit(ctx, objects, &b));
	CHECK(rename(unit_object_path(objects, "timelines/a/manifest"),
				 unit_object_path(objects, "timelines/b/manifest")) == 0);
	CHECK_ERROR(bb_manifest_read(ctx, objects, "b"), ERRCODE_DATA_CORRUPTED);
}

static int
count_layers(const BbReqCtx *ctx, BbObjectStore *objects)
{
	return list_length(
		bb_objstore_list(ctx, objects, "timelines/main/layers"));
}

static void
sweeps(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");
	BbRetired	retired = {*model_write_delta(ctx, objects, "main", 100, 900),
						   1700000000};
	MemoryContext context;
	MemoryContext old;

	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 3, 100);
	manifest.nlayers = 1;
	manifest.keeps.nretired = 1;
	manifest.keeps.retired = &retired;
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	(void) model_write_blocks(ctx, objects, "main", 0, 3, 200);
	CHECK(count_layers(ctx, objects) == 3);

	/* upkeep has written the unnamed one */
	context = unit_enter();
	CHECK(bb_manifest_try_lock_upkeep(ctx, objects, "main"));
	old = MemoryContextSwitchTo(
		AllocSetContextCreate(context, "sweep", ALLOCSET_DEFAULT_SIZES));
	CHECK(!bb_manifest_sweep(ctx, objects, "main"));
	MemoryContextSwitchTo(old);
	CHECK(count_layers(ctx, objects) == 3);
	unit_leave(context);

	/* retired ones remain, too */
	CHECK(bb_manifest_sweep(ctx, objects, "main"));
	CHECK(count_layers(ctx, objects) == 2);
	bb_object_close(
		bb_object_open(ctx, objects,
					   bb_layer_object_name("main", &retired.layer)));

	/* a timeline that is dropped has none any more */
	bb_manifest_remove(ctx, objects, "main");
	CHECK(bb_objstore_list(ctx, objects, "timelines") == NIL);
	/* and whoever swept it gave the lock back */
	CHECK(bb_manifest_try_lock_upkeep(ctx, objects, "main"));
}

UNIT_TEST(manifest_sweep_keeps_what_is_needed)
{
	sweeps(ctx, unit_store(ctx));
	if (unit_s3_available())
		sweeps(ctx, unit_s3_store(ctx));
}

/* A timeline can be dropped while upkeep of it hangs. */
UNIT_TEST(manifest_remove_beside_upkeep)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");
	BbReqCtx	hasty = *ctx;

	manifest.layers[0] = *model_write_blocks(ctx, objects, "main", 0, 3, 100);
	manifest.nlayers = 1;
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	CHECK(bb_manifest_try_lock_upkeep(ctx, objects, "main"));
	hasty.deadline = GetCurrentTimestamp() + 500 * 1000;
	CHECK_ERROR(bb_manifest_remove(&hasty, objects, "main"),
				ERRCODE_QUERY_CANCELED);
	CHECK(bb_objstore_list(ctx, objects, "timelines") == NIL);
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

/* ---- a manifest's facts ---- */

static BbManifest *
good_manifest(void)
{
	BbManifest *manifest = palloc(sizeof(BbManifest));

	*manifest = model_manifest("main");
	manifest->generation = 3;
	manifest->data_checksum_version = 1;
	manifest->tli = 3;
	manifest->nswitches = 2;
	manifest->switches = palloc0(2 * sizeof(BbTliSwitch));
	manifest->switches[0] = (BbTliSwitch){1, 500};
	manifest->switches[1] = (BbTliSwitch){2, 600};
	manifest->start_lsn = 400;
	manifest->prev_lsn = 900;
	manifest->end_time = 1700000000;
	manifest->ancestor = pstrdup("old");
	manifest->ancestor_lsn = 400;
	manifest->nlayers = 1;
	manifest->layers[0].keys = bb_key_range_all();
	manifest->layers[0].lsn_start = 400;
	manifest->layers[0].lsn_end = 401;
	manifest->layers[0].image = true;
	manifest->layers[0].size = 10000;
	manifest->layers[0].entries = 10;
	return manifest;
}

static bool
decodes(const BbManifest *manifest)
{
	StringInfoData buf;
	const char *error = NULL;
	bool		good;

	initStringInfo(&buf);
	bb_manifest_encode(manifest, &buf);
	good = bb_manifest_decode(buf.data, buf.len, &error) != NULL;
	CHECK(good == (error == NULL));
	return good;
}

/* Change one fact, with a correct checksum. */
#define CHECK_FACT(good, change)                                             \
	do                                                                       \
	{                                                                        \
		BbManifest *m = good_manifest();                                     \
                                                                             \
		change;                                                              \
		if (decodes(m) != (good))                                            \
			elog(ERROR, "%s: %s", #change,         \
				 (good) ? "refused" : "believed"); \
	} while (0)

/* Give a manifest of LSNs 400 to 1000 the gaps 450-500 and 600-"until". */
static void
add_gaps(BbManifest *manifest, XLogRecPtr until, int64 until_time)
{
	manifest->ngaps = 2;
	manifest->gaps = palloc0(2 * sizeof(BbGap));
	manifest->gaps[0] = (BbGap){450, 440, 1600000000, 500, 1600000100};
	manifest->gaps[1] = (BbGap){600, 0, 1600000200, until, until_time};
}

#define CHECK_GAP(good, change) CHECK_FACT(good, add_gaps(m, 700, 9); change)

UNIT_TEST(manifest_gaps_are_checked)
{
	CHECK_GAP(true, (void) m);
	/* the last one is open */
	CHECK_FACT(true, add_gaps(m, BB_LSN_UNKNOWN, 0));
	CHECK_FACT(true, add_gaps(m, 1001, 0));
	CHECK_FACT(false, add_gaps(m, 1001, 9));
	CHECK_GAP(true, m->gaps[1].until = 1000);
	CHECK_GAP(true, m->gaps[0].from = 400; m->gaps[0].from_prev = 0);
	CHECK_GAP(true, m->gaps[0].until = 600);
	CHECK_GAP(true, m->gaps[1].until_time = 0);

	/* before the start, since layers reach below it */
	CHECK_GAP(true, m->ancestor_lsn = 300; m->start_lsn = 500);
	CHECK_GAP(true, m->ancestor_lsn = 300; m->start_lsn = 600);
	CHECK_GAP(true, m->ancestor_lsn = 300; m->start_lsn = 700);
	CHECK_GAP(false, m->ancestor_lsn = 300; m->start_lsn = 499);
	CHECK_GAP(false, m->ancestor_lsn = 300; m->start_lsn = 699);
	CHECK_GAP(false, m->ancestor_lsn = 300; m->start_lsn = 1001);

	CHECK_GAP(false, m->gaps[0].until = BB_LSN_UNKNOWN);
	CHECK_GAP(false, m->gaps[0].until = 601);
	CHECK_GAP(false, m->gaps[0].until = 450);
	CHECK_GAP(false, m->gaps[0].from = 399);
	CHECK_GAP(false, m->gaps[0].from_prev = 450);
	CHECK_GAP(false, m->gaps[0].from_time = -1);
	CHECK_GAP(false, m->gaps[0].until_time = PG_INT64_MAX);
	CHECK_GAP(false, m->gaps[1].from = 1000; m->gaps[1].until = 1001);
	CHECK_GAP(false, m->start_lsn = BB_LSN_UNKNOWN);
}

UNIT_TEST(manifest_gaps_roundtrip)
{
	BbManifest *manifest = good_manifest();
	BbManifest *again;
	StringInfoData buf;
	StringInfoData buf2;
	const char *error;

	add_gaps(manifest, BB_LSN_UNKNOWN, 0);
	initStringInfo(&buf);
	bb_manifest_encode(manifest, &buf);
	again = bb_manifest_decode(buf.data, buf.len, &error);
	CHECK(again != NULL && again->ngaps == 2);
	CHECK(memcmp(again->gaps, manifest->gaps, 2 * sizeof(BbGap)) == 0);
	initStringInfo(&buf2);
	bb_manifest_encode(again, &buf2);
	CHECK(buf.len == buf2.len && memcmp(buf.data, buf2.data, buf.len) == 0);

	/* a manifest without gaps is one that earlier versions read */
	manifest->ngaps = 0;
	resetStringInfo(&buf);
	bb_manifest_encode(manifest, &buf);
	CHECK(bb_get_le32((uint8 *) buf.data + 8) == 1);
	CHECK(bb_get_le32((uint8 *) buf2.data + 8) == 2);
}

UNIT_TEST(manifest_ends_before_an_open_gap)
{
	BbManifest *manifest = good_manifest();
	BbManifest	readable;

	add_gaps(manifest, 700, 9);
	CHECK(!bb_manifest_gap_open(manifest));
	readable = bb_manifest_readable(manifest);
	CHECK(readable.ngaps == manifest->ngaps &&
		  readable.end_lsn == manifest->end_lsn);
	CHECK(readable.prev_lsn == manifest->prev_lsn &&
		  readable.end_time == manifest->end_time);

	add_gaps(manifest, 1001, 0);
	manifest->gaps[1].from = 550;
	manifest->gaps[1].from_prev = 540;
	CHECK(bb_manifest_gap_open(manifest));
	readable = bb_manifest_readable(manifest);
	CHECK(readable.ngaps == 1 && readable.end_lsn == 550);
	CHECK(readable.prev_lsn == 540 && readable.end_time == 1600000200);
	CHECK(readable.tli == 2 && readable.nswitches == 1);
	CHECK(readable.nlayers == manifest->nlayers);
}

UNIT_TEST(gaps_of_an_lsn)
{
	BbGap		gaps[] = {{.from = 100, .until = 200},
						  {.from = 300, .until = BB_LSN_UNKNOWN}};

	CHECK(bb_gap_at(gaps, 2, 100) == NULL);
	CHECK(bb_gap_at(gaps, 2, 101) == &gaps[0]);
	CHECK(bb_gap_at(gaps, 2, 199) == &gaps[0]);
	CHECK(bb_gap_at(gaps, 2, 200) == NULL);
	CHECK(bb_gap_at(gaps, 2, 300) == NULL);
	CHECK(bb_gap_at(gaps, 2, 301) == &gaps[1]);
	CHECK(bb_gap_before(gaps, 2, 199) == NULL);
	CHECK(bb_gap_before(gaps, 2, 200) == &gaps[0]);
	CHECK(bb_gap_before(gaps, 2, 5000) == &gaps[0]);
}

UNIT_TEST(manifest_facts_are_checked)
{
	CHECK_FACT(true, (void) m);
	CHECK_FACT(true, m->directory_mode = 0750);
	CHECK_FACT(true, m->wal_segment_size = 1024 * 1024);
	CHECK_FACT(true, m->start_lsn = BB_LSN_UNKNOWN);
	/* the base backup of a standby whose WAL isn't complete */
	CHECK_FACT(true, m->start_lsn = 1001);
	CHECK_FACT(true, m->prev_lsn = 0);
	CHECK_FACT(true, m->switches[1].until = 500);
	CHECK_FACT(true, m->ancestor = NULL; m->ancestor_lsn = 0);

	CHECK_FACT(false, m->timeline = pstrdup("../x"));
	CHECK_FACT(false, m->timeline = pstrdup(""));
	CHECK_FACT(false, m->generation = 0);
	CHECK_FACT(false, m->pg_version_num = 0);
	CHECK_FACT(false, m->pg_version_num = PG_UINT32_MAX);
	CHECK_FACT(false, m->wal_segment_size = 0);
	CHECK_FACT(false, m->wal_segment_size = 3 * 1024 * 1024);
	CHECK_FACT(false, m->wal_segment_size = PG_UINT32_MAX);
	CHECK_FACT(false, m->data_checksum_version = 2);
	CHECK_FACT(false, m->tli = 0);
	CHECK_FACT(false, m->tli = 2);
	CHECK_FACT(false, m->switches[0].tli = 0);
	CHECK_FACT(false, m->switches[0].tli = 2);
	CHECK_FACT(false, m->switches[0].until = 601);
	CHECK_FACT(false, m->switches[1].until = 1001);
	CHECK_FACT(false, m->directory_mode = 0777);
	CHECK_FACT(false, m->directory_mode = 04700);
	CHECK_FACT(false, m->directory_mode = 0);
	CHECK_FACT(false, m->start_lsn = 0);
	CHECK_FACT(false, m->end_lsn = BB_LSN_UNKNOWN);
	CHECK_FACT(false, m->prev_lsn = 1000);
	CHECK_FACT(false, m->end_time = -1);
	CHECK_FACT(false, m->end_time = PG_INT64_MAX);
	CHECK_FACT(false, m->ancestor = pstrdup("../old"));
	CHECK_FACT(false, m->ancestor = pstrdup("main"));
	CHECK_FACT(false, m->ancestor = NULL);
	CHECK_FACT(false, m->ancestor_lsn = 0);
	CHECK_FACT(false, m->ancestor_lsn = 401);
	CHECK_FACT(false, m->layers[0].keys.end = m->layers[0].keys.start);
	CHECK_FACT(false, m->layers[0].lsn_end = 400);
	CHECK_FACT(false, m->layers[0].lsn_end = 402);
	CHECK_FACT(false, m->layers[0].image = false; m->layers[0].lsn_end = 1002);
	CHECK_FACT(false, m->layers[0].size = 0);
	CHECK_FACT(false, m->layers[0].size = PG_UINT64_MAX);
	CHECK_FACT(false, m->layers[0].entries = 0);
	CHECK_FACT(false, m->layers[0].entries = PG_UINT64_MAX);
}
