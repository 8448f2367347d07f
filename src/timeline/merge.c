/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Merging the delta layers of a key range.
 *
 * Each layer is a source, and a heap finds the source with the next entry.  A
 * segment has the layers that may have entries of its keys above its image layer;
 * those of the segment before it that it doesn't need are closed.  A layer is
 * opened when the merge reaches its first key, and closed after its last one.
 * Until it is opened, its place in the heap is the first key at which it may be
 * needed.  Entries that aren't wanted (above the LSN, older than the segment's
 * image layer, or before the key that the scan has reached) are skipped only when
 * their source is at the top of the heap.
 *
 * The sources' windows share a budget.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/binaryheap.h"
#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

/* The memory of all windows, and the limits of each. */
#define BUDGET_BYTES (32 * 1024 * 1024)
#define WINDOW_MIN_BYTES (16 * 1024)
#define WINDOW_MAX_BYTES (512 * 1024)

typedef struct Source
{
	BbTimeline *owner;
	int			index; /* of its layer */
	const BbLayerDesc *desc;
	int			depth;	   /* how many ancestors up the owner is */
	XLogRecPtr	ceiling;   /* entries above it aren't wanted */
	BbLayerCursor *cursor; /* NULL: not open */
	bool		ended;	   /* it isn't in the heap any more */
	BbEntry		entry; /* the next; if not open, a lower bound of its key */
} Source;

struct BbMerge
{
	MemoryContext context; /* owns the merge and the cursors */
	BbTimeline *timeline;
	XLogRecPtr	lsn;
	BbKey		end;
	List	   *sources; /* of the segment */
	bool		sorted;	 /* are these, by depth and index? */
	binaryheap
		*heap; /* of those that have not ended, the smallest entry first */
	size_t		window_bytes;

	/* the segment */
	BbKey		until;
	int			depth;
	XLogRecPtr	floor;

	bool		ready; /* is "top" the answer of peek? */
	Source	   *top;   /* NULL: no entry */
};

/* A binaryheap has the greatest element first, so this compares in reverse. */
static int
compare_sources(Datum a, Datum b, void *arg)
{
	const BbEntry *left = &((Source *) DatumGetPointer(a))->entry;
	const BbEntry *right = &((Source *) DatumGetPointer(b))->entry;
	int			order = bb_key_compare(&right->key, &left->key);

	if (order != 0)
		return order;
	if (left->lsn != right->lsn)
		return left->lsn < right->lsn ? 1 : -1;
	return 0;
}

BbMerge *
bb_merge_new(const BbReqCtx *ctx, BbTimeline *timeline,
			 const BbKeyRange *range, XLogRecPtr lsn)
{
	BbMerge	   *merge = palloc0(sizeof(BbMerge));

	merge->context = CurrentMemoryContext;
	merge->timeline = timeline;
	merge->lsn = lsn;
	merge->end = range->end;
	return merge;
}

static void
close_source(Source *source)
{
	if (source->cursor)
		bb_layer_cursor_close(source->cursor);
	source->cursor = NULL;
}

void
bb_merge_close(BbMerge *merge)
{
	ListCell   *cell;

	foreach(cell, merge->sources)
	{
		close_source(lfirst(cell));
		pfree(lfirst(cell));
	}
	list_free(merge->sources);
	if (merge->heap != NULL)
		binaryheap_free(merge->heap);
	pfree(merge);
}

/* ---- the sources of a segment ---- */

/* Append those of one timeline to "sources".  Returns how many cover a key. */
static int
append_sources(List **sources, BbTimeline *timeline, int depth,
			   const BbKeyRange *range, XLogRecPtr floor, XLogRecPtr ceiling)
{
	int			n;
	int			covering;
	int		   *indexes = bb_layermap_deltas(timeline->map, range, floor,
											 ceiling, &n, &covering);

	for (int i = 0; i < n; i++)
	{
		Source	   *source = palloc0(sizeof(Source));

		source->owner = timeline;
		source->index = indexes[i];
		source->desc = &timeline->manifest->layers[indexes[i]];
		source->depth = depth;
		source->ceiling = ceiling;
		source->entry.key = source->desc->keys.start;
		*sources = lappend(*sources, source);
	}
	pfree(indexes);
	return covering;
}

static int
compare_layers(const ListCell *a, const ListCell *b)
{
	const Source *left = lfirst(a);
	const Source *right = lfirst(b);

	if (left->depth != right->depth)
		return left->depth < right->depth ? -1 : 1;
	return left->index - right->index;
}

/* Put the sources of the segment before that are needed again into "sources". */
static void
keep_sources(BbMerge *merge, List *sources)
{
	ListCell   *old = list_head(merge->sources);
	ListCell   *cell;

	if (!merge->sorted)
		list_sort(merge->sources, compare_layers);
	list_sort(sources, compare_layers);
	foreach(cell, sources)
	{
		int			order = 1;

		while (old != NULL && (order = compare_layers(old, cell)) < 0)
		{
			close_source(lfirst(old));
			pfree(lfirst(old));
			old = lnext(merge->sources, old);
		}
		if (old != NULL && order == 0)
		{
			pfree(lfirst(cell));
			lfirst(cell) = lfirst(old);
			old = lnext(merge->sources, old);
		}
	}
	for (; old != NULL; old = lnext(merge->sources, old))
	{
		close_source(lfirst(old));
		pfree(lfirst(old));
	}
	list_free(merge->sources);
	merge->sources = sources;
	merge->sorted = true;
}

static void
build_heap(BbMerge *merge)
{
	ListCell   *cell;

	if (merge->heap != NULL)
		binaryheap_free(merge->heap);
	merge->heap = binaryheap_allocate(Max(list_length(merge->sources), 1),
									  compare_sources, NULL);
	foreach(cell, merge->sources)
		if (!((Source *) lfirst(cell))->ended)
			binaryheap_add_unordered(merge->heap,
									 PointerGetDatum(lfirst(cell)));
	binaryheap_build(merge->heap);
}

void
bb_merge_segment(BbMerge *merge, const BbKeyRange *segment, int depth,
				 XLogRecPtr floor)
{
	MemoryContext old = MemoryContextSwitchTo(merge->context);
	BbTimeline *timeline = merge->timeline;
	XLogRecPtr	ceiling = merge->lsn;
	List	   *sources = NIL;
	int			covering = 0;

	for (int i = 0; i <= depth; i++)
	{
		covering += append_sources(&sources, timeline, i, segment,
								   i == depth ? floor : InvalidXLogRecPtr,
								   ceiling);
		ceiling = Min(ceiling, timeline->manifest->ancestor_lsn);
		timeline = timeline->ancestor;
	}
	merge->window_bytes = BUDGET_BYTES / Max(covering, 1);
	merge->window_bytes = Max(merge->window_bytes, WINDOW_MIN_BYTES);
	merge->window_bytes = Min(merge->window_bytes, WINDOW_MAX_BYTES);

	if (merge->sources == NIL)
	{
		merge->sources = sources;
		merge->sorted = false;
	}
	else
		keep_sources(merge, sources);
	build_heap(merge);
	MemoryContextSwitchTo(old);

	merge->until = segment->end;
	merge->depth = depth;
	merge->floor = floor;
	merge->ready = false;
}

/* ---- entries ---- */

/* Remove the source at the top. */
static void
drop_top(BbMerge *merge)
{
	Source	   *source = (Source *) DatumGetPointer(
		binaryheap_remove_first(merge->heap));

	close_source(source);
	source->ended = true;
}

/* Move the source at the top, which has another key now, to its place. */
static void
sink_top(BbMerge *merge, Source *source)
{
	binaryheap_replace_first(merge->heap, PointerGetDatum(source));
}

/* Read the next entry of the source at the top. */
static void
step_top(const BbReqCtx *ctx, BbMerge *merge, Source *source)
{
	if (bb_layer_cursor_next(ctx, source->cursor, &source->entry) &&
		bb_key_compare(&source->entry.key, &merge->end) < 0)
		sink_top(merge, source);
	else
		drop_top(merge);
}

static void
open_top(const BbReqCtx *ctx, BbMerge *merge, Source *source,
		 const BbKey *from)
{
	BbLayer	   *layer = bb_timeline_layer(ctx, source->owner, source->index);
	MemoryContext old = MemoryContextSwitchTo(merge->context);

	source->cursor = bb_layer_cursor_new(ctx, layer, from, InvalidXLogRecPtr,
										 merge->window_bytes);
	MemoryContextSwitchTo(old);
	step_top(ctx, merge, source);
}

static void
seek_top(const BbReqCtx *ctx, BbMerge *merge, Source *source, const BbKey *key,
		 XLogRecPtr lsn)
{
	bb_layer_cursor_seek(ctx, source->cursor, key, lsn);
	step_top(ctx, merge, source);
}

/* Bring the next entry that is wanted to the top of the heap. */
static Source *
find_top(const BbReqCtx *ctx, BbMerge *merge, const BbKey *from)
{
	while (!binaryheap_empty(merge->heap))
	{
		Source	   *source = (Source *) DatumGetPointer(
			binaryheap_first(merge->heap));
		const BbKey *key = &source->entry.key;
		XLogRecPtr	lsn = source->entry.lsn;

		bb_reqctx_check(ctx);
		if (bb_key_compare(key, &merge->until) >= 0)
			return NULL;
		if (source->cursor == NULL)
		{
			if (bb_key_compare(&source->desc->keys.end, from) <= 0)
				drop_top(merge);
			else
				open_top(ctx, merge, source,
						 bb_key_compare(key, from) < 0 ? from : key);
		}
		else if (bb_key_compare(key, from) < 0)
			seek_top(ctx, merge, source, from, InvalidXLogRecPtr);
		else if (lsn > source->ceiling)
		{
			BbKey		next = bb_key_next(key);

			seek_top(ctx, merge, source, &next, InvalidXLogRecPtr);
		}
		else if (source->depth == merge->depth && lsn <= merge->floor)
		{
			BbKey		same = *key;

			seek_top(ctx, merge, source, &same, merge->floor + 1);
		}
		else
			return source;
	}
	return NULL;
}

const BbEntry *
bb_merge_peek(const BbReqCtx *ctx, BbMerge *merge, const BbKey *from)
{
	if (!merge->ready)
	{
		merge->top = find_top(ctx, merge, from);
		merge->ready = true;
	}
	return merge->top ? &merge->top->entry : NULL;
}

void
bb_merge_seek(BbMerge *merge)
{
	merge->ready = false;
}

void
bb_merge_advance(const BbReqCtx *ctx, BbMerge *merge)
{
	Assert(merge->ready && merge->top != NULL);
	step_top(ctx, merge, merge->top);
	merge->ready = false;
}
