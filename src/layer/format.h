/*-------------------------------------------------------------------------
 *
 * format.h
 *	  The layout of layer files; docs/format.md describes it byte by byte.
 *
 *	  +--------+------+------+---+-------+------+---+------+--------+--------+
 *	  | header | data | data | … | index | data | … | root | filter | footer |
 *	  +--------+------+------+---+-------+------+---+------+--------+--------+
 *
 * A block is a header, which is never compressed, and a payload, which may
 * be.  A payload is a sequence of entries in (key, LSN) order, followed by
 * the offset of each and their number, so that a block can be searched by
 * bisection and read in order.  An index block has the same form: the values
 * of its entries are the places of blocks one level below, and their keys and
 * LSNs are the first ones of these blocks.  The footer holds the place of the
 * root.
 *
 * A delta layer has a key filter (filter.h), so that a point read can skip the
 * layer.
 *
 * Everything except keys is little-endian.  Every block has a CRC32C that also
 * covers the file's id and the offset of the block: a block that was read from
 * another file, or from another place, is as broken as one with a wrong bit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FORMAT_H
#define BB_FORMAT_H

#define BB_FORMAT_VERSION 1

/* Header: magic 8, version u32, reserved u32, file id u64, crc u32. */
#define BB_LAYER_MAGIC "bblayer\n"
#define BB_LAYER_HEADER_SIZE 28

/* Block header: level u8, compression u8, reserved u16, raw length u32,
 * stored length u32, crc u32. */
#define BB_BLOCK_HEADER_SIZE 16

/* Entry: key 18, LSN u64, type u8, value length u32, value. */
#define BB_ENTRY_HEADER_SIZE (BB_KEY_LENGTH + 8 + 1 + 4)

/* The value of an index entry: offset u64, size with header u32. */
#define BB_INDEX_VALUE_SIZE 12

/* Footer: root offset u64, root size u32, filter offset u64, filter pages
 * u32, entries u64, LSN start u64, LSN end u64, key start 18, key end 18,
 * image u8, root level u8, file id u64, version u32, crc u32, magic 8. */
#define BB_FOOTER_SIZE \
	(8 + 4 + 8 + 4 + 8 + 8 + 8 + 18 + 18 + 1 + 1 + 8 + 4 + 4 + 8)
#define BB_FOOTER_MAGIC "bbfoot1\n"

/* A block is closed once its payload has at least this many bytes: four
 * pages.  Larger blocks compress better, smaller ones make point reads
 * faster. */
#define BB_BLOCK_TARGET_SIZE 32768

/*
 * Entries of one key stay together up to that size: pages that a key has again
 * and again, as full-page images, are compressed to their differences.
 */
#define BB_BLOCK_KEY_SIZE (4 * BB_BLOCK_TARGET_SIZE)

/* The limit of a value's size, as WAL records that change pages are smaller. */
#define BB_VALUE_MAX_SIZE (1024 * 1024)

/* The limit of a payload's size.  A reader refuses a larger one. */
#define BB_BLOCK_MAX_SIZE (2 * BB_VALUE_MAX_SIZE)

/* The limit of levels, which no writer can reach. */
#define BB_LEVEL_MAX 8

/* What an entry holds. */
typedef enum BbEntryType
{
	BB_ENTRY_IMAGE = 1,	 /* the whole value */
	BB_ENTRY_INDEX = 2,	 /* in index blocks: the place of a block */
	BB_ENTRY_RECORD = 3, /* a WAL record that changes the value before it */
	BB_ENTRY_RECORD_INIT = 4, /* a WAL record that makes the page anew */
	BB_ENTRY_NATIVE = 5,	  /* a native record; see layer/native.h */
	BB_ENTRY_DELETED = 6	  /* the key does not exist from here on */
} BbEntryType;

#endif /* BB_FORMAT_H */
