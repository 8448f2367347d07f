/*-------------------------------------------------------------------------
 *
 * test_reach.c
 *	  Which layers the readable LSNs of a timeline need.
 *
 * Random layers are made as ingest and upkeep make them: flushes, merges that
 * are cut by key, images of key ranges, layers that were retired before.  A
 * judge reads each key at each readable LSN: it goes through all layers and
 * takes those that a read takes.  It knows nothing of how bb_reach works.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "unit.h"
#include "upkeep/garbage.h"
#include "upkeep/reach.h"

#define KEYS 16
#define LAYERS_MAX 400
#define POINTS_MAX 6

static pg_prng_state prng;

/* Draws from [0, n). */
static int
roll(int n)
{
	return (int) pg_prng_uint64_range(&prng, 0, n - 1);
}

/* A timeline, and the range of keys of each layer, as numbers. */
typedef struct Sample
{
	BbManifest	manifest;
	struct
	{
		int			from;
		int			to;
	}			keys[LAYERS_MAX];
	BbPoint		points[POINTS_MAX];
	uint64		last_id;
} Sample;

static BbKey
key_at(int k)
{
	return bb_key_rel_block(1, 1, 1, MAIN_FORKNUM, k);
}

static void
add_layer(Sample *sample, bool image, int from, int to, XLogRecPtr start,
		  XLogRecPtr end)
{
	BbManifest *manifest = &sample->manifest;
	int			i = manifest->nlayers++;

	CHECK(i < LAYERS_MAX);
	manifest->layers[i] = (BbLayerDesc){.keys = {key_at(from), key_at(to)},
										.image = image,
										.lsn_start = start,
										.lsn_end = end,
										.file_id = ++sample->last_id,
										.size = 1000 + roll(1000)};
	sample->keys[i].from = from;
	sample->keys[i].to = to;
}

static void
remove_layer(Sample *sample, int i)
{
	int			last = --sample->manifest.nlayers;

	sample->manifest.layers[i] = sample->manifest.layers[last];
	sample->keys[i] = sample->keys[last];
}

/* Add layers side by side, from a key to a key. */
static void
add_tiles(Sample *sample, bool image, int from, int to, XLogRecPtr start,
		  XLogRecPtr end)
{
	while (from < to)
	{
		int			cut = roll(3) ? to : from + 1 + roll(to - from);

		add_layer(sample, image, from, cut, start, end);
		from = cut;
	}
}

/* The delta layers of the last LSNs become one run, cut anew. */
static void
merge(Sample *sample, XLogRecPtr since)
{
	XLogRecPtr	start = PG_UINT64_MAX;
	XLogRecPtr	end = 0;

	for (int i = sample->manifest.nlayers - 1; i >= 0; i--)
	{
		BbLayerDesc layer = sample->manifest.layers[i];

		if (layer.image || layer.lsn_start < since)
			continue;
		start = Min(start, layer.lsn_start);
		end = Max(end, layer.lsn_end);
		remove_layer(sample, i);
	}
	if (end > 0)
		add_tiles(sample, false, 0, KEYS, start, end);
}

/* Images of keys [from, to), unless one of them has an image at that LSN. */
static void
add_image(Sample *sample, int from, int to, XLogRecPtr lsn)
{
	for (int i = 0; i < sample->manifest.nlayers; i++)
		if (sample->manifest.layers[i].image &&
			sample->manifest.layers[i].lsn_start == lsn &&
			sample->keys[i].from < to && from < sample->keys[i].to)
			return;
	add_tiles(sample, true, from, to, lsn, lsn + 1);
}

/* A timeline with some history; a branch has no image of all keys. */
static Sample *
make_sample(bool branch)
{
	Sample	   *sample = palloc0(sizeof(Sample));
	BbManifest *manifest = &sample->manifest;
	XLogRecPtr	end = 100;

	manifest->layers = palloc(LAYERS_MAX * sizeof(BbLayerDesc));
	manifest->start_lsn = end;
	if (!branch)
		add_tiles(sample, true, 0, KEYS, end, end + 1);
	for (int flushes = 2 + roll(20); flushes > 0; flushes--)
	{
		XLogRecPtr	next = end + 1 + roll(10);

		add_tiles(sample, false, 0, KEYS, end + 1, next + 1);
		end = next;
		if (roll(4) == 0)
			merge(sample, 100 + roll((int) end - 99));
		if (roll(2) == 0)
		{
			int			back = (int) Min(end - 100, 20);
			XLogRecPtr	lsn = end - roll(back + 1);
			int			from = roll(KEYS);

			add_image(sample, from, from + 1 + roll(KEYS - from), lsn);
		}
	}
	manifest->end_lsn = end;
	return sample;
}

/* Draw the start and the points. */
static BbReadable
draw_readable(Sample *sample)
{
	BbManifest *manifest = &sample->manifest;
	int			length = (int) (manifest->end_lsn - manifest->start_lsn);
	XLogRecPtr	lsn = manifest->start_lsn;
	BbReadable	readable = {.points = sample->points};

	readable.start = manifest->start_lsn + roll(length + 1);
	for (int n = roll(POINTS_MAX + 1); n > 0; n--)
	{
		lsn += 1 + roll(Max(length / 4, 1));
		if (lsn < readable.start)
			sample->points[readable.npoints++].lsn = lsn;
	}
	return readable;
}

/* ---- the judge ---- */

/* The newest image that is taken for a key at an LSN; -1: none. */
static int
image_for(const Sample *sample, const bool *gone, int k, XLogRecPtr lsn)
{
	int			best = -1;

	for (int i = 0; i < sample->manifest.nlayers; i++)
	{
		const BbLayerDesc *layer = &sample->manifest.layers[i];

		if (!gone[i] && layer->image && layer->lsn_start <= lsn &&
			k >= sample->keys[i].from && k < sample->keys[i].to &&
			(best < 0 ||
			 layer->lsn_start > sample->manifest.layers[best].lsn_start))
			best = i;
	}
	return best;
}

/* Mark the layers that a read of a key at an LSN takes. */
static void
read_key(const Sample *sample, int k, XLogRecPtr lsn, bool *taken)
{
	static const bool none[LAYERS_MAX];
	int			image = image_for(sample, none, k, lsn);
	XLogRecPtr	floor = image < 0 ? 0
								  : sample->manifest.layers[image].lsn_start;

	if (image >= 0)
		taken[image] = true;
	for (int i = 0; i < sample->manifest.nlayers; i++)
	{
		const BbLayerDesc *layer = &sample->manifest.layers[i];

		if (!layer->image && k >= sample->keys[i].from &&
			k < sample->keys[i].to && layer->lsn_start <= lsn &&
			layer->lsn_end - 1 > floor)
			taken[i] = true;
	}
}

typedef struct Verdict
{
	int			lost; /* layers that a read takes, and that would go */
	int			idle; /* those that no read takes, and that would stay */
} Verdict;

static void
read_at(const Sample *sample, XLogRecPtr lsn, bool *taken)
{
	for (int k = 0; k < KEYS; k++)
		read_key(sample, k, lsn, taken);
}

/* Judge an answer of bb_reach by what can be read. */
static Verdict
judge(const Sample *sample, const BbReadable *readable,
	  const XLogRecPtr *needed)
{
	bool		taken[LAYERS_MAX] = {0};
	Verdict		verdict = {0};

	for (int p = 0; p < readable->npoints; p++)
		read_at(sample, readable->points[p].lsn, taken);
	for (XLogRecPtr lsn = readable->start; lsn <= sample->manifest.end_lsn;
		 lsn++)
		read_at(sample, lsn, taken);
	for (int i = 0; i < sample->manifest.nlayers; i++)
	{
		verdict.lost += taken[i] && needed[i] == InvalidXLogRecPtr;
		verdict.idle += !taken[i] && needed[i] != InvalidXLogRecPtr;
	}
	return verdict;
}

/* Is each layer needed by the LSN that is said to need it, and is that the last
 * point? */
static void
check_reasons(const Sample *sample, const BbReadable *readable,
			  const XLogRecPtr *needed)
{
	for (int i = 0; i < sample->manifest.nlayers; i++)
	{
		bool		taken[LAYERS_MAX] = {0};

		if (needed[i] == InvalidXLogRecPtr || needed[i] > readable->start)
			continue;
		read_at(sample, needed[i], taken);
		CHECK(taken[i]);
		if (needed[i] == readable->start)
			continue;
		memset(taken, 0, sizeof(taken));
		for (int p = 0; p < readable->npoints; p++)
			if (readable->points[p].lsn > needed[i])
				read_at(sample, readable->points[p].lsn, taken);
		CHECK(!taken[i]);
	}
}

UNIT_TEST(reach_as_reads_take_layers)
{
	int			went = 0;
	int			idle = 0;
	int			stayed = 0;

	pg_prng_seed(&prng, unit_seed());
	for (int round = 0; round < 2000; round++)
	{
		MemoryContext old = unit_enter();
		Sample	   *sample = make_sample(roll(4) == 0);
		BbReadable	readable = draw_readable(sample);
		XLogRecPtr *needed = bb_reach(&sample->manifest, &readable);
		Verdict		verdict = judge(sample, &readable, needed);

		CHECK(verdict.lost == 0);
		check_reasons(sample, &readable, needed);
		idle += verdict.idle;
		for (int i = 0; i < sample->manifest.nlayers; i++)
			if (needed[i] == InvalidXLogRecPtr)
				went++;
			else
				stayed++;
		unit_leave(old);
	}
	/* a delta layer of one LSN with an image at that LSN stays */
	CHECK(went > 1000 && idle <= stayed / 100);
}

/* What went before makes no difference: layers go in any number of steps. */
UNIT_TEST(reach_in_steps)
{
	pg_prng_seed(&prng, unit_seed());
	for (int round = 0; round < 500; round++)
	{
		MemoryContext old = unit_enter();
		Sample	   *sample = make_sample(false);
		BbReadable	first = draw_readable(sample);
		BbReadable	then = first;
		XLogRecPtr *at_once;
		XLogRecPtr *needed;
		uint64		kept[LAYERS_MAX];
		int			nkept = 0;

		/* a later start; only some of the points are kept */
		then.start += roll((int) (sample->manifest.end_lsn - then.start) + 1);
		then.npoints = roll(then.npoints + 1);
		at_once = bb_reach(&sample->manifest, &then);
		for (int i = 0; i < sample->manifest.nlayers; i++)
			if (at_once[i] != InvalidXLogRecPtr)
				kept[nkept++] = sample->manifest.layers[i].file_id;

		needed = bb_reach(&sample->manifest, &first);
		for (int i = sample->manifest.nlayers - 1; i >= 0; i--)
			if (needed[i] == InvalidXLogRecPtr)
				remove_layer(sample, i);
		needed = bb_reach(&sample->manifest, &then);
		CHECK(judge(sample, &then, needed).lost == 0);
		for (int i = 0; i < sample->manifest.nlayers; i++)
		{
			bool		is_kept = false;

			for (int j = 0; j < nkept; j++)
				is_kept = is_kept ||
					kept[j] == sample->manifest.layers[i].file_id;
			CHECK(is_kept == (needed[i] != InvalidXLogRecPtr));
		}
		unit_leave(old);
	}
}

/* The judge notices what must not happen. */
UNIT_TEST(reach_judge_notices)
{
	int			pin_ignored = 0;
	int			start_late = 0;
	int			image_gone = 0;
	int			too_much = 0;

	pg_prng_seed(&prng, unit_seed());
	for (int round = 0; round < 1000; round++)
	{
		MemoryContext old = unit_enter();
		Sample	   *sample = make_sample(false);
		BbReadable	readable = draw_readable(sample);
		BbReadable	wrong = readable;
		XLogRecPtr *needed;

		wrong.npoints = Max(wrong.npoints - 1, 0);
		needed = bb_reach(&sample->manifest, &wrong);
		pin_ignored += judge(sample, &readable, needed).lost > 0;

		wrong = readable;
		wrong.start = Min(wrong.start + 1, sample->manifest.end_lsn);
		needed = bb_reach(&sample->manifest, &wrong);
		start_late += judge(sample, &readable, needed).lost > 0;

		needed = bb_reach(&sample->manifest, &readable);
		for (int i = 0; i < sample->manifest.nlayers; i++)
			if (sample->manifest.layers[i].image)
				needed[i] = InvalidXLogRecPtr;
		image_gone += judge(sample, &readable, needed).lost > 0;

		for (int i = 0; i < sample->manifest.nlayers; i++)
			needed[i] = readable.start;
		too_much += judge(sample, &readable, needed).idle > 0;
		unit_leave(old);
	}
	CHECK(pin_ignored > 30 && start_late > 2 && image_gone == 1000 &&
		  too_much > 200);
}

/* ---- garbage ---- */

/* Do the layers of a job fill LSNs without a hole, and nothing else is there? */
static void
check_job(const Sample *sample, const BbReadable *readable,
		  const BbUpkeepJob *job)
{
	XLogRecPtr	lo = PG_UINT64_MAX;
	XLogRecPtr	hi = 0;
	uint64		bytes = 0;
	ListCell   *cell;

	CHECK(job->kind == BB_UPKEEP_SQUASH && job->lsn == readable->start);
	foreach(cell, job->inputs)
	{
		const BbLayerDesc *layer = lfirst(cell);

		CHECK(!layer->image && layer->lsn_end - 1 <= readable->start);
		CHECK(bb_key_compare(&job->keys.start, &layer->keys.start) <= 0);
		CHECK(bb_key_compare(&layer->keys.end, &job->keys.end) <= 0);
		lo = Min(lo, layer->lsn_start);
		hi = Max(hi, layer->lsn_end);
		bytes += layer->size;
	}
	CHECK(bytes == job->bytes);
	for (XLogRecPtr lsn = lo; lsn < hi; lsn++)
	{
		bool		found = false;

		foreach(cell, job->inputs)
		{
			const BbLayerDesc *layer = lfirst(cell);

			found = found || (layer->lsn_start <= lsn && lsn < layer->lsn_end);
		}
		CHECK(found);
	}
	for (int i = 0; i < sample->manifest.nlayers; i++)
	{
		BbLayerDesc *layer = &sample->manifest.layers[i];

		if (!layer->image && layer->lsn_start < hi && lo < layer->lsn_end &&
			bb_key_compare(&layer->keys.start, &job->keys.end) < 0 &&
			bb_key_compare(&job->keys.start, &layer->keys.end) < 0)
			CHECK(list_member_ptr(job->inputs, layer));
	}
}

/* The layers that the rewrite leaves: one run for each readable LSN. */
static void
squash(Sample *sample, const BbReadable *readable, const BbUpkeepJob *job)
{
	XLogRecPtr	lo = PG_UINT64_MAX;
	XLogRecPtr	hi = 0;
	int			from = (int) bb_key_fields(&job->keys.start).block;
	int			to = (int) bb_key_fields(&job->keys.end).block;
	ListCell   *cell;

	foreach(cell, job->inputs)
	{
		lo = Min(lo, ((BbLayerDesc *) lfirst(cell))->lsn_start);
		hi = Max(hi, ((BbLayerDesc *) lfirst(cell))->lsn_end);
	}
	for (int i = sample->manifest.nlayers - 1; i >= 0; i--)
		if (list_member_ptr(job->inputs, &sample->manifest.layers[i]))
		{
			/* the last one takes its place; it was looked at already */
			remove_layer(sample, i);
		}
	for (int p = 0; p < readable->npoints; p++)
	{
		XLogRecPtr	lsn = readable->points[p].lsn;

		if (lsn < lo || lsn >= hi - 1)
			continue;
		add_tiles(sample, false, from, to, lo, lsn + 1);
		lo = lsn + 1;
	}
	add_tiles(sample, false, from, to, lo, hi);
}

/* In how many stretches of LSNs, one above the other, are the inputs? */
static int
count_runs(const BbUpkeepJob *job)
{
	List	   *inputs = list_copy(job->inputs);
	XLogRecPtr	end = InvalidXLogRecPtr;
	int			runs = 0;
	ListCell   *cell;

	list_sort(inputs, bb_layer_compare_lsns);
	foreach(cell, inputs)
	{
		const BbLayerDesc *layer = lfirst(cell);

		runs += layer->lsn_start >= end;
		end = Max(end, layer->lsn_end);
	}
	return runs;
}

/*
 * Much history above a large run: a job takes no more than its limit, and cuts
 * where the large run is cut.
 */
UNIT_TEST(garbage_is_bounded)
{
	Sample	   *sample = palloc0(sizeof(Sample));
	BbManifest *manifest = &sample->manifest;
	BbReadable	readable = {.start = 400};
	BbUpkeepJob job;

	manifest->layers = palloc(LAYERS_MAX * sizeof(BbLayerDesc));
	for (int i = 0; i < 8; i++)
		add_layer(sample, false, i, i + 1, 100, 200);
	for (int i = 0; i < 20; i++)
		add_layer(sample, false, 0, 8, 200 + 10 * i, 210 + 10 * i);
	for (int i = 0; i < manifest->nlayers; i++)
		manifest->layers[i].size = i < 8 ? 1000 : 500;

	CHECK(bb_garbage_next(manifest, &readable, NIL, 100000, &job));
	CHECK(list_length(job.inputs) == 28 && job.cuts == NIL);
	CHECK(!bb_garbage_next(manifest, &(BbReadable){.start = 300}, NIL, 100000,
						   &job));

	/* the runs above the large one, four at once */
	CHECK(bb_garbage_next(manifest, &readable, NIL, 2100, &job));
	CHECK(list_length(job.inputs) == 4 && job.bytes == 2000);
	CHECK(linitial(job.inputs) == &manifest->layers[8]);
	CHECK(list_length(job.cuts) == 7);
	for (int i = 0; i < 7; i++)
		CHECK(bb_key_compare(list_nth(job.cuts, i),
							 &manifest->layers[i + 1].keys.start) == 0);
	/* larger parts are of more than one of its layers */
	CHECK(bb_garbage_next(manifest, &readable, NIL, 16 * 1500, &job));
	CHECK(list_length(job.inputs) == 28);
	CHECK(bb_garbage_next(manifest, &readable, NIL, 17000, &job));
	CHECK(list_length(job.inputs) == 26 && job.bytes == 17000);

	/* two, however large they are */
	CHECK(bb_garbage_next(manifest, &readable, NIL, 10, &job));
	CHECK(list_length(job.inputs) == 2 && job.bytes == 1000);

	/* once they are cut, so are the jobs */
	for (int i = 0; i < 20; i++)
		remove_layer(sample, manifest->nlayers - 1);
	for (int i = 0; i < 8; i++)
		add_layer(sample, false, i, i + 1, 200, 400);
	for (int i = 8; i < 16; i++)
		manifest->layers[i].size = 1100;
	CHECK(bb_garbage_next(manifest, &readable, NIL, 2100, &job));
	CHECK(list_length(job.inputs) == 2 && job.bytes == 2100);
}

UNIT_TEST(garbage_ends)
{
	int			jobs = 0;

	pg_prng_seed(&prng, unit_seed());
	for (int round = 0; round < 500; round++)
	{
		MemoryContext old = unit_enter();
		Sample	   *sample = make_sample(false);
		BbReadable	readable = draw_readable(sample);
		XLogRecPtr *needed = bb_reach(&sample->manifest, &readable);
		uint64		limit = roll(2) ? PG_UINT64_MAX : 1 + roll(20000);
		BbUpkeepJob job;
		int			rounds = 0;

		for (int i = sample->manifest.nlayers - 1; i >= 0; i--)
			if (needed[i] == InvalidXLogRecPtr)
				remove_layer(sample, i);
		while (bb_garbage_next(&sample->manifest, &readable, NIL, limit, &job))
		{
			check_job(sample, &readable, &job);
			CHECK(job.bytes <= limit || count_runs(&job) == 2);
			squash(sample, &readable, &job);
			CHECK(++rounds < 50);
			jobs++;
		}
		unit_leave(old);
	}
	CHECK(jobs > 50);
}
