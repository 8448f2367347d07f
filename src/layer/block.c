/*-------------------------------------------------------------------------
 *
 * block.c
 *	  One block of a layer file: build, seal, open, search.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/crc.h"
#include "layer/block.h"

/* Where the fields of a block header are; see format.h. */
#define AT_LEVEL 0
#define AT_COMPRESSION 1
#define AT_RESERVED 2
#define AT_RAW_LENGTH 4
#define AT_STORED_LENGTH 8
#define AT_CRC 12

/* Memory for a payload: allocated in multiples, kept up to a limit. */
#define ROOM_UNIT 8192
#define ROOM_KEPT (2 * BB_BLOCK_KEY_SIZE)

void
bb_block_builder_init(BbBlockBuilder *builder)
{
	initStringInfo(&builder->payload);
	initStringInfo(&builder->offsets);
	builder->count = 0;
}

void
bb_block_builder_reset(BbBlockBuilder *builder)
{
	resetStringInfo(&builder->payload);
	resetStringInfo(&builder->offsets);
	builder->count = 0;
}

void
bb_block_builder_add(BbBlockBuilder *builder, const BbEntry *entry)
{
	if (builder->count++ == 0)
	{
		builder->first_key = entry->key;
		builder->first_lsn = entry->lsn;
	}
	bb_append_le32(&builder->offsets, builder->payload.len);

	appendBinaryStringInfo(&builder->payload, (char *) entry->key.bytes,
						   BB_KEY_LENGTH);
	bb_append_le64(&builder->payload, entry->lsn);
	bb_append_u8(&builder->payload, (uint8) entry->type);
	bb_append_le32(&builder->payload, entry->length);
	appendBinaryStringInfo(&builder->payload, (const char *) entry->value,
						   entry->length);
}

size_t
bb_block_builder_size(const BbBlockBuilder *builder)
{
	return builder->payload.len + builder->offsets.len + sizeof(uint32);
}

/*
 * The CRC of a block covers the header up to the CRC, the stored payload, and
 * the place of the block.
 */
static pg_crc32c
block_crc(const uint8 *header, const uint8 *payload, size_t length,
		  uint64 file_id, uint64 offset)
{
	uint8		place[16];
	pg_crc32c	crc;

	bb_put_le64(place, file_id);
	bb_put_le64(place + 8, offset);

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, AT_CRC);
	crc = bb_crc32c(crc, payload, length);
	COMP_CRC32C(crc, place, sizeof(place));
	FIN_CRC32C(crc);
	return crc;
}

void
bb_block_seal(BbBlockBuilder *builder, uint8 level, BbCompression compression,
			  uint64 file_id, uint64 offset, StringInfo out)
{
	StringInfo	payload = &builder->payload;
	size_t		bound;
	size_t		stored;
	uint8	   *header;
	int			start = out->len;

	appendBinaryStringInfo(payload, builder->offsets.data,
						   builder->offsets.len);
	bb_append_le32(payload, builder->count);

	bound = Max(bb_compress_bound(compression, payload->len), payload->len);
	enlargeStringInfo(out, (int) (BB_BLOCK_HEADER_SIZE + bound));
	header = (uint8 *) out->data + start;

	stored = bb_compress(compression, payload->data, payload->len,
						 header + BB_BLOCK_HEADER_SIZE, bound);
	if (stored == 0 || stored >= payload->len)
	{
		compression = BB_COMPRESSION_NONE;
		stored = payload->len;
		memcpy(header + BB_BLOCK_HEADER_SIZE, payload->data, stored);
	}

	memset(header, 0, BB_BLOCK_HEADER_SIZE);
	header[AT_LEVEL] = level;
	header[AT_COMPRESSION] = (uint8) compression;
	bb_put_le32(header + AT_RAW_LENGTH, payload->len);
	bb_put_le32(header + AT_STORED_LENGTH, (uint32) stored);
	bb_put_le32(header + AT_CRC,
				block_crc(header, header + BB_BLOCK_HEADER_SIZE, stored,
						  file_id, offset));
	out->len = start + BB_BLOCK_HEADER_SIZE + (int) stored;
	out->data[out->len] = '\0';
}

bool
bb_block_header_decode(const uint8 *bytes, BbBlockHeader *header)
{
	header->level = bytes[AT_LEVEL];
	header->compression = (BbCompression) bytes[AT_COMPRESSION];
	header->raw_length = bb_get_le32(bytes + AT_RAW_LENGTH);
	header->stored_length = bb_get_le32(bytes + AT_STORED_LENGTH);

	return header->level <= BB_LEVEL_MAX &&
		header->raw_length >= sizeof(uint32) &&
		header->raw_length <= BB_BLOCK_MAX_SIZE &&
		header->stored_length <= header->raw_length;
}

/*
 * Allocate memory for the payload.  Nearly all blocks are a little larger than
 * BB_BLOCK_TARGET_SIZE.  Memory of the rare large ones isn't kept.
 */
static void
make_room(BbBlock *block, size_t length)
{
	size_t		size = TYPEALIGN(ROOM_UNIT, length);

	if (block->allocated >= length && block->allocated <= Max(size, ROOM_KEPT))
		return;
	if (block->payload)
		pfree(block->payload);
	block->payload = NULL; /* in case of an error */
	block->allocated = 0;
	block->payload = palloc(size);
	block->allocated = size;
}

/*
 * Do the entries follow each other without gaps, in the order of their keys
 * and LSNs?  Searches rely on that: an entry in the wrong place would not be
 * found, and a page would miss a change.
 */
static bool
is_in_order(const BbBlock *block)
{
	const uint8 *before = NULL;
	uint32		end = 0;

	for (uint32 i = 0; i < block->count; i++)
	{
		const uint8 *offset = block->payload + block->entries_end +
			i * sizeof(uint32);
		const uint8 *entry = block->payload + end;
		uint32		length;

		if (bb_get_le32(offset) != end ||
			block->entries_end - end < BB_ENTRY_HEADER_SIZE)
			return false;
		length = bb_get_le32(entry + BB_ENTRY_HEADER_SIZE - sizeof(uint32));
		if (length > BB_VALUE_MAX_SIZE ||
			length > block->entries_end - end - BB_ENTRY_HEADER_SIZE)
			return false;
		if (before != NULL)
		{
			int			order = memcmp(before, entry, BB_KEY_LENGTH);

			if (order > 0 ||
				(order == 0 &&
				 bb_get_le64(before + BB_KEY_LENGTH) >
					 bb_get_le64(entry + BB_KEY_LENGTH)))
				return false;
		}
		before = entry;
		end += BB_ENTRY_HEADER_SIZE + length;
	}
	return end == block->entries_end;
}

const char *
bb_block_open(BbBlock *block, const uint8 *bytes, size_t length,
			  uint64 file_id, uint64 offset)
{
	BbBlockHeader header;

	if (length < BB_BLOCK_HEADER_SIZE ||
		!bb_block_header_decode(bytes, &header) ||
		length - BB_BLOCK_HEADER_SIZE < header.stored_length)
		return "The block header is invalid.";
	if (bb_get_le32(bytes + AT_CRC) !=
		block_crc(bytes, bytes + BB_BLOCK_HEADER_SIZE, header.stored_length,
				  file_id, offset))
		return "The block's checksum does not match.";
	if (!bb_compression_available(header.compression))
		return "The block is compressed by a method that this server was "
			   "built without.";

	make_room(block, header.raw_length);
	if (!bb_decompress(header.compression, bytes + BB_BLOCK_HEADER_SIZE,
					   header.stored_length, block->payload,
					   header.raw_length))
		return "The block cannot be decompressed.";

	block->level = header.level;
	block->count = bb_get_le32(block->payload + header.raw_length -
							   sizeof(uint32));
	if (block->count == 0 ||
		block->count > header.raw_length / (BB_ENTRY_HEADER_SIZE + 4))
		return "The block's number of entries is impossible.";
	block->entries_end = header.raw_length -
		(block->count + 1) * sizeof(uint32);
	if (!is_in_order(block))
		return "The entries of the block are not in order.";
	return NULL;
}

/* Find where entry i begins.  False: there is no room for an entry there. */
static inline bool
entry_at(const BbBlock *block, uint32 i, const uint8 **bytes, uint32 *room)
{
	uint32		offset = bb_get_le32(block->payload + block->entries_end +
									 i * sizeof(uint32));

	if (offset > block->entries_end ||
		block->entries_end - offset < BB_ENTRY_HEADER_SIZE)
		return false;
	*bytes = block->payload + offset;
	*room = block->entries_end - offset - BB_ENTRY_HEADER_SIZE;
	return true;
}

bool
bb_block_entry(const BbBlock *block, uint32 i, BbEntry *entry)
{
	const uint8 *bytes;
	uint32		room;

	if (!entry_at(block, i, &bytes, &room))
		return false;

	memcpy(entry->key.bytes, bytes, BB_KEY_LENGTH);
	bytes += BB_KEY_LENGTH;
	entry->lsn = bb_get_le64(bytes);
	bytes += sizeof(uint64);
	entry->type = (BbEntryType) *bytes++;
	entry->length = bb_get_le32(bytes);
	entry->value = bytes + sizeof(uint32);
	return entry->length <= room && entry->length <= BB_VALUE_MAX_SIZE;
}

/* Compare the entry at bytes with (key, lsn). */
static inline int
compare_entry(const uint8 *bytes, const BbKey *key, XLogRecPtr lsn)
{
	int			order = memcmp(bytes, key->bytes, BB_KEY_LENGTH);
	XLogRecPtr	its_lsn;

	if (order != 0)
		return order;
	its_lsn = bb_get_le64(bytes + BB_KEY_LENGTH);
	return its_lsn < lsn ? -1 : its_lsn > lsn;
}

bool
bb_block_search(const BbBlock *block, const BbKey *key, XLogRecPtr lsn,
				bool or_equal, uint32 *position)
{
	uint32		low = 0;
	uint32		high = block->count;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		const uint8 *bytes;
		uint32		room;
		int			order;

		if (!entry_at(block, middle, &bytes, &room))
			return false;
		order = compare_entry(bytes, key, lsn);
		if (order < 0 || (or_equal && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	*position = low;
	return true;
}
