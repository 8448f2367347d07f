/*-------------------------------------------------------------------------
 *
 * rewrite_inputs.c
 *	  The inputs of a rewrite, merged in (key, LSN) order.
 *
 * As in timeline/merge.c, each layer is a source, and a heap finds the source
 * with the next entry.  A layer is open from the first key of its range that is
 * wanted to its last entry.  The windows share a budget.
 *
 * No two inputs overlap.  So entries with the same key and LSN are of one
 * layer, and stay in its order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "lib/binaryheap.h"
#include "upkeep/rewrite_internal.h"
#include "utils/memutils.h"

/* The memory of all windows, and the limits of each. */
#define BUDGET_BYTES (32 * 1024 * 1024)
#define WINDOW_MIN_BYTES (16 * 1024)
#define WINDOW_MAX_BYTES (512 * 1024)

/* After how many entries the pace is kept, if no output does it. */
#define PACE_ENTRIES 1024

typedef struct Source
{
	const BbLayerDesc *desc;
	BbLayer	   *layer; /* NULL: not open */
	BbLayerCursor *cursor;
	BbEntry		entry; /* the next; if not open, a lower bound of its key */
} Source;

struct BbInputs
{
	MemoryContext context; /* owns the sources, their layers and cursors */
	BbRewrite  *rewrite;
	XLogRecPtr	from; /* entries before it aren't wanted */
	XLogRecPtr	to;	  /* nor those at or after it */
	BbKey		key;  /* nor keys before it */
	binaryheap *heap; /* of Source pointers, the smallest entry first */
	size_t		window_bytes;
	bool		returned; /* was the entry at the top returned? */
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

/* How many LSN ranges do the inputs have? */
static int
count_runs(const BbRewrite *rewrite)
{
	List	   *inputs = list_copy(rewrite->job->inputs);
	int			runs = 0;
	XLogRecPtr	last = InvalidXLogRecPtr;
	ListCell   *cell;

	list_sort(inputs, bb_layer_compare_lsns);
	foreach(cell, inputs)
	{
		const BbLayerDesc *input = lfirst(cell);

		runs += input->lsn_start != last;
		last = input->lsn_start;
	}
	list_free(inputs);
	return runs;
}

BbInputs *
bb_inputs_new(BbRewrite *rewrite, XLogRecPtr from, XLogRecPtr to)
{
	MemoryContext context = AllocSetContextCreate(rewrite->context,
												  "bbackup rewrite inputs",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *layers = rewrite->job->inputs;
	BbInputs   *inputs = palloc0(sizeof(BbInputs));
	ListCell   *cell;

	inputs->context = context;
	inputs->rewrite = rewrite;
	inputs->from = from;
	inputs->to = to;
	inputs->key = rewrite->job->keys.start;
	inputs->window_bytes = BUDGET_BYTES / Max(count_runs(rewrite), 1);
	inputs->window_bytes = Max(inputs->window_bytes, WINDOW_MIN_BYTES);
	inputs->window_bytes = Min(inputs->window_bytes, WINDOW_MAX_BYTES);
	inputs->heap = binaryheap_allocate(Max(list_length(layers), 1),
									   compare_sources, NULL);
	foreach(cell, layers)
	{
		const BbLayerDesc *desc = lfirst(cell);
		Source	   *source;

		if (desc->lsn_start >= to || desc->lsn_end <= from)
			continue;
		source = palloc0(sizeof(Source));
		source->desc = desc;
		source->entry.key = desc->keys.start;
		binaryheap_add_unordered(inputs->heap, PointerGetDatum(source));
	}
	binaryheap_build(inputs->heap);
	MemoryContextSwitchTo(old);
	return inputs;
}

/* Remove the source at the top. */
static void
drop_top(BbInputs *inputs)
{
	Source	   *source = (Source *) DatumGetPointer(
		binaryheap_remove_first(inputs->heap));

	if (source->cursor != NULL)
		bb_layer_cursor_close(source->cursor);
	if (source->layer != NULL)
		bb_layer_close(source->layer);
	pfree(source);
}

pg_noreturn static void
report_stray(const BbRewrite *rewrite, const Source *source)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("layer \"%s\" of timeline \"%s\" has an entry that is outside of it",
					bb_layer_name(source->desc), rewrite->manifest->timeline),
			 errdetail("It is of %s at " BB_LSN_FORMAT ".", bb_key_text(&source->entry.key),
					   LSN_FORMAT_ARGS(source->entry.lsn))));
}

/* Read the next entry of the source at the top. */
static void
step_top(const BbReqCtx *ctx, BbInputs *inputs, Source *source)
{
	if (!bb_layer_cursor_next(ctx, source->cursor, &source->entry))
	{
		drop_top(inputs);
		return;
	}
	if (!bb_key_in_range(&source->entry.key, &source->desc->keys) ||
		source->entry.lsn < source->desc->lsn_start ||
		source->entry.lsn >= source->desc->lsn_end)
		report_stray(inputs->rewrite, source);
	binaryheap_replace_first(inputs->heap, PointerGetDatum(source));
}

static void
open_top(const BbReqCtx *ctx, BbInputs *inputs, Source *source)
{
	BbRewrite  *rewrite = inputs->rewrite;
	MemoryContext old = MemoryContextSwitchTo(inputs->context);

	source->layer = bb_layer_open(ctx, rewrite->objects,
								  rewrite->manifest->timeline, source->desc);
	source->cursor = bb_layer_cursor_new(ctx, source->layer, &inputs->key,
										 InvalidXLogRecPtr,
										 inputs->window_bytes);
	MemoryContextSwitchTo(old);
	step_top(ctx, inputs, source);
}

static void
seek_top(const BbReqCtx *ctx, BbInputs *inputs, Source *source,
		 const BbKey *key, XLogRecPtr lsn)
{
	bb_layer_cursor_seek(ctx, source->cursor, key, lsn);
	step_top(ctx, inputs, source);
}

const BbEntry *
bb_inputs_next(const BbReqCtx *ctx, BbInputs *inputs)
{
	if (inputs->returned)
		step_top(ctx, inputs,
				 (Source *) DatumGetPointer(binaryheap_first(inputs->heap)));
	inputs->returned = false;

	while (!binaryheap_empty(inputs->heap))
	{
		Source	   *source = (Source *) DatumGetPointer(
			binaryheap_first(inputs->heap));
		BbKey		key = source->entry.key;

		bb_reqctx_check(ctx);
		if (source->cursor == NULL)
		{
			if (bb_key_compare(&source->desc->keys.end, &inputs->key) <= 0)
				drop_top(inputs);
			else
				open_top(ctx, inputs, source);
		}
		else if (bb_key_compare(&key, &inputs->key) < 0)
			seek_top(ctx, inputs, source, &inputs->key, InvalidXLogRecPtr);
		else if (source->entry.lsn < inputs->from)
			seek_top(ctx, inputs, source, &key, inputs->from);
		else if (source->entry.lsn >= inputs->to)
		{
			key = bb_key_next(&key);
			seek_top(ctx, inputs, source, &key, InvalidXLogRecPtr);
		}
		else
		{
			inputs->returned = true;
			if (++inputs->rewrite->stats->entries_read % PACE_ENTRIES == 0)
				bb_rewrite_pace(ctx, inputs->rewrite, 0);
			return &source->entry;
		}
	}
	return NULL;
}

void
bb_inputs_seek(BbInputs *inputs, const BbKey *key)
{
	if (bb_key_compare(key, &inputs->key) > 0)
		inputs->key = *key;
}

void
bb_inputs_close(BbInputs *inputs)
{
	MemoryContextDelete(inputs->context);
}
