/*-------------------------------------------------------------------------
 *
 * test_layermap.c
 *	  The layer map, compared with looking at every layer.
 *
 * A timeline lives: it is flushed, its layers are merged, images are made, the
 * start moves up, and what no readable LSN needs is retired.  There are no layer
 * files, only descriptions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layermap.h"
#include "layer/layerplane.h"
#include "model.h"
#include "portability/instr_time.h"

#define KEYS 24
#define LAYERS_MAX 2000
#define LSN_MAX 600
#define BASE 10
#define GAPS_MAX 10

static uint64 seed;

typedef struct Life
{
	BbManifest	manifest;
	BbPoint		points[100];
	BbGap		gaps[GAPS_MAX];
} Life;

/* The number of the key where a layer begins, or ends. */
static int
number_of(const BbKey *key)
{
	return (int) bb_key_fields(key).block;
}

static bool
covers(const BbLayerDesc *layer, int k)
{
	return number_of(&layer->keys.start) <= k &&
		k < number_of(&layer->keys.end);
}

static void
add_layer(Life *life, bool image, int from, int to, XLogRecPtr start,
		  XLogRecPtr end)
{
	BbManifest *manifest = &life->manifest;

	CHECK(manifest->nlayers < LAYERS_MAX);
	manifest->layers[manifest->nlayers++] =
		(BbLayerDesc){.keys = {model_block_key(from), model_block_key(to)},
					  .lsn_start = start,
					  .lsn_end = end,
					  .image = image,
					  .file_id = pg_prng_uint64(&model_prng),
					  .size = 1000,
					  .entries = 1};
}

/* Layers side by side. */
static void
add_tiles(Life *life, bool image, int from, int to, XLogRecPtr start,
		  XLogRecPtr end)
{
	while (from < to)
	{
		int			until = from + 1 + model_roll(KEYS / 2);

		until = Min(until, to);
		add_layer(life, image, from, until, start, end);
		from = until;
	}
}

static void
remove_layer(Life *life, int index)
{
	BbManifest *manifest = &life->manifest;

	manifest->nlayers--;
	memmove(&manifest->layers[index], &manifest->layers[index + 1],
			(manifest->nlayers - index) * sizeof(BbLayerDesc));
}

/* ---- what happens ---- */

static void
flush(Life *life)
{
	XLogRecPtr	start = life->manifest.end_lsn + 1;
	XLogRecPtr	end = start + 2 + model_roll(12); /* a record has many bytes */

	/* from the ends of records, the smallest key, up to any */
	add_tiles(life, false, model_roll(2), 2 + model_roll(KEYS - 1), start,
			  end);
	life->manifest.end_lsn = end - 1;
}

/* WAL was lost: some keys differ, and the WAL after it makes the base whole. */
static void
lose_wal(Life *life)
{
	BbManifest *manifest = &life->manifest;
	XLogRecPtr	from = manifest->end_lsn;
	XLogRecPtr	base = from + 2 + model_roll(12);

	if (manifest->ngaps == GAPS_MAX)
		return;
	for (int k = 0; k < KEYS; k += 1 + model_roll(6))
		if (model_roll(2))
			add_layer(life, false, k, k + 1, from + 1, base + 1);
	manifest->end_lsn = base;
	if (model_roll(2))
		flush(life);
	manifest->gaps = life->gaps;
	life->gaps[manifest->ngaps++] = (BbGap){.from = from,
											.until = manifest->end_lsn};
}

static bool
is_input(const BbLayerDesc *layer, int from, int to, XLogRecPtr start,
		 XLogRecPtr end)
{
	return !layer->image && layer->lsn_start >= start &&
		layer->lsn_end <= end && number_of(&layer->keys.start) >= from &&
		number_of(&layer->keys.end) <= to;
}

static bool
overlaps(const BbLayerDesc *layer, int from, int to, XLogRecPtr start,
		 XLogRecPtr end)
{
	return !layer->image && layer->lsn_start < end && layer->lsn_end > start &&
		number_of(&layer->keys.start) < to &&
		number_of(&layer->keys.end) > from;
}

/* Merge the delta layers of a rectangle, if it cuts none. */
static void
merge(Life *life)
{
	BbManifest *manifest = &life->manifest;
	const BbLayerDesc *low = &manifest->layers[model_roll(manifest->nlayers)];
	const BbLayerDesc *high = &manifest->layers[model_roll(manifest->nlayers)];
	XLogRecPtr	start = low->lsn_start;
	XLogRecPtr	end = high->lsn_end;
	int			from = model_roll(2) ? 0 : number_of(&low->keys.start);
	int			to = model_roll(2) ? KEYS : number_of(&high->keys.end);
	bool		at[LSN_MAX + 20] = {0};
	int			n = 0;

	if (low->image || high->image || start >= end || from >= to)
		return;
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!overlaps(layer, from, to, start, end))
			continue;
		if (!is_input(layer, from, to, start, end))
			return;
		n++;
		for (XLogRecPtr lsn = layer->lsn_start; lsn < layer->lsn_end; lsn++)
			at[lsn] = true;
	}
	for (XLogRecPtr lsn = start; lsn < end; lsn++)
		if (!at[lsn])
			return;
	if (n < 2)
		return;
	for (int i = manifest->nlayers - 1; i >= 0; i--)
		if (is_input(&manifest->layers[i], from, to, start, end))
			remove_layer(life, i);
	add_tiles(life, false, from, to, start, end);
}

/* An LSN that can be read, from the start on. */
static XLogRecPtr
some_readable(const BbManifest *manifest)
{
	XLogRecPtr	lsn = pg_prng_uint64_range(&model_prng, manifest->start_lsn,
										   manifest->end_lsn);
	const BbGap *gap = bb_gap_at(manifest->gaps, manifest->ngaps, lsn);

	return gap != NULL ? gap->until : lsn;
}

/* Make images, unless there are some at that LSN. */
static void
make_images(Life *life)
{
	BbManifest *manifest = &life->manifest;
	XLogRecPtr	lsn = some_readable(manifest);
	int			from = model_roll(3) ? model_roll(KEYS) : 0;
	int			to = model_roll(3) ? from + 1 + model_roll(KEYS - from) : KEYS;

	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].image && manifest->layers[i].lsn_start == lsn)
			return;
	add_tiles(life, true, from, to, lsn, lsn + 1);
}

/* ---- by looking at every layer ---- */

static int
image_of(const BbManifest *manifest, int k, XLogRecPtr lsn)
{
	int			found = -1;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (layer->image && layer->lsn_start <= lsn && covers(layer, k) &&
			(found < 0 ||
			 layer->lsn_start > manifest->layers[found].lsn_start))
			found = i;
	}
	return found;
}

static bool
needed_at(const BbManifest *manifest, const BbLayerDesc *layer, XLogRecPtr lsn)
{
	for (int k = 0; k < KEYS; k++)
	{
		int			image = image_of(manifest, k, lsn);
		XLogRecPtr	base = image >= 0 ? manifest->layers[image].lsn_start
									  : InvalidXLogRecPtr;

		if (!covers(layer, k) || layer->lsn_start > lsn)
			continue;
		if (layer->image ? &manifest->layers[image] == layer
						 : base < layer->lsn_end - 1)
			return true;
	}
	return false;
}

/* Does a readable LSN need the layer? */
static bool
needed(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (XLogRecPtr lsn = manifest->start_lsn; lsn <= manifest->end_lsn; lsn++)
		if (needed_at(manifest, layer, lsn))
			return true;
	for (int i = 0; i < manifest->keeps.npoints; i++)
		if (needed_at(manifest, layer, manifest->keeps.points[i].lsn))
			return true;
	return false;
}

/* Gaps that no layer reaches are forgotten, as in manifest_apply.c. */
static void
drop_gaps(Life *life)
{
	BbManifest *manifest = &life->manifest;

	while (manifest->ngaps > 0 && manifest->ancestor == NULL &&
		   manifest->gaps[0].until <= manifest->start_lsn)
	{
		for (int i = 0; i < manifest->nlayers; i++)
			if (manifest->layers[i].lsn_start <= manifest->gaps[0].until)
				return;
		memmove(life->gaps, life->gaps + 1, --manifest->ngaps * sizeof(BbGap));
	}
}

/* Move the start up, leave points behind, and retire what isn't needed. */
static void
expire(Life *life)
{
	BbManifest *manifest = &life->manifest;
	bool	   *keep = palloc0(manifest->nlayers);
	int			n = manifest->nlayers;
	XLogRecPtr	point = some_readable(manifest);

	manifest->start_lsn = some_readable(manifest);
	if (point < manifest->start_lsn && model_roll(2))
		life->points[manifest->keeps.npoints++].lsn = point;
	manifest->keeps.points = life->points;
	for (int i = 0; i < n; i++)
		keep[i] = model_roll(5) == 0 || needed(manifest, &manifest->layers[i]);
	for (int i = n - 1; i >= 0; i--)
		if (!keep[i])
		{
			manifest->keeps.origin = 1;
			remove_layer(life, i);
		}
	drop_gaps(life);
	pfree(keep);
}

/* May LSNs have holes there, since only what differs fills the gap? */
static bool
in_gap(const BbManifest *manifest, XLogRecPtr at)
{
	for (int i = 0; i < manifest->ngaps; i++)
		if (at > manifest->gaps[i].from && at <= manifest->gaps[i].until)
			return true;
	return false;
}

/* What bb_plane_check says, key by key and LSN by LSN. */
static bool
is_whole(const BbManifest *manifest, XLogRecPtr lsn, XLogRecPtr end)
{
	XLogRecPtr	bases[KEYS];

	for (int k = 0; k < KEYS; k++)
	{
		int			image = image_of(manifest, k, lsn);

		bases[k] = manifest->ancestor ? manifest->ancestor_lsn : PG_UINT64_MAX;
		if (image >= 0)
			bases[k] = manifest->layers[image].lsn_start;
	}
	for (XLogRecPtr at = 1; at <= end; at++)
	{
		bool		covered[KEYS] = {0};
		int			first = KEYS;
		int			last = -1;

		for (int i = 0; i < manifest->nlayers; i++)
		{
			const BbLayerDesc *layer = &manifest->layers[i];

			if (layer->image || at < layer->lsn_start || at >= layer->lsn_end)
				continue;
			for (int k = 0; k < KEYS; k++)
				if (covers(layer, k))
				{
					covered[k] = true;
					first = Min(first, k);
					last = Max(last, k);
				}
		}
		if (in_gap(manifest, at) || (at <= lsn && manifest->gaps_forgotten))
			continue;
		if (at > lsn && last < 0)
			return false;
		/* which keys the layers had isn't known any more */
		if (last < 0 && at <= lsn && manifest->keeps.origin != 0)
			continue;
		/* keys that have no layer at all are read from the ancestor */
		if (last < 0 && manifest->ancestor && at > manifest->ancestor_lsn)
			return false;
		for (int k = 0; k < KEYS; k++)
			if (!covered[k] && (last < 0 || (k > first && k < last)) &&
				(at > lsn || bases[k] < at))
				return false;
	}
	return true;
}

/* ---- comparing ---- */

static void
check_key(const BbManifest *manifest, const BbLayerMap *map, int k,
		  XLogRecPtr lsn)
{
	BbKey		key = model_block_key(k);
	BbKey		until = model_block_key(KEYS);
	BbDeltaSearch search = {0};
	int			image = image_of(manifest, k, lsn);
	XLogRecPtr	floor = model_roll(3) == 0 || image < 0
		? pg_prng_uint64_range(&model_prng, 0, lsn)
		: manifest->layers[image].lsn_start;
	XLogRecPtr	last = PG_UINT64_MAX;
	int			n = 0;
	int			index;

	CHECK_SEED(bb_layermap_image(map, &key, lsn, &until) == image);
	CHECK_SEED(bb_layermap_image(map, &key, lsn, NULL) == image);
	CHECK_SEED(number_of(&until) > k);
	for (int other = k; other < KEYS; other++)
		if (other < number_of(&until))
			CHECK_SEED(image_of(manifest, other, lsn) == image);
		else
		{
			/* the segment isn't smaller than necessary */
			CHECK_SEED(image_of(manifest, number_of(&until), lsn) != image);
			break;
		}

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		n += !layer->image && covers(layer, k) && layer->lsn_start <= lsn &&
			layer->lsn_end - 1 > floor;
	}
	while ((index = bb_layermap_next_delta(map, &key, floor, lsn, &search)) >=
		   0)
	{
		const BbLayerDesc *layer = &manifest->layers[index];

		CHECK_SEED(!layer->image && covers(layer, k));
		CHECK_SEED(layer->lsn_start <= lsn && layer->lsn_end - 1 > floor);
		CHECK_SEED(layer->lsn_end <= last);
		last = layer->lsn_start;
		n--;
	}
	CHECK_SEED(n == 0);
}

static void
check_range(const BbManifest *manifest, const BbLayerMap *map, XLogRecPtr lsn)
{
	int			from = model_roll(KEYS);
	int			to = from + 1 + model_roll(KEYS - from);
	BbKeyRange	range = {model_block_key(from), model_block_key(to)};
	XLogRecPtr	floor = pg_prng_uint64_range(&model_prng, 0, lsn);
	bool	   *seen = palloc0(manifest->nlayers);
	XLogRecPtr	last[KEYS];
	int			n;
	int			covering;
	int		   *found = bb_layermap_deltas(map, &range, floor, lsn, &n,
										   &covering);
	int			most = 0;

	memset(last, 0xFF, sizeof(last));
	for (int i = 0; i < n; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[found[i]];

		CHECK_SEED(!seen[found[i]]);
		seen[found[i]] = true;
		for (int k = 0; k < KEYS; k++)
			if (covers(layer, k))
			{
				CHECK_SEED(layer->lsn_end <= last[k]);
				last[k] = layer->lsn_start;
			}
	}
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		CHECK_SEED(seen[i] == (overlaps(layer, from, to, floor + 1, lsn + 1)));
	}
	for (int k = from; k < to; k++)
	{
		int			here = 0;

		for (int i = 0; i < n; i++)
			here += covers(&manifest->layers[found[i]], k);
		most = Max(most, here);
	}
	CHECK_SEED(covering >= most && covering <= n);
	pfree(seen);
}

static void
check_map(Life *life)
{
	BbManifest *manifest = &life->manifest;
	BbLayerMap *map;
	int			sqlstate;

	ERROR_OF(map = bb_layermap_new(manifest), sqlstate);
	if (sqlstate != 0)
		elog(ERROR, "%s: %s (seed " UINT64_FORMAT ")", unit_last_error,
			 unit_last_detail, seed);
	CHECK_SEED(is_whole(manifest, manifest->start_lsn, manifest->end_lsn));
	for (int i = 0; i < manifest->keeps.npoints; i++)
		bb_layermap_check_point(map, manifest->keeps.points[i].lsn);
	for (int i = 0; i < 20; i++)
	{
		XLogRecPtr	lsn = pg_prng_uint64_range(&model_prng, BASE,
											   manifest->end_lsn);

		check_key(manifest, map, model_roll(KEYS), lsn);
		check_range(manifest, map, lsn);
	}
}

/* Is the loss of any one layer noticed if, and only if, it makes a hole? */
static int
check_losses(Life *life)
{
	BbManifest *manifest = &life->manifest;
	int			noticed = 0;

	for (int i = 0; i < 5; i++)
	{
		int			index = model_roll(manifest->nlayers);
		BbLayerDesc lost = manifest->layers[index];
		XLogRecPtr	lsn = manifest->start_lsn;
		BbLayerMap *map;
		int			sqlstate;

		if (lost.image)
			continue;
		remove_layer(life, index);
		ERROR_OF(map = bb_layermap_new(manifest), sqlstate);
		CHECK_SEED(sqlstate ==
				   (is_whole(manifest, lsn, manifest->end_lsn)
						? 0
						: ERRCODE_DATA_CORRUPTED));
		noticed += sqlstate != 0;
		if (sqlstate == 0)
			for (int j = 0; j < manifest->keeps.npoints; j++)
			{
				lsn = manifest->keeps.points[j].lsn;
				ERROR_OF(bb_layermap_check_point(map, lsn), sqlstate);
				CHECK_SEED(sqlstate ==
						   (is_whole(manifest, lsn, lsn)
								? 0
								: ERRCODE_DATA_CORRUPTED));
				noticed += sqlstate != 0;
			}
		add_layer(life, false, 0, 1, 1, 2);
		manifest->layers[manifest->nlayers - 1] = lost;
	}
	return noticed;
}

static Life *
begin_life(bool branch)
{
	Life	   *life = palloc0(sizeof(Life));

	life->manifest = model_manifest(branch ? "branch" : "main");
	life->manifest.layers = palloc(LAYERS_MAX * sizeof(BbLayerDesc));
	life->manifest.start_lsn = BASE;
	life->manifest.end_lsn = BASE;
	if (branch)
	{
		life->manifest.ancestor = "main";
		life->manifest.ancestor_lsn = BASE;
	}
	else
		add_tiles(life, true, 0, KEYS, BASE, BASE + 1);
	return life;
}

UNIT_TEST(layermap_of_a_life)
{
	int			noticed = 0;
	char	   *rounds = getenv("BB_LIVES");

	for (int round = 0; round < (rounds ? atoi(rounds) : 30); round++)
	{
		MemoryContext context = unit_enter();
		Life	   *life;

		seed = unit_seed();
		pg_prng_seed(&model_prng, seed);
		life = begin_life(model_roll(3) == 0);
		for (int i = 0; i < 100 && life->manifest.end_lsn < LSN_MAX; i++)
		{
			int			what = model_roll(20);

			if (what < 8 || life->manifest.nlayers == 0)
				flush(life);
			else if (what == 8)
				lose_wal(life);
			else if (what < 16)
				merge(life);
			else if (what < 19)
				make_images(life);
			else
				expire(life);
			check_map(life);
			if (life->manifest.nlayers > 0)
				noticed += check_losses(life);
		}
		unit_leave(context);
	}
	CHECK(noticed > 500);
}

/* Two layers of the same keys and LSNs, whatever else there is. */
UNIT_TEST(layermap_overlap_is_noticed)
{
	int			noticed = 0;

	for (int round = 0; round < 200; round++)
	{
		MemoryContext context = unit_enter();
		Life	   *life;
		const BbLayerDesc *layer;
		int			from = model_roll(KEYS);

		seed = unit_seed();
		pg_prng_seed(&model_prng, seed);
		life = begin_life(false);
		for (int i = 0; i < 20; i++)
			if (model_roll(2))
				flush(life);
			else
				merge(life);
		flush(life);
		layer = &life->manifest.layers[model_roll(life->manifest.nlayers)];
		if (!layer->image)
		{
			int			to = from + 1 + model_roll(KEYS - from);
			XLogRecPtr	start = layer->lsn_start + model_roll(2);
			bool		overlap = false;

			for (int i = 0; i < life->manifest.nlayers; i++)
				overlap = overlap ||
					overlaps(&life->manifest.layers[i], from, to, start,
							 layer->lsn_end + 1);
			if (overlap)
			{
				add_layer(life, false, from, to, start, layer->lsn_end + 1);
				life->manifest.end_lsn = Max(life->manifest.end_lsn,
											 layer->lsn_end);
				CHECK_ERROR(bb_layermap_new(&life->manifest),
							ERRCODE_DATA_CORRUPTED);
				CHECK_SEED(strstr(unit_last_error, "overlap") != NULL);
				noticed++;
			}
		}
		unit_leave(context);
	}
	CHECK(noticed > 50);
}

/* A map of a hundred thousand layers, as after years. */
UNIT_TEST(layermap_of_many_layers)
{
	BbManifest	manifest = model_manifest("main");
	int			ntiles = 1000;
	int			n = 0;
	BbLayerMap *map;
	instr_time	begin;
	instr_time	taken;

	manifest.layers = palloc_extended(100000 * sizeof(BbLayerDesc),
									  MCXT_ALLOC_HUGE);
	for (int run = 0; run < 100; run++)
		for (int tile = 0; tile < ntiles; tile++)
		{
			int			from = tile * 100 + run % 7;
			int			to = (tile + 1) * 100 + run % 7;
			bool		image = run % 10 == 0;

			if (tile == 0)
				from = 0;
			if (tile == ntiles - 1)
				to = ntiles * 100;
			manifest.layers[n] = (BbLayerDesc){.keys = {model_block_key(from),
														model_block_key(to)},
											   .image = image,
											   .lsn_start = image
												   ? run * 10 + 1
												   : (run - run / 10) * 10 - 8,
											   .lsn_end = image
												   ? run * 10 + 2
												   : (run - run / 10) * 10 + 2,
											   .file_id = n + 1};
			n++;
		}
	manifest.nlayers = n;
	manifest.start_lsn = 1;
	manifest.end_lsn = 901;
	INSTR_TIME_SET_CURRENT(begin);
	map = bb_layermap_new(&manifest);
	INSTR_TIME_SET_CURRENT(taken);
	INSTR_TIME_SUBTRACT(taken, begin);
	elog(LOG, "a map of %d layers took %.1f ms", n,
		 INSTR_TIME_GET_MILLISEC(taken));
	for (int i = 0; i < 1000; i++)
	{
		BbKey		key = model_block_key(model_roll(ntiles * 100));
		BbKey		until = bb_key_range_all().end;
		BbDeltaSearch search = {0};
		int			image = bb_layermap_image(map, &key, 901, &until);
		int			found = 0;

		CHECK(image >= 90000 && image < 91000);
		while (bb_layermap_next_delta(map, &key,
									  manifest.layers[image].lsn_start, 901,
									  &search) >= 0)
			found++;
		CHECK(found == 0);
		search = (BbDeltaSearch){0};
		while (bb_layermap_next_delta(map, &key, 1, 901, &search) >= 0)
			found++;
		CHECK(found == 90);
	}
}
