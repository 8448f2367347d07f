/*-------------------------------------------------------------------------
 *
 * filter.h
 *	  The key filter of a delta layer: may the layer hold a key?
 *
 * A timeline gets a delta layer at each flush, and most of them cover most of
 * the keys.  A point read would have to search all of them, though few have
 * an entry of its key.  So each has a Bloom filter, cut into pages: a key
 * belongs to one page and sets some bits there, so a test reads one small
 * page.
 *
 *	  page:	 bits (BB_FILTER_BITS / 8 bytes) | crc u32
 *
 * The hash of a key is its CRC-32C, spread by a multiplication (Fibonacci
 * hashing); docs/format.md describes it in full.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FILTER_H
#define BB_FILTER_H

#include "base/key.h"

#define BB_FILTER_PAGE_SIZE 512
#define BB_FILTER_BITS ((BB_FILTER_PAGE_SIZE - 4) * 8)

/* Ten bits a key and seven probes: one in a hundred answers is a false yes. */
#define BB_FILTER_KEYS_PER_PAGE 400
#define BB_FILTER_PROBES 7

extern uint32 bb_filter_hash(const BbKey *key);

/* bb_filter_pages - return how many pages a filter of "keys" keys has. */
extern uint32 bb_filter_pages(uint64 keys);
/* bb_filter_page_of - return the number of the page that a key belongs to. */
extern uint32 bb_filter_page_of(uint32 hash, uint32 pages);

extern void bb_filter_page_add(uint8 *page, uint32 hash);
extern bool bb_filter_page_test(const uint8 *page, uint32 hash);

/*
 * bb_filter_page_seal - set the CRC of a page for its place, at "offset" of
 * the file "file_id".
 */
extern void bb_filter_page_seal(uint8 *page, uint64 file_id, uint64 offset);
extern bool bb_filter_page_check(const uint8 *page, uint64 file_id,
								 uint64 offset);

#endif /* BB_FILTER_H */
