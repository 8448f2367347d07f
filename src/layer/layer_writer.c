/*-------------------------------------------------------------------------
 *
 * layer_writer.c
 *	  Writing a layer file, front to back.
 *
 * Each level has one open block: level 0 holds entries, and each level above
 * holds the places of the blocks below it.  A block that has reached its size
 * is sealed, written, and entered one level up.  So the tree grows from the
 * bottom, in one pass, with one block of each level in memory.
 *
 * The key filter of a delta layer is built at the end, when the number of keys
 * is known.  Until then the writer keeps their hashes, four bytes each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/compat.h"
#include "base/crc.h"
#include "base/events.h"
#include "layer/block.h"
#include "layer/filter.h"
#include "utils/memutils.h"

/* Room for hashes at first, which doubles. */
#define HASHES_FIRST 1024

struct BbLayerWriter
{
	MemoryContext context; /* owns the writer */
	BbObjectWriter *object;
	BbLayerDesc desc; /* of the finished layer; filled in as it is known */
	BbCompression compression;
	uint64		written; /* bytes, so also the offset of the next block */
	pg_crc32c	crc;
	BbKey		last_key;
	XLogRecPtr	last_lsn;
	int			levels; /* number of builders in use */
	BbBlockBuilder builders[BB_LEVEL_MAX + 1];
	StringInfoData sealed;
	/* the block written last */
	uint64		block_offset;
	uint32		block_size;
	/* the keys of a delta layer, and the filter made of them */
	uint32	   *hashes;
	uint64		nhashes;
	uint64		hashes_allocated;
	uint64		filter_offset;
	uint32		filter_pages;
};

static void
write_bytes(const BbReqCtx *ctx, BbLayerWriter *writer, const void *data,
			size_t length)
{
	bb_object_write(ctx, writer->object, data, length);
	writer->crc = bb_crc32c(writer->crc, data, length);
	writer->written += length;
}

/* Begin a file; desc describes the layer as far as it is known. */
static BbLayerWriter *
begin_layer(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			const BbLayerDesc *desc, BbCompression compression)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup layer writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbLayerWriter *writer = palloc0(sizeof(BbLayerWriter));
	uint8		header[BB_LAYER_HEADER_SIZE] = {0};

	writer->context = context;
	writer->compression = compression;
	writer->desc = *desc;
	writer->desc.newest_commit = BB_COMMIT_NONE;
	if (!pg_strong_random(&writer->desc.file_id, sizeof(uint64)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random layer id")));
	INIT_CRC32C(writer->crc);
	initStringInfo(&writer->sealed);
	writer->hashes_allocated = HASHES_FIRST;
	writer->hashes = palloc(HASHES_FIRST * sizeof(uint32));

	writer->object = bb_object_create(ctx, objects,
									  bb_layer_object_name(timeline,
														   &writer->desc));

	memcpy(header, BB_LAYER_MAGIC, 8);
	bb_put_le32(header + 8, BB_FORMAT_VERSION);
	bb_put_le64(header + 16, writer->desc.file_id);
	bb_put_le32(header + 24, bb_crc32c_of(header, 24));
	write_bytes(ctx, writer, header, sizeof(header));

	MemoryContextSwitchTo(old);
	return writer;
}

BbLayerWriter *
bb_layer_writer_new(const BbReqCtx *ctx, BbObjectStore *objects,
					const char *timeline, const BbKey *start, XLogRecPtr lsn,
					BbCompression compression)
{
	BbLayerDesc desc = {.keys.start = *start,
						.lsn_start = lsn,
						.lsn_end = lsn + 1,
						.image = true};

	return begin_layer(ctx, objects, timeline, &desc, compression);
}

BbLayerWriter *
bb_layer_writer_new_delta(const BbReqCtx *ctx, BbObjectStore *objects,
						  const char *timeline, const BbKey *start,
						  XLogRecPtr lsn_start, XLogRecPtr lsn_end,
						  BbCompression compression)
{
	BbLayerDesc desc = {.keys.start = *start,
						.lsn_start = lsn_start,
						.lsn_end = lsn_end};

	return begin_layer(ctx, objects, timeline, &desc, compression);
}

static BbBlockBuilder *
builder_at(BbLayerWriter *writer, int level)
{
	if (level > BB_LEVEL_MAX)
		elog(ERROR, "layer is too large");
	while (writer->levels <= level)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->context);

		bb_block_builder_init(&writer->builders[writer->levels++]);
		MemoryContextSwitchTo(old);
	}
	return &writer->builders[level];
}

/*
 * Of a layer that is to be small, that is so for relation blocks, nearly all of it.
 * What each read or each backup needs besides is decompressed faster.
 */
static BbCompression
compression_of(const BbLayerWriter *writer, int level)
{
	const BbKey *first = &writer->builders[level].first_key;

	if (writer->compression == BB_COMPRESSION_SMALL &&
		(level > 0 || first->bytes[0] != BB_KEY_REL_BLOCK))
		return BB_COMPRESSION_DEFAULT;
	return writer->compression;
}

/* Seal and write the open block of a level. */
static void
write_block(const BbReqCtx *ctx, BbLayerWriter *writer, int level)
{
	resetStringInfo(&writer->sealed);
	bb_block_seal(&writer->builders[level], (uint8) level,
				  compression_of(writer, level), writer->desc.file_id,
				  writer->written, &writer->sealed);
	writer->block_offset = writer->written;
	writer->block_size = writer->sealed.len;
	write_bytes(ctx, writer, writer->sealed.data, writer->sealed.len);
}

/*
 * Write the open block of a level and enter it one level up.  If that fills
 * the block above, close that one, too.
 */
static void
close_block(const BbReqCtx *ctx, BbLayerWriter *writer, int level)
{
	BbBlockBuilder *above = builder_at(writer, level + 1);
	uint8		place[BB_INDEX_VALUE_SIZE];
	BbBlockBuilder *closed = &writer->builders[level];
	BbEntry		entry = {.key = closed->first_key,
						 .lsn = closed->first_lsn,
						 .type = BB_ENTRY_INDEX,
						 .value = place,
						 .length = sizeof(place)};

	write_block(ctx, writer, level);
	bb_put_le64(place, writer->block_offset);
	bb_put_le32(place + 8, writer->block_size);
	bb_block_builder_reset(closed);

	bb_block_builder_add(above, &entry);
	if (bb_block_builder_size(above) >= BB_BLOCK_TARGET_SIZE)
		close_block(ctx, writer, level + 1);
}

/* Has the open data block no room for the next entry? */
static bool
leaf_is_full(const BbLayerWriter *writer, const BbBlockBuilder *leaf,
			 const BbEntry *next)
{
	size_t		size = bb_block_builder_size(leaf);

	if (size < BB_BLOCK_TARGET_SIZE)
		return false;
	return size >= BB_BLOCK_KEY_SIZE ||
		bb_key_compare(&next->key, &writer->last_key) != 0;
}

/*
 * Note the time of a commit.  If an entry isn't one that can be read, nothing is
 * known of the layer, so that readers find out.
 */
static void
note_commit(BbLayerDesc *desc, const BbEntry *entry)
{
	BbCommit	commit;

	if (desc->newest_commit == BB_COMMIT_UNKNOWN)
		return;
	if (entry->type == BB_ENTRY_IMAGE &&
		bb_commit_decode(entry->value, entry->length, &commit))
		desc->newest_commit = Max(desc->newest_commit, commit.time);
	else if (entry->type != BB_ENTRY_DELETED)
		desc->newest_commit = BB_COMMIT_UNKNOWN;
}

/* Add an entry whose order was checked. */
static void
add_entry(const BbReqCtx *ctx, BbLayerWriter *writer, const BbEntry *entry)
{
	BbBlockBuilder *leaf = builder_at(writer, 0);

	if (entry->length > BB_VALUE_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %s is too large", bb_key_text(&entry->key)),
				 errdetail("It has %u bytes; the limit is %d.", entry->length,
						   BB_VALUE_MAX_SIZE)));

	if (leaf_is_full(writer, leaf, entry))
		close_block(ctx, writer, 0);
	bb_block_builder_add(leaf, entry);
	writer->last_key = entry->key;
	writer->last_lsn = entry->lsn;
	writer->desc.entries++;
	if (entry->key.bytes[0] == BB_KEY_COMMIT_TIME)
		note_commit(&writer->desc, entry);
}

void
bb_layer_writer_add(const BbReqCtx *ctx, BbLayerWriter *writer,
					const BbKey *key, const void *value, size_t length)
{
	BbEntry		entry = {.key = *key,
						 .lsn = writer->desc.lsn_start,
						 .type = BB_ENTRY_IMAGE,
						 .value = value,
						 .length = (uint32) Min(length, PG_UINT32_MAX)};

	if (writer->desc.entries > 0
			? bb_key_compare(key, &writer->last_key) <= 0
			: bb_key_compare(key, &writer->desc.keys.start) < 0)
		elog(ERROR, "key is out of order: %s", bb_key_text(key));
	add_entry(ctx, writer, &entry);
}

/* Remember a key for the filter. */
static void
add_hash(BbLayerWriter *writer, const BbKey *key)
{
	if (writer->nhashes == writer->hashes_allocated)
	{
		writer->hashes_allocated *= 2;
		writer->hashes = repalloc_huge(writer->hashes,
									   writer->hashes_allocated *
										   sizeof(uint32));
	}
	writer->hashes[writer->nhashes++] = bb_filter_hash(key);
}

void
bb_layer_writer_add_entry(const BbReqCtx *ctx, BbLayerWriter *writer,
						  const BbEntry *entry)
{
	const BbKey *last = writer->desc.entries > 0 ? &writer->last_key
												 : &writer->desc.keys.start;
	int			order = bb_key_compare(&entry->key, last);

	if (order < 0 || (order == 0 && entry->lsn < writer->last_lsn))
		elog(ERROR, "entry is out of order: %s at " BB_LSN_FORMAT,
			 bb_key_text(&entry->key), LSN_FORMAT_ARGS(entry->lsn));
	if (entry->lsn < writer->desc.lsn_start ||
		entry->lsn >= writer->desc.lsn_end)
		elog(ERROR, "entry is not in its layer's LSN range: %s at " BB_LSN_FORMAT,
			 bb_key_text(&entry->key), LSN_FORMAT_ARGS(entry->lsn));
	Assert(!writer->desc.image && entry->type != BB_ENTRY_INDEX);

	if (writer->nhashes == 0 || order != 0)
		add_hash(writer, &entry->key);
	add_entry(ctx, writer, entry);
}

uint64
bb_layer_writer_size(const BbLayerWriter *writer)
{
	return writer->written +
		(writer->levels > 0 ? bb_block_builder_size(&writer->builders[0]) : 0);
}

static void
write_filter(const BbReqCtx *ctx, BbLayerWriter *writer)
{
	uint64		file_id = writer->desc.file_id;
	uint32		pages = bb_filter_pages(writer->nhashes);
	Size		size = (Size) pages * BB_FILTER_PAGE_SIZE;
	uint8	   *filter = MemoryContextAllocHuge(writer->context, size);

	memset(filter, 0, size);
	for (uint64 i = 0; i < writer->nhashes; i++)
	{
		uint32		hash = writer->hashes[i];
		Size		page = bb_filter_page_of(hash, pages);

		bb_filter_page_add(filter + page * BB_FILTER_PAGE_SIZE, hash);
	}

	writer->filter_offset = writer->written;
	writer->filter_pages = pages;
	for (Size i = 0; i < pages; i++)
	{
		uint8	   *page = filter + i * BB_FILTER_PAGE_SIZE;

		bb_filter_page_seal(page, file_id, writer->written);
		write_bytes(ctx, writer, page, BB_FILTER_PAGE_SIZE);
	}
}

static void
write_footer(const BbReqCtx *ctx, BbLayerWriter *writer)
{
	StringInfoData footer;
	const BbLayerDesc *desc = &writer->desc;

	initStringInfo(&footer);
	bb_append_le64(&footer, writer->block_offset);
	bb_append_le32(&footer, writer->block_size);
	bb_append_le64(&footer, writer->filter_offset);
	bb_append_le32(&footer, writer->filter_pages);
	bb_append_le64(&footer, desc->entries);
	bb_append_le64(&footer, desc->lsn_start);
	bb_append_le64(&footer, desc->lsn_end);
	appendBinaryStringInfo(&footer, (const char *) desc->keys.start.bytes,
						   BB_KEY_LENGTH);
	appendBinaryStringInfo(&footer, (const char *) desc->keys.end.bytes,
						   BB_KEY_LENGTH);
	bb_append_u8(&footer, desc->image);
	bb_append_u8(&footer, (uint8) (writer->levels - 1));
	bb_append_le64(&footer, desc->file_id);
	bb_append_le32(&footer, BB_FORMAT_VERSION);
	bb_append_le32(&footer, bb_crc32c_of(footer.data, footer.len));
	appendBinaryStringInfo(&footer, BB_FOOTER_MAGIC, 8);
	Assert(footer.len == BB_FOOTER_SIZE);
	write_bytes(ctx, writer, footer.data, footer.len);
	pfree(footer.data);
}

BbLayerDesc *
bb_layer_writer_finish(const BbReqCtx *ctx, BbLayerWriter *writer,
					   const BbKey *end)
{
	BbLayerDesc *desc;

	if (writer->desc.entries == 0 ||
		bb_key_compare(end, &writer->last_key) <= 0)
		elog(ERROR, "layer is empty or ends before its last key");
	writer->desc.keys.end = *end;

	/*
	 * Close the levels from the bottom.  The highest one in use becomes the
	 * root.  Closing a level may open a higher one.
	 */
	for (int level = 0;; level++)
	{
		if (writer->builders[level].count == 0)
			continue; /* its last block has been closed already */
		if (level == writer->levels - 1)
		{
			write_block(ctx, writer, level);
			break;
		}
		close_block(ctx, writer, level);
	}
	if (!writer->desc.image)
		write_filter(ctx, writer);
	write_footer(ctx, writer);

	bb_object_finish(ctx, writer->object);
	writer->desc.size = writer->written;
	FIN_CRC32C(writer->crc);
	writer->desc.crc = writer->crc;

	desc = palloc(sizeof(BbLayerDesc));
	*desc = writer->desc;
	MemoryContextDelete(writer->context);
	return desc;
}
