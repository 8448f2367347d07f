/*-------------------------------------------------------------------------
 *
 * layer_reader.c
 *	  Reading a layer file: a point, or a range in order.
 *
 * Both go down the tree of blocks from the root.  A point read keeps the
 * block that it last used of each level, so that reads near each other cost
 * one search each.  A cursor keeps its path from the root, and a window of
 * the file, so that the data blocks, which lie one after another, are read
 * in large pieces.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "layer/block.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

/* How much a cursor reads at a time. */
#define WINDOW_BYTES (512 * 1024)

/* Where a block is. */
typedef struct Place
{
	uint64		offset;
	uint32		size; /* with its header */
} Place;

struct BbLayer
{
	MemoryContext context; /* owns the layer */
	BbObjectReader *object;
	BbLayerDesc desc;
	char	   *name;
	Place		root;
	int			root_level;

	/* for point reads: the block last used of each level, 0 for none */
	uint64		cached[BB_LEVEL_MAX + 1];
	BbBlock		blocks[BB_LEVEL_MAX + 1];
	uint8	   *buffer; /* of BB_BLOCK_HEADER_SIZE + BB_BLOCK_MAX_SIZE */
};

struct BbLayerCursor
{
	MemoryContext context; /* owns the cursor */
	BbLayer    *layer;
	BbBlock		blocks[BB_LEVEL_MAX + 1];
	uint64		offset[BB_LEVEL_MAX + 1];	/* of the block in the file */
	uint32		position[BB_LEVEL_MAX + 1]; /* of the next entry in it */
	bool		started;
	BbKey		last_key;

	uint64		window_start;
	size_t		window_length;
	uint8	   *window;
};

static void
corrupted(const BbLayer *layer, uint64 offset, const char *complaint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("layer \"%s\" is corrupted at byte " UINT64_FORMAT,
					layer->name, offset),
			 errdetail("%s", complaint),
			 errhint("Restore this file from a copy of the page store.")));
}

static void
check_header(const BbReqCtx *ctx, BbLayer *layer)
{
	uint8		header[BB_LAYER_HEADER_SIZE];
	pg_crc32c	crc;

	bb_object_read(ctx, layer->object, 0, header, sizeof(header));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, 24);
	FIN_CRC32C(crc);
	if (memcmp(header, BB_LAYER_MAGIC, 8) != 0 ||
		bb_get_le32(header + 24) != crc)
		corrupted(layer, 0, "The file header is invalid.");
	if (bb_get_le32(header + 8) != BB_FORMAT_VERSION)
		corrupted(layer, 8, "The format version is not one that this version "
							"of bbackup reads.");
	if (bb_get_le64(header + 16) != layer->desc.file_id)
		corrupted(layer, 16, "The file is another layer than its name says.");
}

static void
check_footer(const BbReqCtx *ctx, BbLayer *layer)
{
	uint8		footer[BB_FOOTER_SIZE];
	uint64		at = layer->desc.size - BB_FOOTER_SIZE;
	const BbLayerDesc *desc = &layer->desc;
	BbReader	reader;
	pg_crc32c	crc;
	bool		same;
	const uint8 *bytes;

	bb_object_read(ctx, layer->object, at, footer, sizeof(footer));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, footer, BB_FOOTER_SIZE - 12);
	FIN_CRC32C(crc);
	if (memcmp(footer + BB_FOOTER_SIZE - 8, BB_FOOTER_MAGIC, 8) != 0 ||
		bb_get_le32(footer + BB_FOOTER_SIZE - 12) != crc)
		corrupted(layer, at, "The footer is invalid.");

	bb_reader_init(&reader, footer, sizeof(footer));
	layer->root.offset = bb_reader_le64(&reader);
	layer->root.size = bb_reader_le32(&reader);
	same = bb_reader_le64(&reader) == desc->entries;
	same &= bb_reader_le64(&reader) == desc->lsn_start;
	same &= bb_reader_le64(&reader) == desc->lsn_end;
	bytes = bb_reader_bytes(&reader, BB_KEY_LENGTH);
	same &= memcmp(bytes, desc->keys.start.bytes, BB_KEY_LENGTH) == 0;
	bytes = bb_reader_bytes(&reader, BB_KEY_LENGTH);
	same &= memcmp(bytes, desc->keys.end.bytes, BB_KEY_LENGTH) == 0;
	same &= bb_reader_u8(&reader) == desc->image;
	layer->root_level = bb_reader_u8(&reader);
	same &= bb_reader_le64(&reader) == desc->file_id;
	same &= bb_reader_le32(&reader) == BB_FORMAT_VERSION;
	if (!same || layer->root_level > BB_LEVEL_MAX)
		corrupted(layer, at, "The footer does not agree with the manifest.");
}

BbLayer *
bb_layer_open(const BbReqCtx *ctx, BbObjectStore *store, const char *timeline,
			  const BbLayerDesc *desc)
{
	MemoryContext context;
	MemoryContext old;
	BbLayer    *layer;

	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup layer",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	layer = palloc0(sizeof(BbLayer));
	layer->context = context;
	layer->desc = *desc;
	layer->name = bb_layer_object_name(timeline, desc);
	layer->object = bb_object_open(ctx, store, layer->name);

	if (bb_object_size(layer->object) != desc->size ||
		desc->size < BB_LAYER_HEADER_SIZE + BB_FOOTER_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layer \"%s\" has the wrong size", layer->name),
				 errdetail("It has " UINT64_FORMAT " bytes; the manifest says "
						   UINT64_FORMAT ".",
						   bb_object_size(layer->object), desc->size),
				 errhint("Restore this file from a copy of the page store.")));
	check_header(ctx, layer);
	check_footer(ctx, layer);
	BB_COUNT(ctx, layers_visited, 1);

	MemoryContextSwitchTo(old);
	return layer;
}

void
bb_layer_close(BbLayer *layer)
{
	MemoryContextDelete(layer->context);
}

/*
 * Can there be a block?  Its first byte can't lie in the header, nor its last
 * in the footer.
 */
static void
check_place(const BbLayer *layer, const Place *place)
{
	uint64		end = layer->desc.size - BB_FOOTER_SIZE;

	if (place->offset < BB_LAYER_HEADER_SIZE || place->offset >= end ||
		place->size < BB_BLOCK_HEADER_SIZE ||
		place->size > BB_BLOCK_HEADER_SIZE + BB_BLOCK_MAX_SIZE ||
		place->size > end - place->offset)
		corrupted(layer, place->offset, "There can be no block here.");
}

/*
 * Open the block whose bytes are at hand, and which must be of "level".
 */
static void
open_block(const BbReqCtx *ctx, const BbLayer *layer, const Place *place,
		   const uint8 *bytes, int level, BbBlock *block)
{
	const char *complaint;

	if (!bb_block_open(block, bytes, place->size, layer->desc.file_id,
					   place->offset, &complaint))
		corrupted(layer, place->offset, complaint);
	if (block->level != level)
		corrupted(layer, place->offset, "The block has the wrong level.");
	BB_COUNT(ctx, blocks_read, 1);
}

static void
get_entry(const BbLayer *layer, uint64 offset, const BbBlock *block,
		  uint32 position, BbEntry *entry)
{
	BbEntryType wanted = block->level > 0 ? BB_ENTRY_INDEX : BB_ENTRY_IMAGE;

	if (!bb_block_entry(block, position, entry) || entry->type != wanted ||
		(wanted == BB_ENTRY_INDEX && entry->length != BB_INDEX_VALUE_SIZE))
		corrupted(layer, offset, "The block has an invalid entry.");
}

static Place
entry_place(const BbEntry *entry)
{
	Place		place;

	place.offset = bb_get_le64(entry->value);
	place.size = bb_get_le32(entry->value + 8);
	return place;
}

/* ---- points ---- */

/*
 * The block at place, out of the cache if it is the one last used of its
 * level.
 */
static BbBlock *
cached_block(const BbReqCtx *ctx, BbLayer *layer, const Place *place,
			 int level)
{
	BbBlock    *block = &layer->blocks[level];
	MemoryContext old;

	if (layer->cached[level] == place->offset)
	{
		BB_COUNT(ctx, blocks_cached, 1);
		return block;
	}

	check_place(layer, place);
	old = MemoryContextSwitchTo(layer->context);
	if (layer->buffer == NULL)
		layer->buffer = palloc(BB_BLOCK_HEADER_SIZE + BB_BLOCK_MAX_SIZE);
	bb_object_read(ctx, layer->object, place->offset, layer->buffer,
				   place->size);
	layer->cached[level] = 0; /* an error would leave it half done */
	open_block(ctx, layer, place, layer->buffer, level, block);
	layer->cached[level] = place->offset;
	MemoryContextSwitchTo(old);
	return block;
}

bool
bb_layer_get(const BbReqCtx *ctx, BbLayer *layer, const BbKey *key,
			 BbEntry *entry)
{
	Place		place = layer->root;
	BbBlock    *block;
	uint32		position;

	for (int level = layer->root_level; level > 0; level--)
	{
		block = cached_block(ctx, layer, &place, level);

		/* the last child that begins at or before the key */
		if (!bb_block_search(block, key, true, &position))
			corrupted(layer, place.offset, "The block has an invalid entry.");
		if (position == 0)
			return false;
		get_entry(layer, place.offset, block, position - 1, entry);
		place = entry_place(entry);
	}

	block = cached_block(ctx, layer, &place, 0);
	if (!bb_block_search(block, key, false, &position))
		corrupted(layer, place.offset, "The block has an invalid entry.");
	if (position == block->count)
		return false;
	get_entry(layer, place.offset, block, position, entry);
	return bb_key_compare(&entry->key, key) == 0;
}

/* ---- ranges ---- */

/*
 * Read the block at place into the cursor's stack, through the window.
 *
 * The blocks of level 0 below one index block lie one after another, ahead of
 * it, so they are read in large pieces; an index block is read by itself.
 */
static BbBlock *
load_block(const BbReqCtx *ctx, BbLayerCursor *cursor, const Place *place,
		   int level)
{
	BbLayer    *layer = cursor->layer;
	BbBlock    *block = &cursor->blocks[level];
	uint64		end = layer->desc.size - BB_FOOTER_SIZE;
	MemoryContext old;

	check_place(layer, place);
	old = MemoryContextSwitchTo(cursor->context);

	if (place->offset < cursor->window_start ||
		place->offset + place->size >
			cursor->window_start + cursor->window_length)
	{
		size_t		length = place->size;

		if (level == 0)
			length = Min(WINDOW_BYTES, end - place->offset);
		if (cursor->window == NULL)
			cursor->window = palloc(WINDOW_BYTES);
		cursor->window_length = 0; /* an error would leave it half done */
		cursor->window_start = place->offset;
		bb_object_read(ctx, layer->object, place->offset, cursor->window,
					   length);
		cursor->window_length = length;
	}
	open_block(ctx, layer, place,
			   cursor->window + (place->offset - cursor->window_start), level,
			   block);
	cursor->offset[level] = place->offset;

	MemoryContextSwitchTo(old);
	return block;
}

/*
 * The next entry of the cursor's block of a level.
 */
static void
step(BbLayerCursor *cursor, int level, BbEntry *entry)
{
	get_entry(cursor->layer, cursor->offset[level], &cursor->blocks[level],
			  cursor->position[level]++, entry);
}

BbLayerCursor *
bb_layer_cursor_new(const BbReqCtx *ctx, BbLayer *layer, const BbKey *start)
{
	MemoryContext context;
	BbLayerCursor *cursor;
	Place		place = layer->root;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup layer cursor",
									ALLOCSET_DEFAULT_SIZES);
	cursor = MemoryContextAllocZero(context, sizeof(BbLayerCursor));
	cursor->context = context;
	cursor->layer = layer;

	for (int level = layer->root_level; level >= 0; level--)
	{
		BbBlock    *block = load_block(ctx, cursor, &place, level);
		uint32		position;
		BbEntry		entry;

		if (!bb_block_search(block, start, level > 0, &position))
			corrupted(layer, place.offset, "The block has an invalid entry.");

		/* in an index: the last child that begins at or before start */
		if (level > 0 && position > 0)
			position--;
		cursor->position[level] = position;
		if (level > 0)
		{
			step(cursor, level, &entry);
			place = entry_place(&entry);
		}
	}
	return cursor;
}

/*
 * Go on to the next leaf; false when there is none.
 */
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
		Place		place;

		step(cursor, level, &entry);
		place = entry_place(&entry);
		level--;
		load_block(ctx, cursor, &place, level);
		cursor->position[level] = 0;
	}
	return true;
}

bool
bb_layer_cursor_next(const BbReqCtx *ctx, BbLayerCursor *cursor,
					 BbEntry *entry)
{
	while (cursor->position[0] >= cursor->blocks[0].count)
	{
		if (!next_leaf(ctx, cursor))
			return false;
	}
	step(cursor, 0, entry);

	if (cursor->started && bb_key_compare(&entry->key, &cursor->last_key) <= 0)
		corrupted(cursor->layer, cursor->offset[0],
				  "The keys are not in order.");
	cursor->started = true;
	cursor->last_key = entry->key;
	return true;
}

void
bb_layer_cursor_close(BbLayerCursor *cursor)
{
	MemoryContextDelete(cursor->context);
}
