/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  The key filter of a delta layer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/crc.h"
#include "layer/filter.h"

/* 2^64 divided by the golden ratio. */
#define SPREAD UINT64CONST(0x9E3779B97F4A7C15)

#define AT_CRC (BB_FILTER_PAGE_SIZE - 4)

uint32
bb_filter_hash(const BbKey *key)
{
	return bb_crc32c_of(key->bytes, BB_KEY_LENGTH);
}

uint32
bb_filter_pages(uint64 keys)
{
	return (uint32) (keys / BB_FILTER_KEYS_PER_PAGE + 1);
}

uint32
bb_filter_page_of(uint32 hash, uint32 pages)
{
	return (uint32) ((hash * SPREAD) >> 32) % pages;
}

/*
 * The bits of a key in its page: a start and a stride, made of hash bits that
 * didn't choose the page.
 */
static inline void
probes(uint32 hash, uint32 *bit, uint32 *stride)
{
	uint64		spread = hash * SPREAD;

	*bit = (uint32) (spread & 0xFFF) % BB_FILTER_BITS;
	*stride = (uint32) ((spread >> 12) & 0xFFF) | 1;
}

void
bb_filter_page_add(uint8 *page, uint32 hash)
{
	uint32		bit;
	uint32		stride;

	probes(hash, &bit, &stride);
	for (int i = 0; i < BB_FILTER_PROBES; i++)
	{
		page[bit / 8] |= 1 << bit % 8;
		bit = (bit + stride) % BB_FILTER_BITS;
	}
}

bool
bb_filter_page_test(const uint8 *page, uint32 hash)
{
	uint32		bit;
	uint32		stride;

	probes(hash, &bit, &stride);
	for (int i = 0; i < BB_FILTER_PROBES; i++)
	{
		if ((page[bit / 8] & 1 << bit % 8) == 0)
			return false;
		bit = (bit + stride) % BB_FILTER_BITS;
	}
	return true;
}

/* Like the CRC of a block, it covers the place of the page. */
static pg_crc32c
page_crc(const uint8 *page, uint64 file_id, uint64 offset)
{
	uint8		place[16];
	pg_crc32c	crc;

	bb_put_le64(place, file_id);
	bb_put_le64(place + 8, offset);

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, page, AT_CRC);
	COMP_CRC32C(crc, place, sizeof(place));
	FIN_CRC32C(crc);
	return crc;
}

void
bb_filter_page_seal(uint8 *page, uint64 file_id, uint64 offset)
{
	bb_put_le32(page + AT_CRC, page_crc(page, file_id, offset));
}

bool
bb_filter_page_check(const uint8 *page, uint64 file_id, uint64 offset)
{
	return bb_get_le32(page + AT_CRC) == page_crc(page, file_id, offset);
}
