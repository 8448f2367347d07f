/*-------------------------------------------------------------------------
 *
 * layer_reader.c
 *	  Opening a layer file, and what point reads and cursors share.
 *
 * Both go down the tree of blocks from the root: layer_point.c for one key,
 * layer_cursor.c for a range in order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/crc.h"
#include "layer/layer_internal.h"
#include "stats/layerstats.h"
#include "utils/memutils.h"

static const char *
hint_for(const BbLayer *layer)
{
	if (bb_object_is_copy(layer->object))
		return "The copy in the cache was read.  Remove it by bb_evict(); "
			   "the layer is then downloaded again.";
	return "Restore this file from a copy of the page store, which bb_mend() "
		   "does if the copy was made by bb_replicate().";
}

void
bb_layer_corrupted(const BbLayer *layer, uint64 offset, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("layer \"%s\" is corrupted at byte " UINT64_FORMAT,
					layer->name, offset),
			 errdetail("%s", detail),
			 errhint("%s", hint_for(layer))));
}

static void
check_newer(const BbLayer *layer, uint32 version)
{
	if (version > BB_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("layer \"%s\" was written by a newer version of bbackup",
						layer->name),
				 errdetail("It has format version %u; this version of bbackup reads version %d.",
						   version, BB_FORMAT_VERSION),
				 errhint("Upgrade bbackup on this server.")));
}

/* Check the header; returns an errdetail and the offset, or NULL. */
static const char *
header_error(const BbReqCtx *ctx, BbLayer *layer, uint64 *offset)
{
	uint8		header[BB_LAYER_HEADER_SIZE];

	bb_object_read(ctx, layer->object, 0, header, sizeof(header));
	*offset = 0;
	if (memcmp(header, BB_LAYER_MAGIC, 8) != 0 ||
		bb_get_le32(header + 24) != bb_crc32c_of(header, 24))
		return "The file header is invalid.";
	*offset = 8;
	check_newer(layer, bb_get_le32(header + 8));
	if (bb_get_le32(header + 8) != BB_FORMAT_VERSION)
		return "The format version is not one that this version of bbackup "
			   "reads.";
	*offset = 16;
	if (bb_get_le64(header + 16) != layer->desc.file_id)
		return "The file is not the layer that its name says.";
	return NULL;
}

/* The same for the footer, which says where root and filter are. */
static const char *
footer_error(const BbReqCtx *ctx, BbLayer *layer, uint64 *offset)
{
	uint8		footer[BB_FOOTER_SIZE];
	uint64		at = layer->desc.size - BB_FOOTER_SIZE;
	const BbLayerDesc *desc = &layer->desc;
	BbReader	reader;
	bool		same;
	const uint8 *bytes;

	bb_object_read(ctx, layer->object, at, footer, sizeof(footer));
	*offset = at;
	if (memcmp(footer + BB_FOOTER_SIZE - 8, BB_FOOTER_MAGIC, 8) != 0 ||
		bb_get_le32(footer + BB_FOOTER_SIZE - 12) !=
			bb_crc32c_of(footer, BB_FOOTER_SIZE - 12))
		return "The footer is invalid.";

	bb_reader_init(&reader, footer, sizeof(footer));
	layer->root.offset = bb_reader_le64(&reader);
	layer->root.size = bb_reader_le32(&reader);
	layer->filter_offset = bb_reader_le64(&reader);
	layer->filter_pages = bb_reader_le32(&reader);
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
		return "The footer does not agree with the manifest.";

	/* this also keeps the sums below from overflowing */
	if (layer->filter_pages > 0 &&
		(layer->filter_offset < BB_LAYER_HEADER_SIZE ||
		 layer->filter_offset >= at ||
		 layer->filter_pages >
			 (at - layer->filter_offset) / BB_FILTER_PAGE_SIZE))
		return "The place of the key filter is impossible.";
	return NULL;
}

const char *
bb_layer_frame_error(const BbReqCtx *ctx, BbLayer *layer, uint64 *offset)
{
	const char *error = header_error(ctx, layer, offset);

	return error != NULL ? error : footer_error(ctx, layer, offset);
}

BbLayer *
bb_layer_open(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, const BbLayerDesc *desc)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup layer",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbLayer	   *layer = palloc0(sizeof(BbLayer));
	BbWholeObject object = bb_layer_object(timeline, desc);
	const char *error;
	uint64		offset;

	layer->context = context;
	layer->desc = *desc;
	layer->name = unconstify(char *, object.name);
	layer->object = bb_object_open_resident(ctx, objects, &object);

	if (bb_object_size(layer->object) != desc->size ||
		desc->size < BB_LAYER_HEADER_SIZE + BB_FOOTER_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layer \"%s\" has the wrong size", layer->name),
				 errdetail("It has " UINT64_FORMAT " bytes; the manifest says "
						   UINT64_FORMAT ".",
						   bb_object_size(layer->object), desc->size),
				 errhint("%s", hint_for(layer))));
	error = bb_layer_frame_error(ctx, layer, &offset);
	if (error != NULL)
		bb_layer_corrupted(layer, offset, error);
	BB_COUNT(ctx, layers_visited, 1);
	bb_layerstats_access(ctx, desc->file_id);

	MemoryContextSwitchTo(old);
	return layer;
}

void
bb_layer_close(BbLayer *layer)
{
	MemoryContextDelete(layer->context);
}

/* A block can't begin in the header, nor end in the footer. */
bool
bb_layer_place_possible(const BbLayer *layer, const BbPlace *place)
{
	uint64		end = layer->desc.size - BB_FOOTER_SIZE;

	return place->offset >= BB_LAYER_HEADER_SIZE && place->offset < end &&
		place->size >= BB_BLOCK_HEADER_SIZE &&
		place->size <= BB_BLOCK_HEADER_SIZE + BB_BLOCK_MAX_SIZE &&
		place->size <= end - place->offset;
}

void
bb_layer_check_place(const BbLayer *layer, const BbPlace *place)
{
	if (!bb_layer_place_possible(layer, place))
		bb_layer_corrupted(layer, place->offset,
						   "There can't be a block here.");
}

void
bb_layer_open_block(const BbReqCtx *ctx, const BbLayer *layer,
					const BbPlace *place, const uint8 *bytes, int level,
					BbBlock *block)
{
	const char *error = bb_block_open(block, bytes, place->size,
									  layer->desc.file_id, place->offset);

	if (error != NULL)
		bb_layer_corrupted(layer, place->offset, error);
	if (block->level != level)
		bb_layer_corrupted(layer, place->offset,
						   "The block has the wrong level.");
	BB_COUNT(ctx, blocks_read, 1);
}

/* May an entry of this type be in a block of this layer? */
static bool
type_belongs(const BbLayer *layer, const BbBlock *block, const BbEntry *entry)
{
	if (block->level > 0)
		return entry->type == BB_ENTRY_INDEX &&
			entry->length == BB_INDEX_VALUE_SIZE;

	switch (entry->type)
	{
		case BB_ENTRY_IMAGE:
			return true;
		case BB_ENTRY_RECORD:
		case BB_ENTRY_RECORD_INIT:
		case BB_ENTRY_NATIVE:
		case BB_ENTRY_DELETED:
			return !layer->desc.image;
		case BB_ENTRY_INDEX:
			break;
	}
	return false;
}

bool
bb_layer_entry_possible(const BbLayer *layer, const BbBlock *block,
						uint32 position, BbEntry *entry)
{
	return bb_block_entry(block, position, entry) &&
		type_belongs(layer, block, entry);
}

void
bb_layer_entry(const BbLayer *layer, uint64 offset, const BbBlock *block,
			   uint32 position, BbEntry *entry)
{
	if (!bb_layer_entry_possible(layer, block, position, entry))
		bb_layer_corrupted(layer, offset, "The block has an invalid entry.");
}

uint32
bb_layer_search(const BbLayer *layer, uint64 offset, const BbBlock *block,
				const BbKey *key, XLogRecPtr lsn, bool or_equal)
{
	uint32		position;

	if (!bb_block_search(block, key, lsn, or_equal, &position))
		bb_layer_corrupted(layer, offset, "The block has an invalid entry.");
	return position;
}

void
bb_layer_check_child(const BbLayer *layer, const BbEntry *index, uint64 offset,
					 const BbBlock *child)
{
	BbEntry		first;

	bb_layer_entry(layer, offset, child, 0, &first);
	if (bb_key_compare(&first.key, &index->key) != 0 ||
		first.lsn != index->lsn)
		bb_layer_corrupted(layer, offset,
						   "The block is not the one that the index names.");
}

BbPlace
bb_layer_entry_place(const BbEntry *entry)
{
	return (BbPlace){.offset = bb_get_le64(entry->value),
					 .size = bb_get_le32(entry->value + 8)};
}
