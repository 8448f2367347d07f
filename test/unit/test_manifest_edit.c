/*-------------------------------------------------------------------------
 *
 * test_manifest_edit.c
 *	  Edits of a manifest beside other writers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "import/import_internal.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "objstore/objstore_driver.h"
#include "utils/timestamp.h"

#define FIRST 100
#define LAST 1000

/* The timeline "main", with two layers. */
static BbManifest *
make_timeline(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");
	BbManifestEdit edit = {.base = &manifest};

	edit.added = list_make2(model_write_delta(ctx, objects, "main", FIRST,
											  500),
							model_write_delta(ctx, objects, "main", 500,
											  LAST));
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Intake: one more layer, and the end after it. */
static BbManifest *
intake(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *base,
	   XLogRecPtr to)
{
	BbManifestEnd end = {.end_lsn = to, .prev_lsn = to - 8, .tli = 1};
	BbManifestEdit edit = {.base = base, .end = &end};

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", base->end_lsn, to));
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Upkeep: one layer in place of the first two. */
static BbManifest *
upkeep(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *base)
{
	BbManifestEdit edit = {.base = base};

	edit.added = list_make1(model_write_delta(ctx, objects, "main", FIRST,
											  Max(base->layers[0].lsn_end,
												  base->layers[1].lsn_end) -
												  1));
	edit.removed = list_make2(&base->layers[0], &base->layers[1]);
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Is that what the store has, with layers that exist, of these LSNs? */
static void
check_in_place(const BbReqCtx *ctx, BbObjectStore *objects,
			   const BbManifest *manifest, uint64 generation, const char *lsns)
{
	BbManifest *present = bb_manifest_read(ctx, objects, "main");
	StringInfoData text;

	CHECK(manifest->tag == present->tag);
	CHECK(manifest->generation == generation);
	CHECK(present->generation == generation);
	CHECK(manifest->nlayers == present->nlayers);
	initStringInfo(&text);
	for (int i = 0; i < present->nlayers; i++)
	{
		const BbLayerDesc *layer = &present->layers[i];

		CHECK(manifest->layers[i].file_id == layer->file_id);
		bb_object_close(
			bb_object_open(ctx, objects, bb_layer_object_name("main", layer)));
		appendStringInfo(&text, "%d-%d ", (int) layer->lsn_start - 1,
						 (int) layer->lsn_end - 1);
	}
	if (strcmp(text.data, lsns) != 0)
		elog(ERROR, "layers \"%s\" instead of \"%s\"", text.data, lsns);
}

#define CHECK_REFUSED(code, because)                                 \
	do                                                               \
	{                                                                \
		CHECK_ERROR(code, ERRCODE_OBJECT_IN_USE);                    \
		CHECK(strstr(unit_last_error, "timeline \"main\"") != NULL); \
		if (strstr(unit_last_detail, because) == NULL)               \
			elog(ERROR, "refused because: %s", unit_last_detail);    \
	} while (0)

/* ---- gaps ---- */

UNIT_TEST(edit_of_gaps)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbGap		gap = {.from = LAST,
					   .from_prev = 990,
					   .until = BB_LSN_UNKNOWN};
	BbManifestGaps gaps = {1, &gap};
	BbManifestEnd end = {.end_lsn = 2000, .tli = 1};
	BbManifestEdit edit = {.base = base, .end = &end, .gaps = &gaps};
	BbManifest *open;
	BbManifest *closed;
	BbManifest *now;

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", LAST, 2000));
	open = bb_manifest_edit(ctx, objects, &edit);
	CHECK(bb_manifest_gap_open(open) && open->gaps != &gap);

	/* another writer's edit keeps the gap, and so does intake */
	now = upkeep(ctx, objects, open);
	CHECK(bb_manifest_gap_open(now) && now->gaps[0].from == LAST);

	gap.until = end.end_lsn = 3000;
	gap.until_time = 7;
	edit.base = now;
	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", 2000, 3000));
	closed = bb_manifest_edit(ctx, objects, &edit);
	CHECK(!bb_manifest_gap_open(closed) && closed->gaps[0].until == 3000);
	now = intake(ctx, objects, closed, 4000);
	CHECK(now->ngaps == 1 && now->gaps[0].until_time == 7);
	CHECK_REFUSED(bb_manifest_edit(ctx, objects, &edit), "Its end was moved");

	/* all of it is removed again, and the end is what it was */
	edit.base = now;
	edit.added = NIL;
	edit.removed = list_make2(&now->layers[now->nlayers - 1],
							  &now->layers[now->nlayers - 2]);
	end.end_lsn = 2000;
	gaps.n = 0;
	now = bb_manifest_edit(ctx, objects, &edit);
	CHECK(now->ngaps == 0 && now->end_lsn == 2000);
}

/* A rebase that was complete isn't undone after a merge across its gap. */
UNIT_TEST(edit_undoes_no_merged_rebase)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbGap		gap = {.from = LAST,
					   .from_prev = 990,
					   .until = 2000,
					   .until_time = 7};
	BbManifestGaps gaps = {1, &gap};
	BbManifestEnd end = {.end_lsn = 2000, .tli = 1};
	BbManifestEdit edit = {.base = base, .end = &end, .gaps = &gaps};
	BbManifest *now;

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", LAST, 2000));
	now = bb_manifest_edit(ctx, objects, &edit);
	bb_rebase_undo(ctx, objects, now);
	now = bb_manifest_read(ctx, objects, "main");
	CHECK(now->ngaps == 0 && now->end_lsn == LAST && now->nlayers == 2);

	edit.base = now;
	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", LAST, 2000));
	now = bb_manifest_edit(ctx, objects, &edit);
	edit = (BbManifestEdit){.base = now};
	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", FIRST, 2000));
	for (int i = 0; i < now->nlayers; i++)
		edit.removed = lappend(edit.removed, &now->layers[i]);
	now = bb_manifest_edit(ctx, objects, &edit);
	bb_rebase_undo(ctx, objects, now);
	check_in_place(ctx, objects, now, now->generation, "100-2000 ");
	CHECK(now->ngaps == 1 && now->end_lsn == 2000);
}

/* ---- a second writer between the read of the base and the edit ---- */

static void
edits_in_any_order(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest *base = make_timeline(ctx, objects);
	BbManifest *now;

	check_in_place(ctx, objects, base, 1, "100-500 500-1000 ");
	now = intake(ctx, objects, base, 2000);
	check_in_place(ctx, objects, now, 2, "100-500 500-1000 1000-2000 ");
	now = upkeep(ctx, objects, base);
	check_in_place(ctx, objects, now, 3, "1000-2000 100-1000 ");
	CHECK(now->end_lsn == 2000 && now->prev_lsn == 1992);

	base = now;
	now = upkeep(ctx, objects, base);
	check_in_place(ctx, objects, now, 4, "100-2000 ");
	CHECK(now->end_lsn == 2000);
	now = intake(ctx, objects, base, 3000);
	check_in_place(ctx, objects, now, 5, "100-2000 2000-3000 ");
	CHECK(now->end_lsn == 3000);

	/* each of two that move the end, or that replace the same layers */
	CHECK_REFUSED(intake(ctx, objects, base, 2500), "end was moved");
	CHECK_REFUSED(upkeep(ctx, objects, base), "not part of it any more");
	check_in_place(ctx, objects, now, 5, "100-2000 2000-3000 ");
}

UNIT_TEST(manifest_edits_in_any_order)
{
	edits_in_any_order(ctx, unit_store(ctx));
	if (unit_s3_available())
		edits_in_any_order(ctx, unit_s3_store(ctx));
}

UNIT_TEST(manifest_edit_of_start)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit edit = {.base = base, .start_lsn = 200};
	BbManifest *now;

	CHECK(bb_manifest_edit(ctx, objects, &edit)->start_lsn == 200);
	now = intake(ctx, objects, base, 2000);
	CHECK(now->start_lsn == 200 && now->end_lsn == 2000);
	edit.start_lsn = 300;
	CHECK_REFUSED(bb_manifest_edit(ctx, objects, &edit), "start was moved");
}

UNIT_TEST(manifest_edit_of_tli)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbTliSwitch left = {.tli = 1, .until = 1500};
	BbManifestEnd end = {.end_lsn = 2000,
						 .tli = 2,
						 .nswitches = 1,
						 .switches = &left};
	BbManifestEdit edit = {.base = base, .end = &end};
	BbManifest *now;

	(void) upkeep(ctx, objects, base);
	now = bb_manifest_edit(ctx, objects, &edit);
	CHECK(now->switches != &left);
	now = bb_manifest_read(ctx, objects, "main");
	CHECK(now->generation == 3 && now->tli == 2 && now->nswitches == 1);
	CHECK(now->switches[0].tli == 1 && now->switches[0].until == 1500);
}

/* An edit, with its layer written before anybody else changes the timeline. */
static BbManifestEdit
prepared_edit(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbManifest *base)
{
	return (BbManifestEdit){.base = base,
							.added = list_make1(
								model_write_delta(ctx, objects, "main", FIRST,
												  900))};
}

static void
edits_after_drop(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit edit = prepared_edit(ctx, objects, base);
	BbManifest *other;

	bb_manifest_remove(ctx, objects, "main");
	CHECK_REFUSED(bb_manifest_edit(ctx, objects, &edit), "was dropped");
	CHECK(bb_manifest_find(ctx, objects, "main") == NULL);

	other = make_timeline(ctx, objects);
	CHECK_REFUSED(bb_manifest_edit(ctx, objects, &edit), "made again");

	/* the other one looks as if it were a later state, but for its layers */
	other = upkeep(ctx, objects, other);
	CHECK_REFUSED(bb_manifest_edit(ctx, objects, &edit), "made again");
	check_in_place(ctx, objects, other, 2, "100-1000 ");
}

/* A branch without layers has no identity, but the layers to add have gone. */
UNIT_TEST(manifest_edit_after_drop_of_a_branch)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	empty = model_manifest("main");
	BbManifestEdit make = {.base = &empty};
	BbManifest *base = bb_manifest_edit(ctx, objects, &make);
	BbManifestEdit edit = prepared_edit(ctx, objects, base);
	BbManifest *other;

	bb_manifest_remove(ctx, objects, "main");
	other = upkeep(ctx, objects, make_timeline(ctx, objects));
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit), ERRCODE_UNDEFINED_FILE);
	check_in_place(ctx, objects, other, 2, "100-1000 ");
}

UNIT_TEST(manifest_edits_after_drop)
{
	edits_after_drop(ctx, unit_store(ctx));
	if (unit_s3_available())
		edits_after_drop(ctx, unit_s3_store(ctx));
}

UNIT_TEST(manifest_edit_makes_a_timeline_once)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *now = make_timeline(ctx, objects);

	CHECK_ERROR(make_timeline(ctx, objects), ERRCODE_DUPLICATE_OBJECT);
	check_in_place(ctx, objects, now, 1, "100-500 500-1000 ");
}

UNIT_TEST(manifest_edit_that_is_impossible)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit edit = {.base = base};

	/* past the end */
	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", LAST, 2000));
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit), ERRCODE_INTERNAL_ERROR);
	CHECK(strstr(unit_last_detail, "LSN range of a layer") != NULL);
	check_in_place(ctx, objects, base, 1, "100-500 500-1000 ");
}

/* ---- a second writer between the read and the put of an attempt ---- */

/* What happens at a put; it counts the puts. */
static struct
{
	const BbObjectStoreOps *ops; /* of the store that is meddled with */
	int			puts;
	int			faster_writers;
	bool		loses_answer;
	bool		fails;
}			meddler;

static bool
meddling_put_if(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
				const void *data, size_t length, BbObjectTag expected,
				BbObjectTag *tag)
{
	bool		done;

	if (++meddler.puts <= meddler.faster_writers)
	{
		BbManifest *other = bb_manifest_read(ctx, objects, "main");
		StringInfoData buf;

		other->generation++;
		initStringInfo(&buf);
		bb_manifest_encode(other, &buf);
		CHECK(meddler.ops->put_if(ctx, objects, name, buf.data, buf.len,
								  other->tag, tag));
	}
	done = meddler.ops->put_if(ctx, objects, name, data, length, expected,
							   tag);
	if (meddler.fails)
		ereport(ERROR, (errcode(ERRCODE_IO_ERROR), errmsg("no answer")));
	return done && !meddler.loses_answer;
}

static BbObjectStore *
meddled_store(const BbReqCtx *ctx)
{
	static BbObjectStoreOps ops;
	BbObjectStore *objects = unit_store(ctx);

	memset(&meddler, 0, sizeof(meddler));
	meddler.ops = objects->ops;
	ops = *objects->ops;
	ops.put_if = meddling_put_if;
	objects->ops = &ops;
	return objects;
}

UNIT_TEST(manifest_edit_is_tried_again)
{
	BbObjectStore *objects = meddled_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifest *now;

	meddler.puts = 0;
	meddler.faster_writers = 3;
	now = intake(ctx, objects, base, 2000);
	CHECK(meddler.puts == 4);
	check_in_place(ctx, objects, now, 5, "100-500 500-1000 1000-2000 ");

	meddler.faster_writers = INT_MAX;
	CHECK_REFUSED(upkeep(ctx, objects, now), "Other writers were faster");
	CHECK(bb_manifest_read(ctx, objects, "main")->nlayers == 3);
}

UNIT_TEST(manifest_edit_is_canceled)
{
	BbObjectStore *objects = meddled_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit edit = prepared_edit(ctx, objects, base);
	BbReqCtx	hasty = *ctx;

	meddler.faster_writers = INT_MAX;
	hasty.deadline = GetCurrentTimestamp();
	CHECK_ERROR(bb_manifest_edit(&hasty, objects, &edit),
				ERRCODE_QUERY_CANCELED);
	CHECK(meddler.puts <= 2);
}

/* A put whose answer was lost, as S3 may have it, isn't done twice. */
UNIT_TEST(manifest_edit_recognizes_itself)
{
	BbObjectStore *objects = meddled_store(ctx);
	BbManifest *now;

	meddler.loses_answer = true;
	now = make_timeline(ctx, objects);
	check_in_place(ctx, objects, now, 1, "100-500 500-1000 ");
	now = intake(ctx, objects, now, 2000);
	check_in_place(ctx, objects, now, 2, "100-500 500-1000 1000-2000 ");
	CHECK(meddler.puts == 2);
}

/* It isn't recognized if another writer has moved the end since. */
UNIT_TEST(manifest_edit_recognizes_its_end)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEnd end = {.end_lsn = 2000, .prev_lsn = 1992, .tli = 1};
	BbManifestEdit edit = {.base = base, .end = &end};

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", LAST, 2000));
	CHECK(bb_manifest_edit(ctx, objects, &edit)->generation == 2);
	CHECK(bb_manifest_edit(ctx, objects, &edit)->generation == 2);
	(void) intake(ctx, objects, bb_manifest_read(ctx, objects, "main"), 3000);
	CHECK_REFUSED(bb_manifest_edit(ctx, objects, &edit), "end was moved");
}

/* After an error it is for the caller to read the manifest again. */
UNIT_TEST(manifest_edit_with_unknown_outcome)
{
	BbObjectStore *objects = meddled_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);

	meddler.fails = true;
	CHECK_ERROR(intake(ctx, objects, base, 2000), ERRCODE_IO_ERROR);
	CHECK(bb_manifest_read(ctx, objects, "main")->end_lsn == 2000);
}
