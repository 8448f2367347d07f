/*-------------------------------------------------------------------------
 *
 * garbage.c
 *	  Delta layers below the start that have more than the readable LSNs need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/garbage.h"

/*
 * Delta layers whose key ranges overlap, directly or through others, and whose
 * LSNs have no hole.
 */
typedef struct Heap
{
	const BbLayerDesc **layers;
	int			n;
	BbKeyRange	keys;
	XLogRecPtr	lsn_start;
	XLogRecPtr	lsn_end;
} Heap;

static int
compare_starts(const void *a, const void *b)
{
	return bb_key_compare(&(*(const BbLayerDesc *const *) a)->keys.start,
						  &(*(const BbLayerDesc *const *) b)->keys.start);
}

/* Return the delta layers wholly up to an LSN, in the order of their keys. */
static const BbLayerDesc **
layers_below(const BbManifest *manifest, XLogRecPtr lsn, int *n)
{
	const BbLayerDesc **layers = palloc_extended(((Size) manifest->nlayers +
												  1) *
													 sizeof(BbLayerDesc *),
												 MCXT_ALLOC_HUGE);

	*n = 0;
	for (int i = 0; i < manifest->nlayers; i++)
		if (!manifest->layers[i].image &&
			manifest->layers[i].lsn_end - 1 <= lsn)
			layers[(*n)++] = &manifest->layers[i];
	qsort(layers, *n, sizeof(BbLayerDesc *), compare_starts);
	return layers;
}

/* How many layers, in the order of their keys, overlap one after the other? */
static int
overlapping(const BbLayerDesc **layers, int n)
{
	BbKey		end = layers[0]->keys.end;
	int			count = 1;

	while (count < n && bb_key_compare(&layers[count]->keys.start, &end) < 0)
	{
		if (bb_key_compare(&layers[count]->keys.end, &end) > 0)
			end = layers[count]->keys.end;
		count++;
	}
	return count;
}

static int
compare_lsns(const void *a, const void *b)
{
	const BbLayerDesc *left = *(const BbLayerDesc *const *) a;
	const BbLayerDesc *right = *(const BbLayerDesc *const *) b;

	if (left->lsn_start != right->lsn_start)
		return left->lsn_start < right->lsn_start ? -1 : 1;
	return left->lsn_end < right->lsn_end ? -1
										  : left->lsn_end > right->lsn_end;
}

/* The heap of the first layers, in the order of LSNs, up to a hole. */
static Heap
heap_at(const BbLayerDesc **layers, int n)
{
	Heap		heap = {.layers = layers,
						.keys = layers[0]->keys,
						.lsn_start = layers[0]->lsn_start,
						.lsn_end = layers[0]->lsn_end};

	while (heap.n < n && layers[heap.n]->lsn_start <= heap.lsn_end)
	{
		const BbLayerDesc *layer = layers[heap.n++];

		heap.lsn_end = Max(heap.lsn_end, layer->lsn_end);
		if (bb_key_compare(&layer->keys.start, &heap.keys.start) < 0)
			heap.keys.start = layer->keys.start;
		if (bb_key_compare(&layer->keys.end, &heap.keys.end) > 0)
			heap.keys.end = layer->keys.end;
	}
	return heap;
}

/*
 * Do the layers lie one above the other more often than the readable LSNs among
 * theirs need, and are the upper ones as large as the lowest ones?
 */
static bool
is_worth(const Heap *heap, const BbReadable *readable)
{
	XLogRecPtr	lowest_end = heap->layers[0]->lsn_end;
	uint64		lowest = 0;
	uint64		upper = 0;
	int			runs = 0;
	int			needed = 1;
	XLogRecPtr	last = InvalidXLogRecPtr;

	for (int i = 0; i < heap->n; i++)
	{
		const BbLayerDesc *layer = heap->layers[i];

		runs += layer->lsn_start != last;
		last = layer->lsn_start;
		if (layer->lsn_start < lowest_end)
			lowest += layer->size;
		else
			upper += layer->size;
	}
	for (int i = 0; i < readable->npoints; i++)
		needed += readable->points[i].lsn >= heap->lsn_start &&
			readable->points[i].lsn < heap->lsn_end - 1;
	return runs > needed && upper >= lowest;
}

/*
 * Has the manifest another delta layer of these keys and LSNs?  One that reaches
 * above the start may be there until the start has passed it.
 */
static bool
is_interleaved(const BbManifest *manifest, XLogRecPtr start, const Heap *heap)
{
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!layer->image && layer->lsn_end - 1 > start &&
			layer->lsn_start < heap->lsn_end &&
			bb_key_compare(&layer->keys.start, &heap->keys.end) < 0 &&
			bb_key_compare(&heap->keys.start, &layer->keys.end) < 0)
			return true;
	}
	return false;
}

static void
set_job(BbUpkeepJob *job, const Heap *heap, XLogRecPtr start)
{
	*job =
		(BbUpkeepJob){.kind = BB_UPKEEP_SQUASH,
					  .keys = heap->keys,
					  .lsn = start,
					  .why = "history before the window that no point needs"};
	for (int i = 0; i < heap->n; i++)
	{
		job->inputs = lappend(job->inputs,
							  unconstify(BbLayerDesc *, heap->layers[i]));
		job->bytes += heap->layers[i]->size;
	}
}

bool
bb_garbage_next(const BbManifest *manifest, const BbReadable *readable,
				BbUpkeepJob *job)
{
	int			n;
	const BbLayerDesc **layers = layers_below(manifest, readable->start, &n);

	for (int first = 0, count; first < n; first += count)
	{
		count = overlapping(layers + first, n - first);
		qsort(layers + first, count, sizeof(BbLayerDesc *), compare_lsns);
		for (int done = 0; done < count;)
		{
			Heap		heap = heap_at(layers + first + done, count - done);

			done += heap.n;
			if (is_worth(&heap, readable) &&
				!is_interleaved(manifest, readable->start, &heap))
			{
				set_job(job, &heap, readable->start);
				return true;
			}
		}
	}
	return false;
}
