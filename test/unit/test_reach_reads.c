/*-------------------------------------------------------------------------
 *
 * test_reach_reads.c
 *	  Timelines whose history expires are read as before.
 *
 * A timeline with random changes, and a branch, live on while the start moves,
 * points come and go, and layers are retired and removed.  Each read at an LSN
 * that is still readable returns what the model says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "upkeep/removal.h"
#include "upkeep/retention.h"

static uint64 seed;

/* Each key, at an LSN, as the model says. */
static void
check_at(const BbReqCtx *ctx, Model *model, XLogRecPtr lsn)
{
	MemoryContext old = unit_enter();
	BbTimeline *timeline = bb_timeline_open(ctx, model->objects,
											model->manifest.timeline);

	for (int k = 0; k < NKEYS; k++)
	{
		BbKey		key = model_key(k);
		BbEntry		entry;
		ModelValue	value;

		model_value(model, k, lsn, &value);
		CHECK_SEED(bb_timeline_get(ctx, timeline, &key, lsn, &entry) ==
				   value.exists);
		if (value.exists)
			CHECK_SEED(entry.length == value.length &&
					   memcmp(entry.value, value.page.data, value.length) ==
						   0);
	}
	unit_leave(old);
}

static XLogRecPtr
random_lsn(XLogRecPtr from, XLogRecPtr to)
{
	return pg_prng_uint64_range(&model_prng, from, to);
}

/* The points of an EXPIRE: some of those that are, some LSNs, the branch's. */
static BbManifestPoints
draw_points(const BbManifest *manifest, XLogRecPtr start, XLogRecPtr branch)
{
	BbManifestPoints points = {0};
	XLogRecPtr	drawn[4];
	int			ndrawn = 0;
	XLogRecPtr	last = InvalidXLogRecPtr;

	points.points = palloc((manifest->keeps.npoints + 5) * sizeof(BbPoint));
	drawn[ndrawn++] = branch;
	while (ndrawn < 4)
		drawn[ndrawn++] = random_lsn(manifest->start_lsn, start);
	for (int i = 0; i < manifest->keeps.npoints; i++)
	{
		XLogRecPtr	lsn = manifest->keeps.points[i].lsn;

		if (lsn == branch || model_roll(2))
			points.points[points.n++] = (BbPoint){.lsn = last = lsn};
	}
	for (;;)
	{
		XLogRecPtr	next = PG_UINT64_MAX;

		for (int i = 0; i < ndrawn; i++)
			if (drawn[i] > last && drawn[i] >= manifest->start_lsn)
				next = Min(next, drawn[i]);
		if (next >= start)
			return points;
		points.points[points.n++] = (BbPoint){.lsn = last = next};
	}
}

/* Move the start, and remove what no LSN needs. */
static int
expire(const BbReqCtx *ctx, Model *model, const Model *branch)
{
	BbManifest *base = bb_manifest_read(ctx, model->objects, "main");
	BbManifestEdit edit = {.base = base,
						   .start_lsn = random_lsn(base->start_lsn,
												   base->end_lsn)};
	BbManifestPoints points = draw_points(base, edit.start_lsn,
										  branch->manifest.ancestor_lsn);
	BbUpkeepJob retire = {.kind = BB_UPKEEP_RETIRE};

	edit.points = &points;
	base = bb_manifest_edit(ctx, model->objects, &edit);
	retire.inputs = bb_retention_unneeded(base,
										  bb_points_branches(ctx,
															 model->objects,
															 "main"));
	base = bb_retention_commit(ctx, model->objects, base, &retire, 1000);
	CHECK_SEED(base->keeps.nretired == list_length(retire.inputs));
	base = bb_removal_run(ctx, model->objects, base, 1000);
	CHECK_SEED(base->keeps.nretired == 0);
	model->manifest = *base;
	model->manifest.layers = palloc((base->nlayers + 100) *
									sizeof(BbLayerDesc));
	memcpy(model->manifest.layers, base->layers,
		   base->nlayers * sizeof(BbLayerDesc));
	return list_length(retire.inputs);
}

static void
commit(const BbReqCtx *ctx, Model *model)
{
	BbManifest *present = bb_manifest_find(ctx, model->objects,
										   model->manifest.timeline);

	model->manifest.tag = present ? present->tag : BB_OBJECT_ABSENT;
	model->manifest.generation = present ? present->generation : 0;
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
}

UNIT_TEST(reach_of_reads)
{
	int			delay = bb_setting_removal_delay_s;
	int			went = 0;

	bb_setting_removal_delay_s = 0;
	/* in few rounds, nothing may go */
	for (int round = 0; round < 5 || (went == 0 && round < 100); round++)
	{
		BbObjectStore *objects = unit_store(ctx);
		Model	   *root;
		Model	   *branch;

		seed = unit_seed();
		pg_prng_seed(&model_prng, seed);
		root = model_new(objects, "main", NULL, 0);
		root->manifest.keeps.retention.window_s = 1;
		model_import(ctx, root);
		model_live(ctx, root, 8 + model_roll(8));
		branch = model_new(objects, "branch", root,
						   random_lsn(START, root->manifest.end_lsn));
		model_live(ctx, branch, 1 + model_roll(3));
		commit(ctx, root);
		commit(ctx, branch);
		for (int step = 0; step < 4; step++)
		{
			const BbManifest *manifest = &root->manifest;

			went += expire(ctx, root, branch);
			for (int i = 0; i < manifest->keeps.npoints; i++)
				check_at(ctx, root, manifest->keeps.points[i].lsn);
			check_at(ctx, root, manifest->start_lsn);
			check_at(ctx, root, manifest->end_lsn);
			for (int i = 0; i < 4; i++)
				check_at(ctx, root,
						 random_lsn(manifest->start_lsn, manifest->end_lsn));
			for (int i = 0; i < 3; i++)
				check_at(ctx, branch,
						 random_lsn(branch->manifest.start_lsn,
									branch->manifest.end_lsn));
			model_live(ctx, root, 1 + model_roll(6));
			commit(ctx, root);
		}
	}
	bb_setting_removal_delay_s = delay;
	CHECK(went > 0);
}
