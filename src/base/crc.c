/*-------------------------------------------------------------------------
 *
 * crc.c
 *	  The server's CRC-32C, for long data.
 *
 * The processor has an instruction for eight bytes, which the server uses too.
 * Each takes three cycles and needs the result of the previous one, though one
 * could begin in every cycle.  So this computes three CRCs at the same time, of
 * adjacent lanes:
 *
 *	  | lane: 0 -> a | lane: 0 -> b | lane: 0 -> c | lane: 0 -> a | ...
 *
 * A CRC is linear: the CRC of two pieces is the CRC of the first, continued over
 * as many zeros as the second has bytes, XOR the CRC of the second, begun with
 * 0.  The effect of a lane of zeros on each byte of a CRC is in a table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"

#if defined(__x86_64__) &&        \
	(defined(USE_SSE42_CRC32C) || \
	 defined(USE_SSE42_CRC32C_WITH_RUNTIME_CHECK))

#include <nmmintrin.h>

/* Three lanes are a page less eight bytes. */
#define LANE_BYTES 2728

/* The CRC after a lane of zeros is the XOR of these, by byte of the one before. */
static uint32 after_lane[sizeof(uint32)][256];

static inline uint32
skip_lane(uint32 crc)
{
	return after_lane[0][crc & 0xff] ^ after_lane[1][crc >> 8 & 0xff] ^
		after_lane[2][crc >> 16 & 0xff] ^ after_lane[3][crc >> 24];
}

static void
make_table(void)
{
	static const uint8 zeros[LANE_BYTES];

	for (int byte = 0; byte < sizeof(uint32); byte++)
	{
		uint32	   *after = after_lane[byte];

		for (int bit = 0; bit < 8; bit++)
		{
			pg_crc32c	crc = (pg_crc32c) 1 << (byte * 8 + bit);

			COMP_CRC32C(crc, zeros, sizeof(zeros));
			for (int lower = 0; lower < 1 << bit; lower++)
				after[1 << bit | lower] = crc ^ after[lower];
		}
	}
}

static inline uint64
word_at(const uint8 *data)
{
	uint64		word;

	memcpy(&word, data, sizeof(word));
	return word;
}

/* Continue a CRC over three lanes. */
__attribute__((target("sse4.2"))) static uint32
add_lanes(uint32 crc, const uint8 *data)
{
	uint64		a = crc;
	uint64		b = 0;
	uint64		c = 0;

	for (int n = 0; n < LANE_BYTES; n += sizeof(uint64))
	{
		a = _mm_crc32_u64(a, word_at(data + n));
		b = _mm_crc32_u64(b, word_at(data + LANE_BYTES + n));
		c = _mm_crc32_u64(c, word_at(data + 2 * LANE_BYTES + n));
	}
	return skip_lane(skip_lane((uint32) a) ^ (uint32) b) ^ (uint32) c;
}

/* Does the processor have the instruction?  Creates the table. */
static bool
have_lanes(void)
{
	static bool asked = false;
	static bool answer;

	if (!asked)
	{
		answer = __builtin_cpu_supports("sse4.2");
		if (answer)
			make_table();
		asked = true;
	}
	return answer;
}

#endif

pg_crc32c
bb_crc32c(pg_crc32c crc, const void *data, size_t length)
{
	const uint8 *at = data;

#ifdef LANE_BYTES
	while (length >= 3 * LANE_BYTES && have_lanes())
	{
		crc = add_lanes(crc, at);
		at += 3 * LANE_BYTES;
		length -= 3 * LANE_BYTES;
	}
#endif
	COMP_CRC32C(crc, at, length);
	return crc;
}
