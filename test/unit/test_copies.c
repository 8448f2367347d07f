/*-------------------------------------------------------------------------
 *
 * test_copies.c
 *	  Copies of timelines in other page stores.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/import_internal.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "timeline/timeline.h"
#include "upkeep/copylayer.h"
#include "upkeep/move.h"

/* The timeline "main", marked as a copy. */
static BbManifest *
make_marked(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");

	manifest.layers[manifest.nlayers++] = *model_write_delta(ctx, objects,
															 "main", 100, 500);
	manifest.keeps.copy = (BbCopyMark){.source = "s3://bucket/elsewhere",
									   .generation = 7,
									   .copied_at = 1700000000};
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	return bb_manifest_read(ctx, objects, "main");
}

UNIT_TEST(copy_mark_roundtrip)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *manifest = make_marked(ctx, objects);
	const BbCopyMark *mark = &manifest->keeps.copy;

	CHECK(strcmp(mark->source, "s3://bucket/elsewhere") == 0);
	CHECK(mark->generation == 7 && mark->copied_at == 1700000000);
	CHECK(bb_manifest_error(manifest) == NULL);
	manifest->keeps.copy.generation = 0;
	CHECK(bb_manifest_error(manifest) != NULL);
	manifest->keeps.copy = (BbCopyMark){.generation = 1};
	CHECK(bb_manifest_error(manifest) != NULL);
	manifest->keeps.copy = (BbCopyMark){.copied_at = 1};
	CHECK(bb_manifest_error(manifest) != NULL);
	manifest->keeps.copy = (BbCopyMark){0};
	CHECK(bb_manifest_error(manifest) == NULL);
}

UNIT_TEST(copy_is_changed_by_no_edit)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *manifest = make_marked(ctx, objects);
	BbRetention retention = {.window_s = 60};
	BbManifestEnd end = {.end_lsn = 2000, .tli = 1};
	BbManifestEdit edit = {.base = manifest, .end = &end};

	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_detail, "s3://bucket/elsewhere") != NULL);
	edit = (BbManifestEdit){.base = manifest, .retention = &retention};
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	edit = (BbManifestEdit){.base = manifest,
							.removed = list_make1(&manifest->layers[0])};
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(bb_manifest_is_current(ctx, objects, manifest));

	/* what is retired may be forgotten */
	manifest->keeps.nretired = 1;
	manifest->keeps.retired = palloc0(sizeof(BbRetired));
	manifest->keeps.retired[0].layer = manifest->layers[0];
	manifest->keeps.retired[0].layer.file_id++;
	CHECK(bb_manifest_commit(ctx, objects, manifest));
	edit = (BbManifestEdit){.base = manifest,
							.forgotten = list_make1(
								&manifest->keeps.retired[0].layer)};
	manifest = bb_manifest_edit(ctx, objects, &edit);
	CHECK(manifest->keeps.nretired == 0 && manifest->nlayers == 1);
	CHECK(strcmp(manifest->keeps.copy.source, "s3://bucket/elsewhere") == 0);
}

/* ---- replication ---- */

/* What fails leaves its locks to its memory context. */
#define CHECK_REFUSED(code, expected)                                        \
	do                                                                       \
	{                                                                        \
		MemoryContext part_ = unit_enter();                                  \
                                                                             \
		CHECK_ERROR(code, expected);                                         \
		unit_last_error = MemoryContextStrdup(MemoryContextGetParent(part_), \
											  unit_last_error);              \
		unit_leave(part_);                                                   \
	} while (0)

/* A store of "main" with two delta layers and one image layer. */
static BbManifest *
make_source(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");
	BbManifestEdit edit = {.base = &manifest};

	edit.added = list_make3(model_write_blocks(ctx, objects, "main", 0, 30,
											   100),
							model_write_delta(ctx, objects, "main", 100, 500),
							model_write_delta(ctx, objects, "main", 500,
											  1000));
	return bb_manifest_edit(ctx, objects, &edit);
}

/* The source gets one layer more, and an end after it. */
static BbManifest *
more(const BbReqCtx *ctx, BbObjectStore *objects, XLogRecPtr to)
{
	BbManifest *base = bb_manifest_read(ctx, objects, "main");
	BbManifestEnd end = {.end_lsn = to, .prev_lsn = to - 8, .tli = 1};
	BbManifestEdit edit = {.base = base, .end = &end};

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", base->end_lsn, to));
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Two delta layers are replaced by one. */
static BbManifest *
merge(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest *base = bb_manifest_read(ctx, objects, "main");
	BbManifestEdit edit = {.base = base, .retired_at = 1700000000};

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", 100, 1000));
	edit.removed = list_make2(&base->layers[1], &base->layers[2]);
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Is the copy the source's state, with all of its layers whole? */
static void
check_copy(const BbReqCtx *ctx, BbObjectStore *to, const BbManifest *source)
{
	BbManifest *copy = bb_manifest_read(ctx, to, source->timeline);

	CHECK(copy->end_lsn == source->end_lsn);
	CHECK(copy->start_lsn == source->start_lsn);
	CHECK(copy->nlayers == source->nlayers);
	CHECK(copy->keeps.copy.generation == source->generation);
	for (int i = 0; i < copy->nlayers; i++)
	{
		CHECK(copy->layers[i].file_id == source->layers[i].file_id);
		CHECK(
			bb_copylayer_is_whole(ctx, to, copy->timeline, &copy->layers[i]));
	}
}

UNIT_TEST(replicate_copies_the_difference)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbManifest *source = make_source(ctx, from);
	BbReplicated *done;
	BbManifest *copy;

	done = bb_replication_one(ctx, from, to, "main");
	CHECK(done->layers_copied == 3 && done->layers_retired == 0);
	CHECK(done->bytes_copied ==
		  source->layers[0].size + source->layers[1].size +
			  source->layers[2].size);
	check_copy(ctx, to, source);

	/* nothing to do: nothing is read, nothing is committed */
	copy = bb_manifest_read(ctx, to, "main");
	done = bb_replication_one(ctx, from, to, "main");
	CHECK(done->layers_copied == 0 && done->layers_found == 0);
	CHECK(bb_manifest_is_current(ctx, to, copy));

	source = more(ctx, from, 2000);
	CHECK(bb_replication_behind(source, copy) == source->layers[3].size);
	done = bb_replication_one(ctx, from, to, "main");
	CHECK(done->layers_copied == 1 && done->end_lsn == 2000);
	check_copy(ctx, to, source);

	/* what the source has merged is retired in the copy, once */
	source = merge(ctx, from);
	CHECK(source->nlayers == 3 && source->keeps.nretired == 2);
	done = bb_replication_one(ctx, from, to, "main");
	CHECK(done->layers_copied == 1 && done->layers_retired == 2);
	check_copy(ctx, to, source);
	copy = bb_manifest_read(ctx, to, "main");
	CHECK(copy->keeps.nretired == 2);
	for (int i = 0; i < 2; i++)
	{
		CHECK(copy->keeps.retired[i].since > 1700000000);
		CHECK(bb_copylayer_is_whole(ctx, to, "main",
									&copy->keeps.retired[i].layer));
	}
	source = more(ctx, from, 3000);
	CHECK(bb_replication_one(ctx, from, to, "main")->layers_retired == 0);
	CHECK(bb_manifest_read(ctx, to, "main")->keeps.nretired == 2);
	CHECK(bb_replication_behind(source, NULL) > 0);
}

UNIT_TEST(replicate_resumes)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbManifest *source = make_source(ctx, from);
	BbReplicated *done;
	char	   *name;
	char	   *path;
	FILE	   *file;

	/* an interrupted call wrote two layers; one of them isn't right */
	CHECK(bb_copylayer(ctx, from, to, "main", &source->layers[0]));
	CHECK(bb_copylayer(ctx, from, to, "main", &source->layers[1]));
	name = bb_layer_object_name("main", &source->layers[1]);
	path = unit_object_path(to, name);
	file = fopen(path, "r+");
	CHECK(file != NULL && fseek(file, 40, SEEK_SET) == 0);
	CHECK(fputc('?', file) == '?' && fclose(file) == 0);
	CHECK(!bb_copylayer_is_whole(ctx, to, "main", &source->layers[1]));

	done = bb_replication_one(ctx, from, to, "main");
	CHECK(done->layers_found == 1 && done->layers_copied == 2);
	check_copy(ctx, to, source);
}

UNIT_TEST(replicate_refuses_broken_layers)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbManifest *source = make_source(ctx, from);
	BbManifest *copy;
	char	   *name;
	FILE	   *file;

	(void) bb_replication_one(ctx, from, to, "main");
	copy = bb_manifest_read(ctx, to, "main");
	source = more(ctx, from, 2000);
	name = bb_layer_object_name("main", &source->layers[3]);
	file = fopen(unit_object_path(from, name), "r+");
	CHECK(file != NULL && fseek(file, 50, SEEK_SET) == 0);
	CHECK(fputc('?', file) == '?' && fclose(file) == 0);
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, bb_layer_name(&source->layers[3])) != NULL);
	CHECK(bb_manifest_is_current(ctx, to, copy));

	bb_objstore_remove(ctx, from, name);
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_UNDEFINED_FILE);
	CHECK(strstr(unit_last_error, bb_layer_name(&source->layers[3])) != NULL);
	CHECK(bb_manifest_is_current(ctx, to, copy));
	check_copy(ctx, to,
			   copy = bb_manifest_read(ctx, to, "main") ? copy : copy);
}

UNIT_TEST(replicate_overwrites_no_other_timeline)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbObjectStore *third = unit_store(ctx);
	BbManifest *source = make_source(ctx, from);
	BbManifest *other = make_source(ctx, to);

	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_DUPLICATE_OBJECT);
	CHECK(bb_manifest_is_current(ctx, to, other));
	CHECK_REFUSED(bb_replication_one(ctx, from, from, "main"),
				  ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "none"),
				  ERRCODE_UNDEFINED_OBJECT);

	/* a copy of another store's */
	(void) bb_replication_one(ctx, to, third, "main");
	CHECK_REFUSED(bb_replication_one(ctx, from, third, "main"),
				  ERRCODE_DUPLICATE_OBJECT);
	CHECK_REFUSED(bb_replication_one(ctx, third, to, "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);

	/* detached, it isn't a copy any more; nor can it be detached again */
	bb_replication_detach(ctx, third, "main");
	CHECK_REFUSED(bb_replication_one(ctx, to, third, "main"),
				  ERRCODE_DUPLICATE_OBJECT);
	CHECK_REFUSED(bb_replication_detach(ctx, third, "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	(void) more(ctx, third, 2000);

	/* a copy that is ahead of its source */
	bb_manifest_remove(ctx, to, "main");
	(void) more(ctx, from, 5000);
	(void) bb_replication_one(ctx, from, to, "main");
	source->generation = 50;
	source->tag = bb_manifest_read(ctx, from, "main")->tag;
	CHECK(bb_manifest_commit(ctx, from, source));
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "ahead") != NULL);
}

UNIT_TEST(replicate_takes_ancestors_along)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbManifest *source = make_source(ctx, from);
	BbManifest	branch = model_manifest("branch");
	BbManifest	own = model_manifest("own");
	List	   *done;
	FILE	   *file;

	branch.ancestor = "main";
	branch.ancestor_lsn = branch.start_lsn = branch.end_lsn = 600;
	CHECK(bb_manifest_commit(ctx, from, &branch));
	done = bb_replication_run(ctx, from, to, "branch");
	CHECK(list_length(done) == 2);
	CHECK(strcmp(((BbReplicated *) linitial(done))->timeline, "main") == 0);
	CHECK(strcmp(((BbReplicated *) lsecond(done))->timeline, "branch") == 0);
	check_copy(ctx, to, source);
	check_copy(ctx, to, &branch);

	/* a branch of the copy holds it where the source has moved on */
	own.ancestor = "main";
	own.ancestor_lsn = own.start_lsn = own.end_lsn = 300;
	CHECK(bb_manifest_commit(ctx, to, &own));
	source->start_lsn = 600;
	CHECK(bb_manifest_commit(ctx, from, source));
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "branch \"own\"") != NULL);
	CHECK(bb_manifest_read(ctx, to, "main")->start_lsn == 100);
	/* nor does it go unseen if its manifest can't be read */
	file = fopen(unit_object_path(to, "timelines/own/manifest"), "r+");
	CHECK(file != NULL && fseek(file, 30, SEEK_SET) == 0);
	CHECK(fputc('?', file) == '?' && fclose(file) == 0);
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(strstr(unit_last_error, "\"own\" might be a branch") != NULL);
	CHECK(bb_manifest_read(ctx, to, "main")->start_lsn == 100);
	bb_manifest_remove(ctx, to, "own");
	(void) bb_replication_one(ctx, from, to, "main");
	check_copy(ctx, to, source);
}

/* A copy outlives its source, even if another timeline gets its name. */
UNIT_TEST(replicate_spares_what_is_left_of_a_dropped_source)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbManifest *copy;

	(void) make_source(ctx, from);
	(void) bb_replication_one(ctx, from, to, "main");
	copy = bb_manifest_read(ctx, to, "main");
	bb_manifest_remove(ctx, from, "main");
	(void) make_source(ctx, from);
	(void) more(ctx, from, 2000);
	CHECK_REFUSED(bb_replication_one(ctx, from, to, "main"),
				  ERRCODE_DUPLICATE_OBJECT);
	CHECK(strstr(unit_last_error, "is not a copy of the one") != NULL);
	CHECK(bb_manifest_is_current(ctx, to, copy));
}

/* A rebase that was copied before it was complete is undone in the source. */
UNIT_TEST(replicate_goes_on_after_a_rebase_is_undone)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbGap		gap = {.from = 1000, .from_prev = 992, .until = 6000};
	BbManifestGaps gaps = {1, &gap};
	BbManifestEnd end = {.end_lsn = 5000, .prev_lsn = 4992, .tli = 1};
	BbManifestEdit edit = {.base = make_source(ctx, from),
						   .end = &end,
						   .gaps = &gaps};
	BbManifest *source;

	edit.added = list_make1(model_write_delta(ctx, from, "main", 1000, 5000));
	source = bb_manifest_edit(ctx, from, &edit);
	(void) bb_replication_one(ctx, from, to, "main");
	check_copy(ctx, to, source);

	bb_rebase_undo(ctx, from, source);
	source = bb_manifest_read(ctx, from, "main");
	CHECK(source->end_lsn == 1000 && source->ngaps == 0);
	(void) bb_replication_one(ctx, from, to, "main");
	check_copy(ctx, to, source);

	/* once the start has passed the gap, there is nothing to undo */
	bb_rebase_undo(ctx, from, source);
	CHECK(bb_manifest_is_current(ctx, from, source));
}

/* ---- moves ---- */

UNIT_TEST(move_leaves_one_timeline)
{
	BbObjectStore *from = unit_store(ctx);
	BbObjectStore *to = unit_store(ctx);
	BbManifest	branch = model_manifest("branch");
	BbManifest *source = make_source(ctx, from);
	BbManifest *moved;

	branch.ancestor = "main";
	branch.ancestor_lsn = branch.start_lsn = branch.end_lsn = 600;
	CHECK(bb_manifest_commit(ctx, from, &branch));
	CHECK_REFUSED(bb_moving_run(ctx, from, to, "main"),
				  ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST);
	CHECK(bb_objstore_list(ctx, to, "timelines") == NIL);
	bb_manifest_remove(ctx, from, "branch");

	CHECK(list_length(bb_moving_run(ctx, from, to, "main")) == 1);
	CHECK(bb_objstore_list(ctx, from, "timelines") == NIL);
	moved = bb_manifest_read(ctx, to, "main");
	CHECK(moved->keeps.copy.source == NULL);
	CHECK(moved->nlayers == source->nlayers);
	(void) more(ctx, to, 2000);
	CHECK_REFUSED(bb_moving_run(ctx, from, to, "main"),
				  ERRCODE_UNDEFINED_OBJECT);

	/* and back */
	(void) bb_moving_run(ctx, to, from, "main");
	CHECK(bb_manifest_read(ctx, from, "main")->end_lsn == 2000);
	CHECK(bb_objstore_list(ctx, to, "timelines") == NIL);

	/* a copy isn't moved, least of all to its source, which may have lost layers */
	(void) bb_replication_one(ctx, from, to, "main");
	CHECK_REFUSED(bb_moving_run(ctx, to, unit_store(ctx), "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_REFUSED(bb_moving_run(ctx, to, from, "main"),
				  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	check_copy(ctx, to, bb_manifest_read(ctx, from, "main"));
}

/* Whatever a move that was killed did last, the next one completes it. */
UNIT_TEST(move_is_completed)
{
	for (int done = 0; done < 4; done++)
	{
		BbObjectStore *from = unit_store(ctx);
		BbObjectStore *to = unit_store(ctx);
		BbManifest *source = make_source(ctx, from);
		BbManifest *moved;

		/* 0: copied; 1: switched; 2: all but its layers; 3: detached */
		(void) bb_replication_one(ctx, from, to, "main");
		if (done >= 1)
		{
			source->keeps.copy = (BbCopyMark){.source = pstrdup(
												  bb_objstore_url(to)),
											  .generation = 1,
											  .copied_at = 1};
			CHECK(bb_manifest_commit(ctx, from, source));
			CHECK_REFUSED(more(ctx, from, 4000),
						  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
		}
		if (done < 3)
			CHECK_REFUSED(more(ctx, to, 4000),
						  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
		if (done >= 2)
			bb_objstore_remove(ctx, from, "timelines/main/manifest");
		if (done == 3)
		{
			bb_replication_detach(ctx, to, "main");
			(void) more(ctx, to, 4000);
		}

		(void) bb_moving_run(ctx, from, to, "main");
		CHECK(bb_objstore_list(ctx, from, "timelines") == NIL);
		moved = bb_manifest_read(ctx, to, "main");
		CHECK(moved->keeps.copy.source == NULL);
		CHECK(moved->end_lsn == (done < 3 ? 1000 : 4000));
	}
}
