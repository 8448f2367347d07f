/*-------------------------------------------------------------------------
 *
 * garbage.c
 *	  Delta layers below the start that have more than the readable LSNs need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/garbage.h"

/* The parts that a job's layers are cut into, for which a job has room. */
#define CUT_PARTS 16

/*
 * Delta layers whose key ranges overlap, directly or through others, and whose
 * LSNs have no hole.
 */
typedef struct Heap
{
	const BbLayerDesc **layers; /* in the order of LSNs */
	int			n;
	uint64		bytes;
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

static void
add_layers(Heap *heap, int n)
{
	for (int i = heap->n; i < heap->n + n; i++)
	{
		const BbLayerDesc *layer = heap->layers[i];

		heap->bytes += layer->size;
		heap->lsn_end = Max(heap->lsn_end, layer->lsn_end);
		if (bb_key_compare(&layer->keys.start, &heap->keys.start) < 0)
			heap->keys.start = layer->keys.start;
		if (bb_key_compare(&layer->keys.end, &heap->keys.end) > 0)
			heap->keys.end = layer->keys.end;
	}
	heap->n += n;
}

static Heap
heap_new(const BbLayerDesc **layers)
{
	return (Heap){.layers = layers,
				  .keys = layers[0]->keys,
				  .lsn_start = layers[0]->lsn_start,
				  .lsn_end = layers[0]->lsn_end};
}

/* The heap of the first layers, in the order of LSNs, up to a hole. */
static Heap
heap_at(const BbLayerDesc **layers, int n)
{
	Heap		heap = heap_new(layers);

	while (heap.n < n && layers[heap.n]->lsn_start <= heap.lsn_end)
		add_layers(&heap, 1);
	return heap;
}

/*
 * How many of the first layers have LSNs that no other one shares?  *bytes is set
 * to their size.
 */
static int
run_length(const BbLayerDesc **layers, int n, uint64 *bytes)
{
	XLogRecPtr	end = layers[0]->lsn_end;
	int			count = 0;

	*bytes = 0;
	while (count < n && (count == 0 || layers[count]->lsn_start < end))
	{
		end = Max(end, layers[count]->lsn_end);
		*bytes += layers[count]->size;
		count++;
	}
	return count;
}

/*
 * A part of a heap, from a layer on: so many runs as are within the limit, but two
 * at least.  *first_run is set to the number of layers of the first run.
 */
static Heap
part_of(const Heap *heap, int from, uint64 limit, int *first_run)
{
	Heap		part = heap_new(heap->layers + from);
	int			runs = 0;

	*first_run = 0;
	while (from + part.n < heap->n)
	{
		uint64		bytes;
		int			n = run_length(heap->layers + from + part.n,
								   heap->n - from - part.n, &bytes);

		if (runs >= 2 && part.bytes + bytes > limit)
			break;
		if (runs++ == 0)
			*first_run = n;
		add_layers(&part, n);
	}
	return part;
}

/* Where a part is cut: at borders of the layers below it, which none of them crosses. */
static List *
choose_cuts(const Heap *heap, int from, const Heap *part, uint64 bytes)
{
	const BbLayerDesc **below = palloc(Max(from, 1) * sizeof(BbLayerDesc *));
	List	   *cuts = NIL;
	BbKey		end;
	uint64		sum = 0;

	for (int i = 0; i < from; i++)
		below[i] = heap->layers[i];
	qsort(below, from, sizeof(BbLayerDesc *), compare_starts);
	for (int i = 0; i < from; i++)
	{
		const BbKey *start = &below[i]->keys.start;

		if (i > 0 && sum >= bytes && bb_key_compare(start, &end) >= 0 &&
			bb_key_compare(start, &part->keys.start) > 0 &&
			bb_key_compare(start, &part->keys.end) < 0)
		{
			cuts = lappend(cuts, unconstify(BbKey *, start));
			sum = 0;
		}
		if (i == 0 || bb_key_compare(&below[i]->keys.end, &end) > 0)
			end = below[i]->keys.end;
		sum += below[i]->size;
	}
	pfree(below);
	return cuts;
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

/* May a read of these keys, up to these LSNs, take a broken layer? */
static bool
needs_broken(const List *broken, const Heap *heap)
{
	ListCell   *cell;

	foreach(cell, broken)
	{
		const BbLayerDesc *layer = lfirst(cell);

		if (layer->lsn_start < heap->lsn_end &&
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

/* What the search for a job looks at. */
typedef struct Search
{
	const BbManifest *manifest;
	const BbReadable *readable;
	const List *broken;
	uint64		limit;
} Search;

static bool
next_of_heap(const Search *search, const Heap *heap, BbUpkeepJob *job)
{
	int			first_run;

	for (int from = 0; from < heap->n; from += first_run)
	{
		Heap		part = part_of(heap, from, search->limit, &first_run);

		if (is_worth(&part, search->readable) &&
			!is_interleaved(search->manifest, search->readable->start,
							&part) &&
			!needs_broken(search->broken, &part))
		{
			set_job(job, &part, search->readable->start);
			job->cuts = choose_cuts(heap, from, &part,
									search->limit / CUT_PARTS);
			return true;
		}
		/* otherwise upper layers wait until they are as large as the lowest */
		if (part.n == heap->n)
			break;
	}
	return false;
}

bool
bb_garbage_next(const BbManifest *manifest, const BbReadable *readable,
				const List *broken, uint64 limit, BbUpkeepJob *job)
{
	const Search search = {.manifest = manifest,
						   .readable = readable,
						   .broken = broken,
						   .limit = limit};
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
			if (next_of_heap(&search, &heap, job))
				return true;
		}
	}
	return false;
}
