/*-------------------------------------------------------------------------
 *
 * layermap.c
 *	  Which layers of a timeline hold a key at an LSN.
 *
 * One array has all layers, run after run: runs of image layers, then runs of
 * delta layers, each newest first.  Within a run, layers are in the order of
 * their keys.  A lookup is a binary search in each run until enough is found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layermap.h"
#include "utils/memutils.h"

/* order[first, end) */
typedef struct Run
{
	int			first;
	int			end;
	XLogRecPtr	lsn_start;
	XLogRecPtr	lsn_end;
} Run;

struct BbLayerMap
{
	const BbManifest *manifest;
	int		   *order;	 /* indexes of layers */
	int			nimages; /* runs of image layers, which come first */
	int			nruns;
	Run		   *runs;
};

static int
compare_layers(const void *a, const void *b, void *arg)
{
	const BbLayerDesc *layers = arg;
	const BbLayerDesc *left = &layers[*(const int *) a];
	const BbLayerDesc *right = &layers[*(const int *) b];

	if (left->image != right->image)
		return left->image ? -1 : 1;
	if (left->lsn_end != right->lsn_end)
		return left->lsn_end > right->lsn_end ? -1 : 1;
	if (left->lsn_start != right->lsn_start)
		return left->lsn_start > right->lsn_start ? -1 : 1;
	return bb_key_compare(&left->keys.start, &right->keys.start);
}

static inline const BbLayerDesc *
layer_at(const BbLayerMap *map, int position)
{
	return &map->manifest->layers[map->order[position]];
}

static bool
same_run(const BbLayerDesc *a, const BbLayerDesc *b)
{
	return a->image == b->image && a->lsn_start == b->lsn_start &&
		a->lsn_end == b->lsn_end;
}

/* Append the indexes of the image layers, or of the delta layers. */
static int *
append_backwards(const BbManifest *manifest, bool images, int *order)
{
	const BbLayerDesc *layers = manifest->layers;

	for (int end = manifest->nlayers, first; end > 0; end = first)
	{
		first = end - 1;
		while (first > 0 && same_run(&layers[first - 1], &layers[first]))
			first--;
		if (layers[first].image == images)
			for (int i = first; i < end; i++)
				*order++ = i;
	}
	return order;
}

/*
 * Put the indexes of all layers in order.
 *
 * A flush adds its layers, in the order of their keys, to the end of the
 * manifest.  So the manifest backwards, run by run, is usually in order
 * already, and the sort only compares neighbours.
 */
static void
sort_layers(const BbManifest *manifest, int *order)
{
	int		   *deltas = append_backwards(manifest, true, order);

	(void) append_backwards(manifest, false, deltas);
	qsort_arg(order, manifest->nlayers, sizeof(int), compare_layers,
			  manifest->layers);
}

/*
 * Of two layers that overlap, a binary search would miss one, and a page would
 * be wrong.
 */
static void
check_disjoint(const BbLayerMap *map, const BbLayerDesc *a,
			   const BbLayerDesc *b)
{
	if (bb_key_compare(&a->keys.end, &b->keys.start) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layers of timeline \"%s\" overlap",
						map->manifest->timeline),
				 errdetail("They are \"%s\" and \"%s\".", bb_layer_name(a),
						   bb_layer_name(b))));
}

/* The LSN that the first delta layer builds on; Invalid: nothing is readable. */
static XLogRecPtr
base_lsn(const BbLayerMap *map)
{
	if (map->manifest->ancestor != NULL)
		return map->manifest->ancestor_lsn;
	return map->nimages > 0 ? map->runs[map->nimages - 1].lsn_start
							: InvalidXLogRecPtr;
}

/*
 * Each flush of ingest writes a delta layer, since it writes at least the ends
 * of its records (BB_KEY_RECORD_ENDS).  If LSNs have no delta layer, one was
 * lost, and pages would miss changes.
 */
static void
check_whole(const BbLayerMap *map)
{
	XLogRecPtr	base = base_lsn(map);
	XLogRecPtr	from = map->manifest->end_lsn + 1; /* complete from here on */

	if (XLogRecPtrIsInvalid(base))
		return;
	/* runs are ordered by descending lsn_end */
	for (int i = map->nimages; i < map->nruns; i++)
	{
		if (map->runs[i].lsn_end < from)
			break;
		from = Min(from, map->runs[i].lsn_start);
	}
	if (from > base + 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layers of timeline \"%s\" are missing",
						map->manifest->timeline),
				 errdetail("No layer has the changes up to %X/%X.",
						   LSN_FORMAT_ARGS(from - 1)),
				 errhint("Restore the timeline's files from a copy of the page store.")));
}

BbLayerMap *
bb_layermap_new(const BbManifest *manifest)
{
	BbLayerMap *map = palloc0(sizeof(BbLayerMap));
	int			n = manifest->nlayers;

	map->manifest = manifest;
	map->order = MemoryContextAllocHuge(CurrentMemoryContext,
										Max(n, 1) * sizeof(int));
	map->runs = MemoryContextAllocHuge(CurrentMemoryContext,
									   Max(n, 1) * sizeof(Run));
	sort_layers(manifest, map->order);

	for (int i = 0; i < n; i++)
	{
		const BbLayerDesc *layer = layer_at(map, i);

		if (i > 0 && same_run(layer_at(map, i - 1), layer))
			check_disjoint(map, layer_at(map, i - 1), layer);
		else
		{
			Run		   *run = &map->runs[map->nruns++];

			run->first = i;
			run->lsn_start = layer->lsn_start;
			run->lsn_end = layer->lsn_end;
			if (layer->image)
				map->nimages = map->nruns;
		}
		map->runs[map->nruns - 1].end = i + 1;
	}
	check_whole(map);
	return map;
}

/*
 * Return the position after the last layer of a run that begins at or before
 * key.
 */
static int
search_run(const BbLayerMap *map, const Run *run, const BbKey *key)
{
	int			low = run->first;
	int			high = run->end;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (bb_key_compare(&layer_at(map, middle)->keys.start, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Return the position of the layer of a run that covers key, or -1. */
static int
find_in_run(const BbLayerMap *map, const Run *run, const BbKey *key)
{
	int			behind = search_run(map, run, key);

	if (behind > run->first &&
		bb_key_compare(key, &layer_at(map, behind - 1)->keys.end) < 0)
		return behind - 1;
	return -1;
}

int
bb_layermap_image(const BbLayerMap *map, const BbKey *key, XLogRecPtr lsn,
				  BbKey *until)
{
	for (int i = 0; i < map->nimages; i++)
	{
		const Run  *run = &map->runs[i];
		int			position;
		int			behind;
		const BbKey *limit;

		if (run->lsn_start > lsn)
			continue;

		position = find_in_run(map, run, key);
		behind = search_run(map, run, key);
		if (position >= 0)
			limit = &layer_at(map, position)->keys.end;
		else if (behind < run->end)
			/* not in this run, but its next layer hides older layers */
			limit = &layer_at(map, behind)->keys.start;
		else
			continue;

		if (bb_key_compare(limit, until) < 0)
			*until = *limit;
		if (position >= 0)
			return map->order[position];
	}
	return -1;
}

/* May layers of this run have entries above floor and up to ceiling? */
static inline bool
run_matters(const Run *run, XLogRecPtr floor, XLogRecPtr ceiling)
{
	return run->lsn_start <= ceiling && run->lsn_end - 1 > floor;
}

int
bb_layermap_next_delta(const BbLayerMap *map, const BbKey *key,
					   XLogRecPtr floor, XLogRecPtr ceiling, int *run)
{
	while (map->nimages + *run < map->nruns)
	{
		const Run  *candidate = &map->runs[map->nimages + (*run)++];
		int			position;

		if (!run_matters(candidate, floor, ceiling))
			continue;
		position = find_in_run(map, candidate, key);
		if (position >= 0)
			return map->order[position];
	}
	return -1;
}

int *
bb_layermap_deltas(const BbLayerMap *map, const BbKeyRange *range,
				   XLogRecPtr floor, XLogRecPtr ceiling, int *n, int *runs)
{
	int		   *found;

	found = MemoryContextAllocHuge(CurrentMemoryContext,
								   Max(map->manifest->nlayers, 1) *
									   sizeof(int));
	*n = 0;
	*runs = 0;
	for (int i = map->nimages; i < map->nruns; i++)
	{
		const Run  *run = &map->runs[i];
		int			before = *n;
		int			position;

		if (!run_matters(run, floor, ceiling))
			continue;

		/* the layer that covers the start, and those after it */
		position = find_in_run(map, run, &range->start);
		if (position < 0)
			position = search_run(map, run, &range->start);
		for (; position < run->end; position++)
		{
			if (bb_key_compare(&layer_at(map, position)->keys.start,
							   &range->end) >= 0)
				break;
			found[(*n)++] = map->order[position];
		}
		if (*n > before)
			(*runs)++;
	}
	return found;
}
