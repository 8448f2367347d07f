/*-------------------------------------------------------------------------
 *
 * layer_cursor.c
 *	  Reading a layer file: a range, in order.
 *
 * A cursor keeps its path from the root and a window of the file, so that
 * consecutive data blocks are read in large pieces.  The window is small at
 * first and grows while the cursor reads on, because most cursors of a scan of
 * few keys read one block.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layer_internal.h"
#include "utils/memutils.h"

/* How much a cursor reads first. */
#define FIRST_WINDOW_BYTES (16 * 1024)

struct BbLayerCursor
{
	MemoryContext context; /* owns the cursor */
	BbLayer	   *layer;
	BbBlock		blocks[BB_LEVEL_MAX + 1];
	uint64		offset[BB_LEVEL_MAX + 1];	/* of the block; 0: none yet */
	uint32		position[BB_LEVEL_MAX + 1]; /* of the next entry in it */
	bool		started;
	BbKey		last_key;
	XLogRecPtr	last_lsn;

	size_t		window_max;
	size_t		window_bytes; /* how much is read next */
	uint64		window_start;
	size_t		window_length;
	uint8	   *window;
	size_t		window_allocated;
};

/*
 * Return the bytes of a block, from the window.
 *
 * The blocks of level 0 below one index block are consecutive and precede it,
 * so they are read in large pieces; an index block is read alone.
 */
static const uint8 *
window_bytes(const BbReqCtx *ctx, BbLayerCursor *cursor, const BbPlace *place,
			 int level)
{
	uint64		end = cursor->layer->desc.size - BB_FOOTER_SIZE;
	uint64		window_end = cursor->window_start + cursor->window_length;
	size_t		length = place->size;
	size_t		size;

	if (place->offset >= cursor->window_start &&
		place->offset + place->size <= window_end)
		return cursor->window + (place->offset - cursor->window_start);

	if (level == 0)
	{
		/* the cursor reads on if the block is at the end of the window */
		if (cursor->window_length > 0 && place->offset <= window_end &&
			place->offset >= cursor->window_start)
			cursor->window_bytes = Min(cursor->window_bytes * 2,
									   cursor->window_max);
		length = Max(length, Min(cursor->window_bytes, end - place->offset));
	}

	size = Max(length, cursor->window_bytes);
	if (cursor->window_allocated < length ||
		cursor->window_allocated > 2 * size)
	{
		if (cursor->window)
			pfree(cursor->window);
		cursor->window = NULL; /* in case of an error */
		cursor->window_allocated = 0;
		cursor->window_length = 0;
		cursor->window = MemoryContextAlloc(cursor->context, size);
		cursor->window_allocated = size;
	}
	cursor->window_length = 0; /* likewise */
	cursor->window_start = place->offset;
	bb_object_read(ctx, cursor->layer->object, place->offset, cursor->window,
				   length);
	cursor->window_length = length;
	return cursor->window;
}

/* Read the block at place into the cursor's path. */
static BbBlock *
load_block(const BbReqCtx *ctx, BbLayerCursor *cursor, const BbPlace *place,
		   int level)
{
	BbBlock	   *block = &cursor->blocks[level];
	const uint8 *bytes;
	MemoryContext old;

	/* first of all, since a forged place may be at 0, which is no block */
	bb_layer_check_place(cursor->layer, place);
	if (cursor->offset[level] == place->offset)
		return block;

	cursor->offset[level] = 0; /* in case of an error */
	bytes = window_bytes(ctx, cursor, place, level);
	old = MemoryContextSwitchTo(cursor->context);
	bb_layer_open_block(ctx, cursor->layer, place, bytes, level, block);
	MemoryContextSwitchTo(old);
	cursor->offset[level] = place->offset;
	return block;
}

/* Take the next entry of the cursor's block of a level. */
static void
step(BbLayerCursor *cursor, int level, BbEntry *entry)
{
	bb_layer_entry(cursor->layer, cursor->offset[level],
				   &cursor->blocks[level], cursor->position[level]++, entry);
}

/*
 * Go down from the block that the path has at "level" to the first entry at
 * or after (key, lsn), or to the end of its leaf.
 */
static void
descend(const BbReqCtx *ctx, BbLayerCursor *cursor, int level,
		const BbKey *key, XLogRecPtr lsn)
{
	BbLayer	   *layer = cursor->layer;

	for (;;)
	{
		uint32		position;
		BbEntry		entry;
		BbPlace		place;

		position = bb_layer_search(layer, cursor->offset[level],
								   &cursor->blocks[level], key, lsn, false);

		/* in an index: the last child that begins before it */
		if (level > 0 && position > 0)
			position--;
		cursor->position[level] = position;
		if (level == 0)
			return;
		step(cursor, level, &entry);
		place = bb_layer_entry_place(&entry);
		level--;
		bb_layer_check_child(cursor->layer, &entry, place.offset,
							 load_block(ctx, cursor, &place, level));
	}
}

BbLayerCursor *
bb_layer_cursor_new(const BbReqCtx *ctx, BbLayer *layer, const BbKey *start,
					XLogRecPtr lsn, size_t window_max)
{
	MemoryContext context;
	BbLayerCursor *cursor;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup layer cursor",
									ALLOCSET_SMALL_SIZES);
	cursor = MemoryContextAllocZero(context, sizeof(BbLayerCursor));
	cursor->context = context;
	cursor->layer = layer;
	cursor->window_max = window_max;
	cursor->window_bytes = Min(FIRST_WINDOW_BYTES, window_max);

	load_block(ctx, cursor, &layer->root, layer->root_level);
	descend(ctx, cursor, layer->root_level, start, lsn);
	return cursor;
}

/* Go on to the next leaf.  False: there is none. */
static bool
next_leaf(const BbReqCtx *ctx, BbLayerCursor *cursor)
{
	int			root_level = cursor->layer->root_level;
	int			level = 1;

	while (level <= root_level &&
		   cursor->position[level] >= cursor->blocks[level].count)
		level++;
	if (level > root_level)
		return false;

	while (level > 0)
	{
		BbEntry		entry;
		BbPlace		place;

		step(cursor, level, &entry);
		place = bb_layer_entry_place(&entry);
		level--;
		bb_layer_check_child(cursor->layer, &entry, place.offset,
							 load_block(ctx, cursor, &place, level));
		cursor->position[level] = 0;
	}
	return true;
}

/* Is the entry after the last one?  Image layers have each key once. */
static bool
in_order(const BbLayerCursor *cursor, const BbEntry *entry)
{
	int			order = bb_key_compare(&entry->key, &cursor->last_key);

	if (order != 0)
		return order > 0;
	return !cursor->layer->desc.image && entry->lsn >= cursor->last_lsn;
}

bool
bb_layer_cursor_next(const BbReqCtx *ctx, BbLayerCursor *cursor,
					 BbEntry *entry)
{
	while (cursor->position[0] >= cursor->blocks[0].count)
		if (!next_leaf(ctx, cursor))
			return false;
	step(cursor, 0, entry);

	if (cursor->started && !in_order(cursor, entry))
		bb_layer_corrupted(cursor->layer, cursor->offset[0],
						   "The keys are not in order.");
	cursor->started = true;
	cursor->last_key = entry->key;
	cursor->last_lsn = entry->lsn;
	return true;
}

/*
 * May all entries at or after (key, lsn) come after the block that the path
 * has at "level"?  They may if the last entry of the block is before that.
 */
static bool
may_be_behind(BbLayerCursor *cursor, int level, const BbKey *key,
			  XLogRecPtr lsn)
{
	const BbBlock *block = &cursor->blocks[level];
	BbEntry		last;
	int			order;

	bb_layer_entry(cursor->layer, cursor->offset[level], block,
				   block->count - 1, &last);
	order = bb_key_compare(&last.key, key);
	return order < 0 || (order == 0 && last.lsn < lsn);
}

void
bb_layer_cursor_seek(const BbReqCtx *ctx, BbLayerCursor *cursor,
					 const BbKey *key, XLogRecPtr lsn)
{
	int			level = 0;

	while (level < cursor->layer->root_level &&
		   may_be_behind(cursor, level, key, lsn))
		level++;
	descend(ctx, cursor, level, key, lsn);
}

void
bb_layer_cursor_close(BbLayerCursor *cursor)
{
	MemoryContextDelete(cursor->context);
}
