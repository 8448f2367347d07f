/*-------------------------------------------------------------------------
 *
 * test_policy_month.c
 *	  A month of minutely flushes, with upkeep after each: what reads open and
 *	  what upkeep writes.
 *
 * The bounds hold for any seed, and for a month.  By default there are two days;
 * BB_MINUTES=40320 in the server's environment makes it a month, BB_FIGURES=1
 * prints the figures, BB_SCENARIO chooses one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "unit.h"
#include "upkeepmodel.h"

#define DAY (24 * 60)
#define MONTH (28 * DAY)
#define MB (1024.0 * 1024)

typedef struct Scenario
{
	const char *name;
	double		wal;		 /* bytes a minute */
	double		density;	 /* bytes in delta layers, of one byte of WAL */
	double		flush;		 /* so much larger are those of flushes */
	double		image_bytes; /* of the import */
	uint64		layer_bytes;
	void		(*weights) (pg_prng_state *random, int minute, double *weights,
							double *wal, double *growth);
	/* bounds */
	int			depth; /* 99 % of reads */
	double		mean;
	double		writes; /* bytes written by upkeep, of one byte of WAL */
} Scenario;

static void
run(const Scenario *scenario, int minutes)
{
	ModelSettings settings =
		{.density = scenario->density,
		 .flush = scenario->flush,
		 .image_bytes = scenario->image_bytes,
		 .window = DAY,
		 .policy = {.merge_layers = 7,
					.image_percent = 100,
					.layer_bytes = scenario->layer_bytes}};
	uint64		seed = unit_seed();
	UpkeepModel *model = upkeepmodel_new(&settings, seed);
	double		weights[MODEL_DATA] = {0};
	const ModelFigures *figures;
	double		writes;
	double		mean;
	int			depth;

	for (int minute = 0; minute < minutes; minute++)
	{
		double		wal = scenario->wal;
		double		growth = 0;

		CHECK_FOR_INTERRUPTS();
		scenario->weights(upkeepmodel_random(model), minute, weights, &wal,
						  &growth);
		upkeepmodel_flush(model, wal, wal < 300 ? NULL : weights, growth);
		upkeepmodel_upkeep(model);
		if (minute % 10 == 9)
			upkeepmodel_read(model, weights);
	}
	figures = upkeepmodel_figures(model);
	writes = (figures->merge_bytes + figures->image_bytes) /
		figures->wal_bytes;
	mean = (double) figures->depth_sum / figures->reads;
	depth = upkeepmodel_percentile(figures, 0.99);
	if (getenv("BB_FIGURES") != NULL)
		elog(WARNING,
			 "%-22s depth %.2f, 99 %% %d; writes/WAL %.2f, /flushed %.2f (merges %.2f, images %.2f of it); WAL %.0f MB; %d merges, %d images, %d at once; %d layers; store %.0f MB",
			 scenario->name, mean, depth, writes,
			 writes * figures->wal_bytes / figures->flush_bytes,
			 figures->merge_bytes / figures->flush_bytes,
			 figures->image_bytes / figures->flush_bytes,
			 figures->wal_bytes / MB, figures->merges, figures->images,
			 figures->jobs_at_once, figures->layers,
			 figures->store_bytes / MB);
	if (depth > scenario->depth || mean > scenario->mean ||
		writes > scenario->writes)
		elog(getenv("BB_FIGURES") != NULL ? WARNING : ERROR,
			 "%s, seed " UINT64_FORMAT ": reads open %.2f layers, 99 %% of them %d; upkeep writes %.2f times the WAL",
			 scenario->name, seed, mean, depth, writes);
}

/* ---- what changes in a minute ---- */

static void
everywhere(pg_prng_state *random, int minute, double *weights, double *wal,
		   double *growth)
{
	for (int i = 0; i < MODEL_DATA; i++)
		weights[i] = 1;
	*wal *= 0.5 + pg_prng_double(random);
}

/* Most at the end of the last table, and a bit elsewhere. */
static void
at_the_end(pg_prng_state *random, int minute, double *weights, double *wal,
		   double *growth)
{
	int			last = 16 + minute * (MODEL_DATA - 17) / MONTH;

	memset(weights, 0, MODEL_DATA * sizeof(double));
	weights[last] = 1;
	weights[0] = 0.05;
	weights[pg_prng_uint64_range(random, 0, last)] += 0.02;
	*wal *= 0.5 + pg_prng_double(random);
	*growth = 0.8;
}

/* Nine of ten in a few places, which change each week. */
static void
hot(pg_prng_state *random, int minute, double *weights, double *wal,
	double *growth)
{
	int			place = minute / (7 * DAY) * 20;

	for (int i = 0; i < MODEL_DATA; i++)
		weights[i] = i >= place && i < place + 4 ? 0.9 / 4 : 0.1 / MODEL_DATA;
	*wal *= 0.5 + pg_prng_double(random);
}

/* Nothing, but for an hour a day a hundred times as much. */
static void
bursts(pg_prng_state *random, int minute, double *weights, double *wal,
	   double *growth)
{
	everywhere(random, minute, weights, wal, growth);
	if (minute % DAY < 60)
		*wal *= 100;
	else
		*wal = 200;
}

/* Each minute somewhere else. */
static void
one_place(pg_prng_state *random, int minute, double *weights, double *wal,
		  double *growth)
{
	memset(weights, 0, MODEL_DATA * sizeof(double));
	weights[pg_prng_uint64_range(random, 0, MODEL_DATA - 1)] = 1;
	*wal *= 0.5 + pg_prng_double(random);
}

static void
idle(pg_prng_state *random, int minute, double *weights, double *wal,
	 double *growth)
{
	*wal = 200;
}

static void
day_and_night(pg_prng_state *random, int minute, double *weights, double *wal,
			  double *growth)
{
	everywhere(random, minute, weights, wal, growth);
	if (minute / 720 % 2 == 0)
		*wal /= 50;
}

/*
 * How dense changes are was measured with pgbench: with full-page images 0.22 (lz4)
 * and 0.15 (zstd), without them 0.74 and 0.43.  Flushes are compressed with lz4, what
 * upkeep writes with zstd.
 *
 * With n flushes between two images, no schedule writes less than
 * bb_stack_writes() says.
 */
static const Scenario scenarios[] = {
	{"uniform", 2 * MB, 0.15, 1.5, 25 * MB, 256 * MB, everywhere, 8, 6, 1.2},
	{"no images, zstd", 70e3, 0.43, 1, 25 * MB, 256 * MB, everywhere, 8, 6, 3},
	{"no images, lz4", 70e3, 0.43, 1.7, 25 * MB, 256 * MB, everywhere, 8, 6,
	 3},
	{"larger", 2 * MB, 0.17, 1.5, 2000 * MB, 256 * MB, everywhere, 8, 6, 3},
	{"many layers", 2 * MB, 0.17, 1.5, 2000 * MB, 16 * MB, everywhere, 8, 6,
	 3},
	{"hardly changes", 100e3, 0.15, 1.5, 20000 * MB, 256 * MB, everywhere, 8,
	 6, 3},
	{"inserts", 500e3, 0.28, 1.4, 25 * MB, 256 * MB, at_the_end, 8, 6, 3},
	{"inserts, small", 500e3, 0.28, 1.4, 25 * MB, 16 * MB, at_the_end, 8, 6,
	 3},
	{"hot", 500e3, 0.2, 1.5, 1000 * MB, 16 * MB, hot, 8, 6, 3},
	{"bursts", 200e3, 0.28, 1.4, 200 * MB, 256 * MB, bursts, 8, 6, 3},
	{"one place", 500e3, 0.15, 1.5, 1000 * MB, 16 * MB, one_place, 8, 6, 3},
	{"day and night", 2 * MB, 0.2, 1.5, 1000 * MB, 64 * MB, day_and_night, 8,
	 6, 3},
	/* of records with 200 bytes, a flush makes a layer of 2400 */
	{"idle", 200, 0.5, 1, 7 * MB, 256 * MB, idle, 8, 6, 80},
};

UNIT_TEST(policy_month)
{
	const char *minutes = getenv("BB_MINUTES");
	const char *only = getenv("BB_SCENARIO");

	for (int i = 0; i < lengthof(scenarios); i++)
	{
		if (only == NULL || strstr(scenarios[i].name, only))
			run(&scenarios[i], minutes ? atoi(minutes) : 2 * DAY);
	}
}
