/*-------------------------------------------------------------------------
 *
 * layermap.c
 *	  Which layer of a timeline holds a key at an LSN.
 *
 * The image layers of one LSN don't overlap: they are a run, ordered by key.
 * There are few runs, so the map is one array, newest run first, and a look-up
 * is a binary search in each run until one covers the key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layermap.h"
#include "utils/memutils.h"

struct BbLayerMap
{
	const BbManifest *manifest;
	int		   *order; /* indexes of layers: LSN falling, key rising */
};

static int
compare_layers(const void *a, const void *b, void *arg)
{
	const BbLayerDesc *layers = arg;
	const BbLayerDesc *left = &layers[*(const int *) a];
	const BbLayerDesc *right = &layers[*(const int *) b];

	if (left->lsn_start != right->lsn_start)
		return left->lsn_start > right->lsn_start ? -1 : 1;
	return bb_key_compare(&left->keys.start, &right->keys.start);
}

BbLayerMap *
bb_layermap_new(const BbManifest *manifest)
{
	BbLayerMap *map = palloc(sizeof(BbLayerMap));
	int			n = manifest->nlayers;

	map->manifest = manifest;
	map->order = MemoryContextAllocHuge(CurrentMemoryContext,
										Max(n, 1) * sizeof(int));
	for (int i = 0; i < n; i++)
		map->order[i] = i;
	qsort_arg(map->order, n, sizeof(int), compare_layers, manifest->layers);
	return map;
}

/* In order[low, high): how many layers begin at or before the key? */
static int
search_run(const BbLayerMap *map, int low, int high, const BbKey *key)
{
	int			start = low;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const BbLayerDesc *layer = &map->manifest->layers[map->order[middle]];

		if (bb_key_compare(&layer->keys.start, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - start;
}

/* The end of the run that begins at order[start]. */
static int
run_end(const BbLayerMap *map, int start)
{
	XLogRecPtr	lsn = map->manifest->layers[map->order[start]].lsn_start;
	int			low = start + 1;
	int			high = map->manifest->nlayers;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (map->manifest->layers[map->order[middle]].lsn_start == lsn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
bb_layermap_image(const BbLayerMap *map, const BbKey *key, XLogRecPtr lsn,
				  BbKey *until)
{
	const BbLayerDesc *layers = map->manifest->layers;
	int			end;

	for (int start = 0; start < map->manifest->nlayers; start = end)
	{
		int			before;

		end = run_end(map, start);
		if (layers[map->order[start]].lsn_start > lsn)
			continue;

		before = search_run(map, start, end, key);
		if (before > 0)
		{
			int			index = map->order[start + before - 1];
			const BbLayerDesc *layer = &layers[index];

			if (bb_key_compare(key, &layer->keys.end) < 0)
			{
				if (bb_key_compare(&layer->keys.end, until) < 0)
					*until = layer->keys.end;
				return index;
			}
		}

		/* not in this run, but its next layer hides what is older */
		if (start + before < end)
		{
			const BbKey *next = &layers[map->order[start + before]].keys.start;

			if (bb_key_compare(next, until) < 0)
				*until = *next;
		}
	}
	return -1;
}
