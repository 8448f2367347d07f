/*-------------------------------------------------------------------------
 *
 * test_copies.c
 *	  Copies of timelines in other page stores.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest_edit.h"
#include "model.h"

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
