/*-------------------------------------------------------------------------
 *
 * policy_view.c
 *	  The layers of a manifest as the policy looks at them.
 *
 * All is sorted once, and cells are found by one sweep over the borders of the
 * body's layers, so that 100,000 layers take some hundredths of a second.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/policy_view.h"
#include "utils/memutils.h"

/* What a layer has besides its entries: header, footer, filter, index. */
#define FIXED_BYTES 2048

static void *
allocate(size_t n, size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * size);
}

uint64
bb_policyview_size(const BbLayerDesc *layer)
{
	return layer->size > FIXED_BYTES ? layer->size - FIXED_BYTES : 0;
}

static int
compare_newest_first(const void *a, const void *b)
{
	const BbLayerDesc *left = *(const BbLayerDesc *const *) a;
	const BbLayerDesc *right = *(const BbLayerDesc *const *) b;

	if (left->lsn_end != right->lsn_end)
		return left->lsn_end > right->lsn_end ? -1 : 1;
	if (left->lsn_start != right->lsn_start)
		return left->lsn_start > right->lsn_start ? -1 : 1;
	return bb_key_compare(&left->keys.start, &right->keys.start);
}

bool
bb_policyview_is_broken(const BbPolicyView *view, const BbLayerDesc *layer)
{
	ListCell   *cell;

	foreach(cell, view->broken)
	{
		if (((const BbLayerDesc *) lfirst(cell))->file_id == layer->file_id)
			return true;
	}
	return false;
}

/*
 * Is that layer for others to handle?
 *
 * Layers above an open gap may be undone.  What is below the start of a timeline
 * with a retention is squashed; a merge across the start would keep it longer.
 */
static bool
left_alone(const BbPolicyView *view, const BbLayerDesc *layer)
{
	return layer->lsn_end - 1 > view->top ||
		(view->manifest->keeps.retention.window_s != 0 &&
		 layer->lsn_end - 1 <= view->manifest->start_lsn);
}

static void
collect_layers(BbPolicyView *view)
{
	const BbManifest *manifest = view->manifest;

	view->deltas = allocate(manifest->nlayers, sizeof(BbLayerDesc *));
	view->images = allocate(manifest->nlayers, sizeof(BbLayerDesc *));
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (left_alone(view, layer) && !layer->image)
			continue;
		if (layer->image)
			view->images[view->nimages++] = layer;
		else
			view->deltas[view->ndeltas++] = layer;
	}
	qsort(view->deltas, view->ndeltas, sizeof(BbLayerDesc *),
		  compare_newest_first);
	qsort(view->images, view->nimages, sizeof(BbLayerDesc *),
		  compare_newest_first);
}

/*
 * The head: runs from the newest one down, as long as each is on its own in its
 * LSNs, isn't too large, can be read, and is above all images.
 */
static void
find_head(BbPolicyView *view, uint64 limit)
{
	XLogRecPtr	image = view->nimages > 0 ? view->images[0]->lsn_start
										  : InvalidXLogRecPtr;

	view->head = allocate(view->ndeltas, sizeof(BbPolicyRun));
	while (view->body < view->ndeltas)
	{
		const BbLayerDesc *layer = view->deltas[view->body];
		BbPolicyRun run = {.first = view->body, .end = view->body};
		bool		broken = false;

		for (; run.end < view->ndeltas; run.end++)
		{
			const BbLayerDesc *next = view->deltas[run.end];

			if (next->lsn_end != layer->lsn_end ||
				next->lsn_start != layer->lsn_start)
				break;
			run.bytes += next->size;
			broken = broken || bb_policyview_is_broken(view, next);
		}
		if (view->nhead > 0 &&
			layer->lsn_end != view->deltas[view->body - 1]->lsn_start)
			break; /* a hole */
		if (layer->lsn_start <= image || broken || run.bytes > limit ||
			(run.end < view->ndeltas &&
			 view->deltas[run.end]->lsn_end > layer->lsn_start))
			break;
		view->head[view->nhead++] = run;
		view->body = run.end;
	}
}

/* ---- cells ---- */

static int
compare_keys(const void *a, const void *b)
{
	return bb_key_compare(a, b);
}

/* All borders of images and of the body's deltas, and of the journal; sorted. */
static BbKey *
find_borders(const BbPolicyView *view, int *n)
{
	int			count = view->nimages + view->ndeltas - view->body;
	BbKey	   *keys = allocate(2 * (size_t) count + 3, sizeof(BbKey));
	BbKeyRange	all = bb_key_range_all();
	int			used = 0;

	keys[used++] = all.start;
	keys[used++] = view->journal_end;
	keys[used++] = all.end;
	for (int i = 0; i < count; i++)
	{
		const BbLayerDesc *layer = i < view->nimages
			? view->images[i]
			: view->deltas[view->body + i - view->nimages];

		keys[used++] = layer->keys.start;
		keys[used++] = layer->keys.end;
	}
	qsort(keys, used, sizeof(BbKey), compare_keys);
	*n = 0;
	for (int i = 0; i < used; i++)
	{
		if (*n == 0 || bb_key_compare(&keys[*n - 1], &keys[i]) != 0)
			keys[(*n)++] = keys[i];
	}
	return keys;
}

int
bb_policyview_find(const BbPolicyView *view, const BbKey *key)
{
	int			low = 0;
	int			high = view->ncells;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (bb_key_compare(&view->cells[middle].keys.start, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
bb_policyview_span(const BbPolicyView *view, const BbLayerDesc *layer,
				   int *first)
{
	*first = bb_policyview_find(view, &layer->keys.start);
	return bb_policyview_find(view, &layer->keys.end) - *first;
}

double
bb_policyview_share(const BbPolicyView *view, const BbLayerDesc *layer)
{
	int			first;
	int			n = bb_policyview_span(view, layer, &first);

	return (double) bb_policyview_size(layer) / Max(n, 1);
}

/*
 * Images are newest first, and each fills the cells that have none yet.  "next"
 * leads from a cell to the next one without an image, by a path that gets
 * shorter each time.
 */
static int
skip_filled(int *next, int i)
{
	while (next[i] != i)
	{
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

/* The journal has nearly nothing of an image. */
static void
place_images(BbPolicyView *view)
{
	int		   *next = allocate(view->ncells + 1, sizeof(int));
	int			data = bb_policyview_find(view, &view->journal_end);

	for (int i = 0; i <= view->ncells; i++)
		next[i] = i;
	for (int i = 0; i < view->nimages; i++)
	{
		const BbLayerDesc *image = view->images[i];
		int			first;
		int			end = bb_policyview_span(view, image, &first) + first;
		double		share = (double) image->size /
			Max(end - Max(first, data), 1);

		for (int at = skip_filled(next, first); at < end;
			 at = skip_filled(next, at))
		{
			view->cells[at].image = image;
			if (at >= data)
				view->cells[at].image_bytes = share;
			next[at] = at + 1;
		}
	}
	pfree(next);
}

static void
place_deltas(BbPolicyView *view)
{
	for (int i = view->body; i < view->ndeltas; i++)
	{
		const BbLayerDesc *layer = view->deltas[i];
		int			first;
		int			n = bb_policyview_span(view, layer, &first);
		bool		broken = bb_policyview_is_broken(view, layer);

		view->cells[first].begins = true;
		for (int at = first; at < first + n; at++)
		{
			BbPolicyCell *cell = &view->cells[at];

			if (layer->lsn_end - 1 <= bb_policycell_lsn(cell))
				continue;
			cell->reached = broken ? 0 : cell->reached + 1;
			cell->depth = Max(cell->depth, cell->reached);
			cell->bytes += (double) bb_policyview_size(layer) / n;
		}
	}
}

/* Does a read of a cell at the end take a layer? */
static bool
is_read(const BbPolicyCell *cell, const BbLayerDesc *layer)
{
	if (layer->image)
		return cell->image != NULL && cell->image->file_id == layer->file_id &&
			cell->image->lsn_start == layer->lsn_start;
	return layer->lsn_end - 1 > bb_policycell_lsn(cell);
}

/* Also by broken layers that merges leave alone anyway. */
static void
block_cells(BbPolicyView *view)
{
	ListCell   *item;

	foreach(item, view->broken)
	{
		const BbLayerDesc *layer = lfirst(item);

		/* those of the head, and those left alone, have no borders here */
		for (int i = 0; i < view->ncells; i++)
		{
			BbPolicyCell *cell = &view->cells[i];

			if (bb_key_compare(&layer->keys.start, &cell->keys.end) < 0 &&
				bb_key_compare(&cell->keys.start, &layer->keys.end) < 0 &&
				is_read(cell, layer))
				cell->blocked = true;
		}
	}
}

static void
find_cells(BbPolicyView *view)
{
	int			n;
	BbKey	   *keys = find_borders(view, &n);

	view->cells = MemoryContextAllocExtended(CurrentMemoryContext,
											 n * sizeof(BbPolicyCell),
											 MCXT_ALLOC_HUGE |
												 MCXT_ALLOC_ZERO);
	view->ncells = n - 1;
	for (int i = 0; i < n - 1; i++)
		view->cells[i].keys = (BbKeyRange){keys[i], keys[i + 1]};
	pfree(keys);
	place_images(view);
	place_deltas(view);
	block_cells(view);
}

BbPolicyView *
bb_policyview_new(const BbManifest *manifest, const BbPolicySettings *settings)
{
	BbPolicyView *view = palloc0(sizeof(BbPolicyView));

	view->manifest = manifest;
	view->broken = settings->broken;
	view->top = bb_manifest_gap_open(manifest)
		? manifest->gaps[manifest->ngaps - 1].from
		: manifest->end_lsn;
	view->journal_end = bb_key_range_kind(BB_KEY_TABLESPACE).start;
	collect_layers(view);
	find_head(view, settings->layer_bytes * BB_POLICY_JOB_LAYERS / 2);
	find_cells(view);
	return view;
}

List *
bb_policyview_cell(const BbPolicyView *view, const BbPolicyCell *cell)
{
	List	   *layers = NIL;

	for (int i = view->ndeltas - 1; i >= view->body; i--)
	{
		const BbLayerDesc *layer = view->deltas[i];

		if (layer->lsn_end - 1 > bb_policycell_lsn(cell) &&
			bb_key_compare(&layer->keys.start, &cell->keys.start) <= 0 &&
			bb_key_compare(&layer->keys.end, &cell->keys.end) >= 0)
			layers = lappend(layers, (void *) layer);
	}
	return layers;
}

/* ---- rectangles ---- */

static bool
overlaps(const BbLayerDesc *layer, const BbKeyRange *keys, XLogRecPtr from,
		 XLogRecPtr to)
{
	return layer->lsn_start < to && layer->lsn_end > from &&
		bb_key_compare(&layer->keys.start, &keys->end) < 0 &&
		bb_key_compare(&layer->keys.end, &keys->start) > 0;
}

/* Make room for a layer in the rectangle; was there none? */
static bool
include(const BbLayerDesc *layer, BbKeyRange *keys, XLogRecPtr *from,
		XLogRecPtr *to)
{
	bool		grown = false;

	if (bb_key_compare(&layer->keys.start, &keys->start) < 0)
	{
		keys->start = layer->keys.start;
		grown = true;
	}
	if (bb_key_compare(&layer->keys.end, &keys->end) > 0)
	{
		keys->end = layer->keys.end;
		grown = true;
	}
	if (layer->lsn_start < *from)
	{
		*from = layer->lsn_start;
		grown = true;
	}
	if (layer->lsn_end > *to)
	{
		*to = layer->lsn_end;
		grown = true;
	}
	return grown;
}

List *
bb_policyview_close(const BbPolicyView *view, BbKeyRange *keys,
					XLogRecPtr from, XLogRecPtr to, uint64 limit,
					uint64 *bytes)
{
	const BbManifest *manifest = view->manifest;
	List	   *inside = NIL;
	XLogRecPtr	reached = from;
	bool		grown;

	do
	{
		grown = false;
		*bytes = 0;
		for (int i = 0; i < manifest->nlayers; i++)
		{
			const BbLayerDesc *layer = &manifest->layers[i];

			if (layer->image || !overlaps(layer, keys, from, to))
				continue;
			if (left_alone(view, layer) ||
				bb_policyview_is_broken(view, layer))
				return NIL;
			if (include(layer, keys, &from, &to))
				grown = true;
			*bytes += layer->size;
		}
		if (*bytes > limit)
			return NIL;
	} while (grown);

	for (int i = view->ndeltas - 1; i >= 0; i--)
	{
		const BbLayerDesc *layer = view->deltas[i];

		if (!overlaps(layer, keys, from, to))
			continue;
		if (inside != NIL && layer->lsn_start > reached)
			return NIL;
		reached = Max(reached, layer->lsn_end);
		inside = lappend(inside, (void *) layer);
	}
	return inside;
}
