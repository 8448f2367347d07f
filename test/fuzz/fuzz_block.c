/*-------------------------------------------------------------------------
 *
 * fuzz_block.c
 *	  Blocks of layers, with correct checksums and each compression method.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/crc.h"
#include "fuzz.h"
#include "layer/block.h"

#define FILE_ID UINT64CONST(0x0123456789abcdef)
#define OFFSET 28

static void
seal(uint8 *bytes, size_t size)
{
	size_t		stored = bb_get_le32(bytes + 8);
	uint8		place[16];
	pg_crc32c	crc;

	if (stored > size - BB_BLOCK_HEADER_SIZE)
		return;
	bb_put_le64(place, FILE_ID);
	bb_put_le64(place + 8, OFFSET);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bytes, 12);
	COMP_CRC32C(crc, bytes + BB_BLOCK_HEADER_SIZE, stored);
	COMP_CRC32C(crc, place, sizeof(place));
	FIN_CRC32C(crc);
	bb_put_le32(bytes + 12, crc);
}

static void
take(const uint8_t *data, size_t size)
{
	uint8	   *bytes = palloc(size);
	BbBlock		block = {0};
	BbEntry		entry;
	BbEntry		before;
	uint64		sum = 0;

	memcpy(bytes, data, size);
	if (size >= BB_BLOCK_HEADER_SIZE)
		seal(bytes, size);
	if (bb_block_open(&block, bytes, size, FILE_ID, OFFSET) != NULL)
		return;
	for (uint32 i = 0; i < block.count; i++)
	{
		uint32		position;

		FUZZ_CHECK(bb_block_entry(&block, i, &entry));
		for (uint32 j = 0; j < entry.length; j++)
			sum += entry.value[j];
		FUZZ_CHECK(
			bb_block_search(&block, &entry.key, entry.lsn, true, &position));
		/* each entry is found, or an equal one */
		FUZZ_CHECK(position > i && position <= block.count);
		if (i > 0)
			FUZZ_CHECK(bb_key_compare(&before.key, &entry.key) <= 0);
		before = entry;
	}
	FUZZ_CHECK(sum != PG_UINT64_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}
