/*-------------------------------------------------------------------------
 *
 * layer_writer.c
 *	  Writing a layer file, front to back.
 *
 * There is one open block a level: level 0 holds entries, each level above
 * the places of the blocks below it.  A block that has reached its size is
 * sealed, written, and entered one level up; so the tree grows from the
 * bottom, in one pass, with one block a level in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "layer/block.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

struct BbLayerWriter
{
	MemoryContext context; /* owns the writer */
	BbObjectWriter *object;
	BbLayerDesc desc; /* as it will be; the end of the keys comes last */
	BbCompression compression;
	uint64		written; /* bytes, which is where the next block goes */
	pg_crc32c	crc;
	BbKey		last_key;
	int			levels; /* how many builders are in use */
	BbBlockBuilder builders[BB_LEVEL_MAX + 1];
	StringInfoData sealed;
	/* the block written last */
	uint64		block_offset;
	uint32		block_size;
};

static void
write_bytes(const BbReqCtx *ctx, BbLayerWriter *writer, const void *data,
			size_t length)
{
	bb_object_write(ctx, writer->object, data, length);
	COMP_CRC32C(writer->crc, data, length);
	writer->written += length;
}

BbLayerWriter *
bb_layer_writer_new(const BbReqCtx *ctx, BbObjectStore *store,
					const char *timeline, const BbKey *start, XLogRecPtr lsn,
					BbCompression compression)
{
	MemoryContext context;
	MemoryContext old;
	BbLayerWriter *writer;
	uint64		random;
	uint8		header[BB_LAYER_HEADER_SIZE];
	pg_crc32c	crc;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup layer writer",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	writer = palloc0(sizeof(BbLayerWriter));
	writer->context = context;
	writer->compression = compression;
	writer->desc.keys.start = *start;
	writer->desc.lsn_start = lsn;
	writer->desc.lsn_end = lsn + 1;
	writer->desc.image = true;
	if (!pg_strong_random(&random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random layer id")));
	writer->desc.file_id = random;
	INIT_CRC32C(writer->crc);
	initStringInfo(&writer->sealed);

	writer->object = bb_object_create(ctx, store,
									  bb_layer_object_name(timeline,
														   &writer->desc));

	memset(header, 0, sizeof(header));
	memcpy(header, BB_LAYER_MAGIC, 8);
	bb_put_le32(header + 8, BB_FORMAT_VERSION);
	bb_put_le64(header + 16, writer->desc.file_id);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, 24);
	FIN_CRC32C(crc);
	bb_put_le32(header + 24, crc);
	write_bytes(ctx, writer, header, sizeof(header));

	MemoryContextSwitchTo(old);
	return writer;
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
 * Seal and write the open block of a level.
 */
static void
write_block(const BbReqCtx *ctx, BbLayerWriter *writer, int level)
{
	resetStringInfo(&writer->sealed);
	bb_block_seal(&writer->builders[level], (uint8) level, writer->compression,
				  writer->desc.file_id, writer->written, &writer->sealed);
	writer->block_offset = writer->written;
	writer->block_size = writer->sealed.len;
	write_bytes(ctx, writer, writer->sealed.data, writer->sealed.len);
}

/*
 * Write the open block of a level and enter it one level up, there too if
 * that makes the block above full.
 */
static void
close_block(const BbReqCtx *ctx, BbLayerWriter *writer, int level)
{
	BbBlockBuilder *above = builder_at(writer, level + 1);
	uint8		place[BB_INDEX_VALUE_SIZE];
	BbEntry		entry;

	write_block(ctx, writer, level);
	bb_put_le64(place, writer->block_offset);
	bb_put_le32(place + 8, writer->block_size);
	entry.key = writer->builders[level].first_key;
	entry.lsn = writer->desc.lsn_start;
	entry.type = BB_ENTRY_INDEX;
	entry.value = place;
	entry.length = sizeof(place);
	bb_block_builder_reset(&writer->builders[level]);

	bb_block_builder_add(above, &entry);
	if (bb_block_builder_size(above) >= BB_BLOCK_TARGET_SIZE)
		close_block(ctx, writer, level + 1);
}

void
bb_layer_writer_add(const BbReqCtx *ctx, BbLayerWriter *writer,
					const BbKey *key, const void *value, size_t length)
{
	BbBlockBuilder *leaf = builder_at(writer, 0);
	BbEntry		entry;

	if (length > BB_VALUE_MAX_SIZE)
		elog(ERROR, "value of %s is too large: %zu bytes", bb_key_text(key),
			 length);
	if (writer->desc.entries > 0
			? bb_key_compare(key, &writer->last_key) <= 0
			: bb_key_compare(key, &writer->desc.keys.start) < 0)
		elog(ERROR, "key is out of order: %s", bb_key_text(key));

	entry.key = *key;
	entry.lsn = writer->desc.lsn_start;
	entry.type = BB_ENTRY_IMAGE;
	entry.value = value;
	entry.length = (uint32) length;
	bb_block_builder_add(leaf, &entry);
	writer->last_key = *key;
	writer->desc.entries++;

	if (bb_block_builder_size(leaf) >= BB_BLOCK_TARGET_SIZE)
		close_block(ctx, writer, 0);
}

uint64
bb_layer_writer_size(const BbLayerWriter *writer)
{
	return writer->written;
}

static void
write_footer(const BbReqCtx *ctx, BbLayerWriter *writer)
{
	StringInfoData footer;
	const BbLayerDesc *desc = &writer->desc;
	pg_crc32c	crc;

	initStringInfo(&footer);
	bb_append_le64(&footer, writer->block_offset);
	bb_append_le32(&footer, writer->block_size);
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
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, footer.data, footer.len);
	FIN_CRC32C(crc);
	bb_append_le32(&footer, crc);
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
	 * Close the levels from below.  The highest one that is in use becomes
	 * the root; closing one may open a higher one, so this is no for loop
	 * over a fixed number.
	 */
	for (int level = 0;; level++)
	{
		bool		top = level == writer->levels - 1;

		if (writer->builders[level].count == 0)
			continue; /* its last block was just full */
		if (top)
		{
			write_block(ctx, writer, level);
			break;
		}
		close_block(ctx, writer, level);
	}
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
