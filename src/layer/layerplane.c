/*-------------------------------------------------------------------------
 *
 * layerplane.c
 *	  The layers of a manifest as rectangles in a plane of keys and LSNs.
 *
 * The sorts are merges of the sequences that are in order already: a flush, or
 * a merge of layers, adds its layers to the end of the manifest in the order of
 * their keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layerplane.h"
#include "utils/memutils.h"

/* Something to be sorted, by a, b and c. */
typedef struct Item
{
	uint64		a;
	uint64		b;
	uint32		c;
	uint32		index;
} Item;

static void *
alloc_array(Size n, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * size);
}

static inline int
compare_items(const Item *left, const Item *right)
{
	if (left->a != right->a)
		return left->a < right->a ? -1 : 1;
	if (left->b != right->b)
		return left->b < right->b ? -1 : 1;
	if (left->c != right->c)
		return left->c < right->c ? -1 : 1;
	return 0;
}

/* Merge from[first, middle) and from[middle, end) into the same place of "to". */
static void
merge_two(const Item *from, Item *to, int first, int middle, int end)
{
	int			left = first;
	int			right = middle;

	for (int at = first; at < end; at++)
	{
		if (right == end ||
			(left < middle && compare_items(&from[left], &from[right]) <= 0))
			to[at] = from[left++];
		else
			to[at] = from[right++];
	}
}

/* Sort; returns the array with the result, and frees the other one. */
static Item *
sort_items(Item *items, int n)
{
	Item	   *other = NULL;
	int		   *bounds = alloc_array(n + 1, sizeof(int));
	int			nruns = 0;

	/* sequences that are in order: [bounds[i], bounds[i + 1]) */
	for (int i = 0; i < n; i++)
		if (i == 0 || compare_items(&items[i - 1], &items[i]) > 0)
			bounds[nruns++] = i;
	bounds[nruns] = n;
	if (nruns > 1)
		other = alloc_array(n, sizeof(Item));

	while (nruns > 1)
	{
		int			merged = 0;
		Item	   *swap = items;

		for (int i = 0; i < nruns; i += 2)
		{
			int			middle = bounds[Min(i + 1, nruns)];
			int			end = bounds[Min(i + 2, nruns)];

			merge_two(items, other, bounds[i], middle, end);
			bounds[merged++] = bounds[i];
		}
		bounds[merged] = n;
		nruns = merged;
		items = other;
		other = swap;
	}
	if (other != NULL)
		pfree(other);
	pfree(bounds);
	return items;
}

static inline BbPlaneKey
plane_key(const BbKey *key)
{
	uint64		words[2];
	uint16		low;

	memcpy(words, key->bytes, sizeof(words));
	memcpy(&low, key->bytes + sizeof(words), sizeof(low));
	return (BbPlaneKey){pg_ntoh64(words[0]), pg_ntoh64(words[1]),
						pg_ntoh16(low)};
}

BbKey
bb_plane_key(const BbPlane *plane, int rank)
{
	const BbPlaneKey *key = &plane->keys[rank];
	uint64		words[2] = {pg_hton64(key->high), pg_hton64(key->middle)};
	uint16		low = pg_hton16(key->low);
	BbKey		result;

	memcpy(result.bytes, words, sizeof(words));
	memcpy(result.bytes + sizeof(words), &low, sizeof(low));
	return result;
}

static void
put_key(Item *item, const BbKey *key, uint32 index)
{
	BbPlaneKey	numbers = plane_key(key);

	*item = (Item){numbers.high, numbers.middle, numbers.low, index};
}

/* Give ranks to all keys at which layers begin or end. */
static void
rank_keys(BbPlane *plane)
{
	const BbManifest *manifest = plane->manifest;
	int			n = manifest->nlayers;
	Item	   *items = alloc_array((Size) n * 2, sizeof(Item));
	int			nstarts = 0;

	/* an index of n or more is that of an end */
	for (int i = 0; i < n; i++)
	{
		put_key(&items[i], &manifest->layers[i].keys.start, i);
		put_key(&items[n + i], &manifest->layers[i].keys.end, n + i);
	}
	items = sort_items(items, n * 2);

	for (int i = 0; i < n * 2; i++)
	{
		const Item *item = &items[i];

		if (i == 0 || compare_items(&items[i - 1], item) != 0)
			plane->keys[plane->nkeys++] = (BbPlaneKey){item->a, item->b,
													   (uint16) item->c};
		if (item->index < (uint32) n)
		{
			plane->starts[item->index] = plane->nkeys - 1;
			plane->by_key[nstarts++] = (int) item->index;
		}
		else
			plane->ends[item->index - n] = plane->nkeys - 1;
	}
	pfree(items);
}

static bool
same_run(const BbLayerDesc *a, const BbLayerDesc *b)
{
	return a->image == b->image && a->lsn_start == b->lsn_start &&
		a->lsn_end == b->lsn_end;
}

/*
 * The image layers, or the delta layers, newest first.
 *
 * The manifest backwards, flush by flush, is usually in order already.
 */
static int
order_layers(const BbPlane *plane, bool images, int *order)
{
	const BbLayerDesc *layers = plane->manifest->layers;
	int			all = plane->manifest->nlayers;
	Item	   *items = alloc_array(all, sizeof(Item));
	int			n = 0;

	for (int end = all, first; end > 0; end = first)
	{
		first = end - 1;
		while (first > 0 && same_run(&layers[first - 1], &layers[first]))
			first--;
		if (layers[first].image == images)
			for (int i = first; i < end; i++)
				items[n++] = (Item){~layers[i].lsn_end, ~layers[i].lsn_start,
									plane->starts[i], i};
	}
	items = sort_items(items, n);
	for (int i = 0; i < n; i++)
		order[i] = (int) items[i].index;
	pfree(items);
	return n;
}

BbPlane *
bb_plane_new(const BbManifest *manifest)
{
	BbPlane	   *plane = palloc0(sizeof(BbPlane));
	int			n = manifest->nlayers;

	plane->manifest = manifest;
	plane->keys = alloc_array((Size) n * 2, sizeof(BbPlaneKey));
	plane->starts = alloc_array(n, sizeof(int));
	plane->ends = alloc_array(n, sizeof(int));
	plane->by_key = alloc_array(n, sizeof(int));
	plane->deltas = alloc_array(n, sizeof(int));
	plane->images = alloc_array(n, sizeof(int));
	rank_keys(plane);
	plane->ndeltas = order_layers(plane, false, plane->deltas);
	plane->nimages = order_layers(plane, true, plane->images);
	return plane;
}

int *
bb_plane_by_start(const BbPlane *plane)
{
	const BbLayerDesc *layers = plane->manifest->layers;
	int		   *order = alloc_array(plane->ndeltas, sizeof(int));
	Item	   *items = alloc_array(plane->ndeltas, sizeof(Item));

	for (int i = 0; i < plane->ndeltas; i++)
		items[i] = (Item){~layers[plane->deltas[i]].lsn_start, 0, 0,
						  plane->deltas[i]};
	items = sort_items(items, plane->ndeltas);
	for (int i = 0; i < plane->ndeltas; i++)
		order[i] = (int) items[i].index;
	pfree(items);
	return order;
}

static inline int
compare_keys(const BbPlaneKey *left, const BbPlaneKey *right)
{
	if (left->high != right->high)
		return left->high < right->high ? -1 : 1;
	if (left->middle != right->middle)
		return left->middle < right->middle ? -1 : 1;
	return (int) left->low - (int) right->low;
}

int
bb_plane_rank(const BbPlane *plane, const BbKey *key)
{
	BbPlaneKey	wanted = plane_key(key);
	int			low = 0;
	int			high = plane->nkeys;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (compare_keys(&plane->keys[middle], &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}
