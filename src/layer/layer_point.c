/*-------------------------------------------------------------------------
 *
 * layer_point.c
 *	  Reading a layer file: the entries of one key.
 *
 * Point reads keep the blocks of each level that they used last, so that reads
 * near each other cost one search each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layer_internal.h"
#include "utils/memutils.h"

/*
 * A path from the root to an entry: the block of each level, and the entry in
 * it that leads down.
 */
typedef struct Path
{
	BbPlace		places[BB_LEVEL_MAX + 1];
	uint32		positions[BB_LEVEL_MAX + 1];
} Path;

/* Read bytes of the file into the layer's buffer. */
static const uint8 *
read_bytes(const BbReqCtx *ctx, BbLayer *layer, uint64 offset, size_t length)
{
	if (layer->buffer_size < length)
	{
		if (layer->buffer)
			pfree(layer->buffer);
		layer->buffer = NULL; /* in case of an error */
		layer->buffer_size = 0;
		layer->buffer = MemoryContextAlloc(layer->blocks_context, length);
		layer->buffer_size = length;
	}
	bb_object_read(ctx, layer->object, offset, layer->buffer, length);
	return layer->buffer;
}

/*
 * Find the cached block of a level that is at an offset, or else the block
 * that was used longest ago.
 */
static BbCachedBlock *
find_cached(BbLayer *layer, int level, uint64 offset)
{
	BbCachedBlock *oldest = &layer->cached[level][0];

	for (int i = 0; i < BB_CACHED_BLOCKS; i++)
	{
		BbCachedBlock *cached = &layer->cached[level][i];

		if (cached->offset == offset)
			return cached;
		if (cached->used < oldest->used)
			oldest = cached;
	}
	return oldest;
}

/* Return the block at place, from the cache if it is there. */
static BbBlock *
cached_block(const BbReqCtx *ctx, BbLayer *layer, const BbPlace *place,
			 int level)
{
	BbCachedBlock *cached;
	const uint8 *bytes;
	MemoryContext old;

	/* first of all, since a forged place may be at 0, which is no block */
	bb_layer_check_place(layer, place);
	cached = find_cached(layer, level, place->offset);
	cached->used = ++layer->clock;
	if (cached->offset == place->offset)
	{
		BB_COUNT(ctx, blocks_cached, 1);
		return &cached->block;
	}

	if (layer->blocks_context == NULL)
		layer->blocks_context = AllocSetContextCreate(layer->context,
													  "bbackup layer blocks",
													  ALLOCSET_SMALL_SIZES);
	bytes = read_bytes(ctx, layer, place->offset, place->size);
	cached->offset = 0; /* in case of an error */
	old = MemoryContextSwitchTo(layer->blocks_context);
	bb_layer_open_block(ctx, layer, place, bytes, level, &cached->block);
	MemoryContextSwitchTo(old);
	cached->offset = place->offset;
	return &cached->block;
}

void
bb_layer_forget(BbLayer *layer)
{
	if (layer->blocks_context == NULL)
		return;
	MemoryContextDelete(layer->blocks_context);
	layer->blocks_context = NULL;
	layer->buffer = NULL;
	layer->buffer_size = 0;
	memset(layer->cached, 0, sizeof(layer->cached));
}

/* Go down from path's entry of an index block to the last entry below it. */
static void
descend_to_last(const BbReqCtx *ctx, BbLayer *layer, Path *path, int level)
{
	while (level > 0)
	{
		BbBlock	   *block;
		BbEntry		entry;

		block = cached_block(ctx, layer, &path->places[level], level);
		bb_layer_entry(layer, path->places[level].offset, block,
					   path->positions[level], &entry);
		level--;
		path->places[level] = bb_layer_entry_place(&entry);
		block = cached_block(ctx, layer, &path->places[level], level);
		bb_layer_check_child(layer, &entry, path->places[level].offset, block);
		path->positions[level] = block->count - 1;
	}
}

/* Go to the last entry at or before (key, lsn).  False: there is none. */
static bool
find_last(const BbReqCtx *ctx, BbLayer *layer, const BbKey *key,
		  XLogRecPtr lsn, Path *path)
{
	BbEntry		entry;

	path->places[layer->root_level] = layer->root;
	for (int level = layer->root_level; level >= 0; level--)
	{
		const BbPlace *place = &path->places[level];
		BbBlock	   *block = cached_block(ctx, layer, place, level);
		uint32		position;

		if (level < layer->root_level)
			bb_layer_check_child(layer, &entry, place->offset, block);
		position = bb_layer_search(layer, place->offset, block, key, lsn,
								   true);
		if (position == 0)
			return false;
		path->positions[level] = position - 1;
		if (level > 0)
		{
			bb_layer_entry(layer, place->offset, block, position - 1, &entry);
			path->places[level - 1] = bb_layer_entry_place(&entry);
		}
	}
	return true;
}

/* Go one entry back.  False: it was the first of the layer. */
static bool
step_back(const BbReqCtx *ctx, BbLayer *layer, Path *path)
{
	int			level = 0;

	while (level <= layer->root_level && path->positions[level] == 0)
		level++;
	if (level > layer->root_level)
		return false;
	path->positions[level]--;
	descend_to_last(ctx, layer, path, level);
	return true;
}

static void
entry_at(const BbReqCtx *ctx, BbLayer *layer, const Path *path, BbEntry *entry)
{
	bb_layer_entry(layer, path->places[0].offset,
				   cached_block(ctx, layer, &path->places[0], 0),
				   path->positions[0], entry);
}

bool
bb_layer_may_hold(const BbReqCtx *ctx, BbLayer *layer, const BbKey *key)
{
	uint8		page[BB_FILTER_PAGE_SIZE];
	uint32		hash;
	uint64		offset;

	if (layer->filter_pages == 0)
		return true;

	hash = bb_filter_hash(key);
	offset = layer->filter_offset +
		(uint64) bb_filter_page_of(hash, layer->filter_pages) *
			BB_FILTER_PAGE_SIZE;
	bb_object_read(ctx, layer->object, offset, page, sizeof(page));
	if (!bb_filter_page_check(page, layer->desc.file_id, offset))
		bb_layer_corrupted(layer, offset,
						   "The checksum of the key filter does not match.");
	return bb_filter_page_test(page, hash);
}

bool
bb_layer_get(const BbReqCtx *ctx, BbLayer *layer, const BbKey *key,
			 BbEntry *entry)
{
	Path		path;

	if (!find_last(ctx, layer, key, PG_UINT64_MAX, &path))
		return false;
	entry_at(ctx, layer, &path, entry);
	return bb_key_compare(&entry->key, key) == 0;
}

void
bb_layer_collect(const BbReqCtx *ctx, BbLayer *layer, XLogRecPtr floor,
				 XLogRecPtr ceiling, BbPageHistory *history)
{
	Path		path;
	BbEntry		entry;

	if (!find_last(ctx, layer, &history->key, ceiling, &path))
		return;
	do
	{
		entry_at(ctx, layer, &path, &entry);
		if (bb_key_compare(&entry.key, &history->key) != 0 ||
			entry.lsn <= floor)
			return;
		bb_history_add_older(history, &entry);
	} while (!history->complete && step_back(ctx, layer, &path));
}
