/*-------------------------------------------------------------------------
 *
 * test_policy.c
 *	  Which layers upkeep merges, and where it makes images.
 *
 * The model checks each job that it does (upkeepmodel.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "unit.h"
#include "upkeep/policy_stack.h"
#include "upkeepmodel.h"

#define MB (1024.0 * 1024)

/* Small layers, so that a few flushes fill the head and the body. */
static ModelSettings
small_settings(void)
{
	return (ModelSettings){.density = 0.5,
						   .image_bytes = 2 * MB,
						   .window = 100000,
						   .policy = {.merge_layers = 7,
									  .image_percent = 50,
									  .layer_bytes = 256 * MB}};
}

static void
flush_some(UpkeepModel *model, int n, double wal)
{
	double		weights[MODEL_DATA];

	for (int i = 0; i < MODEL_DATA; i++)
		weights[i] = 1;
	for (int i = 0; i < n; i++)
		upkeepmodel_flush(model, wal, weights, 0);
}

/* Merge n runs of one size as the schedule says; return what was written. */
static double
merge_all(int n, int depth)
{
	double	   *sizes = palloc((depth + 1) * sizeof(double));
	int			used = 0;
	double		written = 0;

	for (int i = 0; i < n; i++)
	{
		int			at;

		sizes[used++] = 1;
		at = bb_stack_merge(sizes, used, depth, 1);
		CHECK(at <= used);
		CHECK((at == used) == (used <= depth));
		if (at == used)
			continue;
		CHECK(used - at >= 2);
		for (int j = at + 1; j < used; j++)
			sizes[at] += sizes[j];
		written += sizes[at];
		used = at + 1;
	}
	return written;
}

UNIT_TEST(policy_stack_is_near_the_best)
{
	for (int depth = 2; depth <= 10; depth++)
		for (int n = 10; n <= 30000; n *= 5)
		{
			double		best = bb_stack_writes(n, depth) * depth / (depth + 1);

			if (merge_all(n, depth) > n * (best * 1.15 + 0.5))
				elog(ERROR, "depth %d, %d runs: each is written %.2f times, not %.2f",
					 depth, n, merge_all(n, depth) / n, best);
		}
	CHECK(bb_stack_writes(1, 3) == 0);
	/* binomial(3 + 2, 3) = 10 */
	CHECK(fabs(bb_stack_writes(10, 3) - 2) < 0.001);
}

UNIT_TEST(policy_does_nothing_with_few_layers)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);

	CHECK(!upkeepmodel_step(model));
	flush_some(model, 7, 1000);
	CHECK(!upkeepmodel_step(model));
	flush_some(model, 1, 1000);
	CHECK(upkeepmodel_step(model));
	CHECK(!upkeepmodel_step(model));
	CHECK(upkeepmodel_depth(model) <= 8);
}

UNIT_TEST(policy_waits_for_an_import)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbManifest *manifest = upkeepmodel_manifest(model);

	flush_some(model, 20, 1000);
	manifest->start_lsn = BB_LSN_UNKNOWN;
	CHECK(!upkeepmodel_step(model));
	manifest->start_lsn = manifest->end_lsn + 1;
	CHECK(!upkeepmodel_step(model));
	manifest->start_lsn = manifest->end_lsn;
	CHECK(upkeepmodel_step(model));
}

/* Above an open gap nothing is done; the model checks where jobs are. */
UNIT_TEST(policy_stops_at_an_open_gap)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbManifest *manifest = upkeepmodel_manifest(model);
	BbGap		gap = {.until = BB_LSN_UNKNOWN};
	int			layers;

	flush_some(model, 20, 300e3);
	gap.from = manifest->end_lsn;
	flush_some(model, 20, 300e3);
	manifest->gaps = &gap;
	manifest->ngaps = 1;
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->merges > 0);
	CHECK(upkeepmodel_figures(model)->images > 0);
	layers = manifest->nlayers;
	CHECK(layers > 20 && layers < 40);

	/* it is closed: no image within it, the rest is merged */
	gap.until = manifest->end_lsn;
	upkeepmodel_upkeep(model);
	CHECK(manifest->nlayers < layers);
	CHECK(upkeepmodel_depth(model) <= 8);
	gap.until = manifest->end_lsn + 1;
	flush_some(model, 1, 300e3);
	upkeepmodel_upkeep(model);
}

UNIT_TEST(policy_makes_images_only_when_due)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);

	/* half of the image is 1 MB of changes, or 2 MB of WAL */
	flush_some(model, 18, 100e3);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images == 0);
	flush_some(model, 12, 100e3);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images == 1);
	flush_some(model, 10, 1000);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images == 1);

	settings.policy.image_percent = 0;
	model = upkeepmodel_new(&settings, 1);
	flush_some(model, 100, 100e3);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images == 0);
}

/* An image that turned out to be empty isn't asked for again. */
UNIT_TEST(policy_heeds_barren_ranges)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbUpkeepJob job;

	flush_some(model, 7, 1e6);
	CHECK(bb_policy_next(upkeepmodel_manifest(model), &settings.policy, &job));
	CHECK(job.kind == BB_UPKEEP_IMAGE);
	settings.policy.barren = list_make1(&job.keys);
	CHECK(!bb_policy_next(upkeepmodel_manifest(model), &settings.policy,
						  &(BbUpkeepJob){0}));
}

/* Where there is an image of some of the keys already, there is no second one. */
UNIT_TEST(policy_makes_no_second_image)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbManifest *manifest = upkeepmodel_manifest(model);
	BbUpkeepJob job;
	BbUpkeepJob again;

	flush_some(model, 7, 1e6);
	CHECK(bb_policy_next(manifest, &settings.policy, &job));
	CHECK(job.kind == BB_UPKEEP_IMAGE);
	/* as ingest makes one of a relation with a hole; it has few keys */
	manifest->layers[manifest->nlayers++] = (BbLayerDesc){
		.keys = {bb_key_rel_block(1663, 5, 16390, MAIN_FORKNUM, 7),
				 bb_key_rel_block(1663, 5, 16390, MAIN_FORKNUM, 8)},
		.lsn_start = job.lsn,
		.lsn_end = job.lsn + 1,
		.image = true,
		.file_id = 1000000,
		.size = 3000,
		.entries = 1};
	while (bb_policy_next(manifest, &settings.policy, &again) &&
		   again.kind == BB_UPKEEP_MERGE)
		upkeepmodel_job(model, &again);
	CHECK(again.kind != BB_UPKEEP_IMAGE || again.lsn != job.lsn);

	/* later flushes have LSNs of their own */
	flush_some(model, 7, 1e6);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images > 0);
}

static int
newest_delta(const BbManifest *manifest)
{
	int			newest = -1;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (!manifest->layers[i].image &&
			(newest < 0 ||
			 manifest->layers[i].lsn_end > manifest->layers[newest].lsn_end))
			newest = i;
	}
	return newest;
}

/*
 * A layer that can't be read is in no job, and the others are merged nevertheless,
 * those above it and those below it.  The model checks each job.
 */
UNIT_TEST(policy_leaves_out_a_broken_layer)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	int			merges;

	flush_some(model, 30, 1000);
	upkeepmodel_break(model, newest_delta(upkeepmodel_manifest(model)));
	flush_some(model, 30, 1000);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_manifest(model)->nlayers <= 20);
	CHECK(upkeepmodel_whole_depth(model) <= 8);
	merges = upkeepmodel_figures(model)->merges;
	CHECK(merges >= 2);

	/* so it goes on, without an image */
	for (int i = 0; i < 30; i++)
	{
		flush_some(model, 2, 300e3);
		upkeepmodel_upkeep(model);
		CHECK(upkeepmodel_whole_depth(model) <= 8);
	}
	CHECK(upkeepmodel_figures(model)->images == 0);
	CHECK(upkeepmodel_figures(model)->merges > merges);

	/* until it has been mended */
	upkeepmodel_mend(model);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images > 0);
	CHECK(upkeepmodel_depth(model) <= 8);
}

/* Which layers can merges and images do without? */
UNIT_TEST(policy_needs_what_is_read)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbManifest *manifest = upkeepmodel_manifest(model);
	BbKey		journal_end = bb_key_range_kind(BB_KEY_TABLESPACE).start;
	XLogRecPtr	newest = InvalidXLogRecPtr;

	for (int i = 0; i < manifest->nlayers; i++)
		CHECK(bb_policy_needs(manifest, &manifest->layers[i]));
	flush_some(model, 7, 1e6);
	CHECK(
		bb_policy_needs(manifest, &manifest->layers[newest_delta(manifest)]));
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->images == 1);
	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (manifest->layers[i].image)
			newest = Max(newest, manifest->layers[i].lsn_start);
	}
	/* the image is one of all relations */
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (bb_key_compare(&layer->keys.start, &journal_end) >= 0)
			CHECK(bb_policy_needs(manifest, layer) ==
				  (layer->image ? layer->lsn_start == newest
								: layer->lsn_end - 1 > newest));
		else if (!layer->image)
			CHECK(bb_policy_needs(manifest, layer));
	}
}

/* A branch has no image to compare with, so the size of its ancestor's counts. */
static int
images_of_a_branch(uint64 ancestor_bytes)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model;
	BbManifest *manifest;

	settings.policy.ancestor_bytes = ancestor_bytes;
	model = upkeepmodel_new(&settings, 1);
	manifest = upkeepmodel_manifest(model);
	manifest->nlayers = 0;
	manifest->ancestor = "main";
	manifest->ancestor_lsn = manifest->start_lsn;
	for (int i = 0; i < 40; i++)
	{
		flush_some(model, 10, 1e6);
		upkeepmodel_upkeep(model);
		CHECK(upkeepmodel_figures(model)->images > 0 ||
			  manifest->nlayers <= 14);
	}
	return upkeepmodel_figures(model)->images;
}

UNIT_TEST(policy_of_a_branch)
{
	/* unknown; too large for a job; more than all changes deserve; soon reached */
	CHECK(images_of_a_branch(0) == 0);
	CHECK(images_of_a_branch(UINT64CONST(1) << 40) == 0);
	CHECK(images_of_a_branch(1000 * MB) == 0);
	CHECK(images_of_a_branch(2 * MB) > 0);
}

/* What is below the start is squashed, if there is a retention. */
UNIT_TEST(policy_leaves_the_past_alone)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbManifest *manifest = upkeepmodel_manifest(model);
	int			past = 0;

	flush_some(model, 6, 1000);
	manifest->start_lsn = manifest->end_lsn;
	manifest->keeps.retention.window_s = 3600;
	flush_some(model, 20, 1000);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_figures(model)->merges > 0);
	for (int i = 0; i < manifest->nlayers; i++)
		past += !manifest->layers[i].image &&
			manifest->layers[i].lsn_start <= manifest->start_lsn;
	CHECK(past == 6);
}

/* Upkeep that was off for long comes back step by step. */
UNIT_TEST(policy_catches_up)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);

	flush_some(model, 3000, 20e3);
	upkeepmodel_upkeep(model);
	CHECK(upkeepmodel_depth(model) <= 8);
	CHECK(upkeepmodel_manifest(model)->nlayers < 100);
}

/* ---- at random ---- */

/* In one round: some settings, and changes of all kinds. */
static void
random_round(uint64 seed)
{
	pg_prng_state random;
	ModelSettings settings = small_settings();
	UpkeepModel *model;
	int			flushes;

	pg_prng_seed(&random, seed);
	settings.density = 0.1 + pg_prng_double(&random);
	settings.image_bytes = pow(10, 4 + 5 * pg_prng_double(&random));
	settings.window = pg_prng_uint64_range(&random, 10, 1000);
	settings.policy.merge_layers = pg_prng_uint64_range(&random, 2, 12);
	settings.policy.image_percent = pg_prng_uint64_range(&random, 1, 300);
	settings.policy.layer_bytes = (uint64)
		pow(10, 5 + 4 * pg_prng_double(&random));
	model = upkeepmodel_new(&settings, seed);

	flushes = pg_prng_uint64_range(&random, 1, 400);
	for (int i = 0; i < flushes; i++)
	{
		double		weights[MODEL_DATA];
		double		wal = pow(10, 2 + 5 * pg_prng_double(&random));
		int			first = pg_prng_uint64_range(&random, 0, MODEL_DATA - 1);
		int			last = pg_prng_uint64_range(&random, first,
												MODEL_DATA - 1);

		memset(weights, 0, sizeof(weights));
		for (int j = first; j <= last; j++)
			weights[j] = pg_prng_double(&random) + 0.001;
		upkeepmodel_flush(model, wal,
						  pg_prng_uint64_range(&random, 0, 9) == 0 ? NULL
																   : weights,
						  pg_prng_double(&random));
		if (pg_prng_uint64_range(&random, 0, 40) == 0)
			upkeepmodel_break(model,
							  pg_prng_uint64_range(&random, 0,
												   upkeepmodel_manifest(model)
														   ->nlayers -
													   1));
		if (pg_prng_uint64_range(&random, 0, 60) == 0)
			upkeepmodel_mend(model);
		if (pg_prng_uint64_range(&random, 0, 4) > 0)
			upkeepmodel_upkeep(model);
	}
	upkeepmodel_upkeep(model);
	CHECK(!upkeepmodel_step(model));
	upkeepmodel_mend(model);
	upkeepmodel_upkeep(model);
	CHECK(!upkeepmodel_step(model));
}

UNIT_TEST(policy_at_random)
{
	const char *rounds = getenv("BB_ROUNDS");

	for (int i = 0; i < (rounds ? atoi(rounds) : 30); i++)
	{
		uint64		seed = unit_seed();
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
													  "round",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		PG_TRY();
		{
			random_round(seed);
		}
		PG_CATCH();
		{
			elog(WARNING, "policy_at_random: seed " UINT64_FORMAT, seed);
			PG_RE_THROW();
		}
		PG_END_TRY();
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
}
