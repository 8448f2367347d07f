/*-------------------------------------------------------------------------
 *
 * garbage.c
 *	  Delta layers below the start that have more than the readable LSNs need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/garbage.h"

/* Delta layers whose key ranges overlap, directly or through others. */
typedef struct Heap
{
	BbKeyRange	keys;
	int			first; /* of the layers in the order of their keys */
	int			n;
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

/* Return the heap that begins at a layer. */
static Heap
heap_at(const BbLayerDesc **layers, int n, int first)
{
	Heap		heap = {layers[first]->keys, first, 1};

	while (first + heap.n < n &&
		   bb_key_compare(&layers[first + heap.n]->keys.start,
						  &heap.keys.end) < 0)
	{
		const BbKey *end = &layers[first + heap.n]->keys.end;

		if (bb_key_compare(end, &heap.keys.end) > 0)
			heap.keys.end = *end;
		heap.n++;
	}
	return heap;
}

/* The sizes of the layers of a heap. */
typedef struct Sizes
{
	XLogRecPtr	lowest_end; /* of the lowest layers */
	XLogRecPtr	lsn_end;	/* of all */
	uint64		lowest;		/* bytes */
	uint64		upper;
	int			depth; /* LSN ranges above the lowest */
} Sizes;

static int
compare_lsns(const void *a, const void *b)
{
	XLogRecPtr	left = *(const XLogRecPtr *) a;
	XLogRecPtr	right = *(const XLogRecPtr *) b;

	return left < right ? -1 : left > right;
}

static Sizes
sizes_of(const BbLayerDesc **layers, const Heap *heap)
{
	Sizes		sizes = {.lowest_end = PG_UINT64_MAX};
	XLogRecPtr *ends = palloc_extended((Size) heap->n * sizeof(XLogRecPtr),
									   MCXT_ALLOC_HUGE);

	for (int i = 0; i < heap->n; i++)
	{
		const BbLayerDesc *layer = layers[heap->first + i];

		ends[i] = layer->lsn_end;
		sizes.lowest_end = Min(sizes.lowest_end, layer->lsn_end);
		sizes.lsn_end = Max(sizes.lsn_end, layer->lsn_end);
	}
	for (int i = 0; i < heap->n; i++)
		if (ends[i] == sizes.lowest_end)
			sizes.lowest += layers[heap->first + i]->size;
		else
			sizes.upper += layers[heap->first + i]->size;
	qsort(ends, heap->n, sizeof(XLogRecPtr), compare_lsns);
	for (int i = 1; i < heap->n; i++)
		sizes.depth += ends[i] != ends[i - 1];
	pfree(ends);
	return sizes;
}

/* Have the upper layers more than their points need, and enough of it? */
static bool
is_worth(const Sizes *sizes, const BbReadable *readable)
{
	int			npoints = 0;

	for (int i = 0; i < readable->npoints; i++)
		npoints += readable->points[i].lsn >= sizes->lowest_end &&
			readable->points[i].lsn < sizes->lsn_end;
	return sizes->depth > npoints && sizes->upper >= sizes->lowest;
}

/*
 * Has the manifest a delta layer that lies between those of the heap?  One that
 * reaches above the start may, until merging has put things right.
 */
static bool
is_interleaved(const BbManifest *manifest, XLogRecPtr start, const Heap *heap,
			   const Sizes *sizes)
{
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!layer->image && layer->lsn_end - 1 > start &&
			layer->lsn_start < sizes->lsn_end &&
			bb_key_compare(&layer->keys.start, &heap->keys.end) < 0 &&
			bb_key_compare(&heap->keys.start, &layer->keys.end) < 0)
			return true;
	}
	return false;
}

static void
set_job(BbUpkeepJob *job, const BbLayerDesc **layers, const Heap *heap,
		XLogRecPtr start)
{
	*job =
		(BbUpkeepJob){.kind = BB_UPKEEP_SQUASH,
					  .keys = heap->keys,
					  .lsn = start,
					  .why = "history before the window that no point needs"};
	for (int i = 0; i < heap->n; i++)
	{
		const BbLayerDesc *layer = layers[heap->first + i];

		job->inputs = lappend(job->inputs, unconstify(BbLayerDesc *, layer));
		job->bytes += layer->size;
	}
}

bool
bb_garbage_next(const BbManifest *manifest, const BbReadable *readable,
				BbUpkeepJob *job)
{
	int			n;
	const BbLayerDesc **layers = layers_below(manifest, readable->start, &n);

	for (int first = 0; first < n;)
	{
		Heap		heap = heap_at(layers, n, first);
		Sizes		sizes = sizes_of(layers, &heap);

		first += heap.n;
		if (is_worth(&sizes, readable) &&
			!is_interleaved(manifest, readable->start, &heap, &sizes))
		{
			set_job(job, layers, &heap, readable->start);
			return true;
		}
	}
	return false;
}
