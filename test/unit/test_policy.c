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

/* A branch has no image to compare with. */
UNIT_TEST(policy_of_a_branch)
{
	ModelSettings settings = small_settings();
	UpkeepModel *model = upkeepmodel_new(&settings, 1);
	BbManifest *manifest = upkeepmodel_manifest(model);

	manifest->nlayers = 0;
	manifest->ancestor = "main";
	manifest->ancestor_lsn = manifest->start_lsn;
	for (int i = 0; i < 40; i++)
	{
		flush_some(model, 10, 1e6);
		upkeepmodel_upkeep(model);
		CHECK(manifest->nlayers <= 14);
	}
	CHECK(upkeepmodel_figures(model)->images == 0);
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
		if (pg_prng_uint64_range(&random, 0, 4) > 0)
			upkeepmodel_upkeep(model);
	}
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
