/*-------------------------------------------------------------------------
 *
 * block.h
 *	  One block of a layer file: build, seal, open, search.
 *
 *	  payload:	entry … entry | offset of each, u32 … | their number, u32
 *	  on disk:	header (16) | payload, perhaps compressed
 *
 * See format.h.  These functions do no I/O: the caller passes the bytes and
 * their place in the file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCK_H
#define BB_BLOCK_H

#include "layer/layer.h"
#include "lib/stringinfo.h"

/* ---- building ---- */

typedef struct BbBlockBuilder
{
	StringInfoData payload;
	StringInfoData offsets;
	uint32		count;
	BbKey		first_key;
	XLogRecPtr	first_lsn;
} BbBlockBuilder;

extern void bb_block_builder_init(BbBlockBuilder *builder);
extern void bb_block_builder_reset(BbBlockBuilder *builder);
extern void bb_block_builder_add(BbBlockBuilder *builder,
								 const BbEntry *entry);

/* bb_block_builder_size - return the present size of the payload, in bytes. */
extern size_t bb_block_builder_size(const BbBlockBuilder *builder);

/*
 * bb_block_seal - append header and payload to *out, ready to be written at
 * "offset" of the file "file_id".
 */
extern void bb_block_seal(BbBlockBuilder *builder, uint8 level,
						  BbCompression compression, uint64 file_id,
						  uint64 offset, StringInfo out);

/* ---- opening ---- */

/* What a block's header says. */
typedef struct BbBlockHeader
{
	uint8		level;
	BbCompression compression;
	uint32		raw_length;
	uint32		stored_length; /* without the header */
} BbBlockHeader;

/* An opened block.  Opening another one in it uses its memory again. */
typedef struct BbBlock
{
	uint8		level;
	uint32		count; /* entries */
	uint8	   *payload;
	uint32		entries_end; /* where the offsets begin */
	size_t		allocated;	 /* of payload */
} BbBlock;

/*
 * bb_block_header_decode - decode the header of a block.
 *
 * Returns false if it is invalid.
 */
extern bool bb_block_header_decode(const uint8 *bytes, BbBlockHeader *header);

/*
 * bb_block_open - check and decompress a block.
 *
 * "bytes" are header and payload as in the file, and "length" is how many
 * bytes there are.  Returns NULL, or an errdetail if the block is broken.
 *
 * block->payload is allocated in CurrentMemoryContext if it is NULL.
 */
extern const char *bb_block_open(BbBlock *block, const uint8 *bytes,
								 size_t length, uint64 file_id, uint64 offset);

/*
 * bb_block_entry - decode entry i of an opened block.
 *
 * Returns false if the entry is broken.
 *
 * REQUIRES: i < block->count
 */
extern bool bb_block_entry(const BbBlock *block, uint32 i, BbEntry *entry);

/*
 * bb_block_search - count the entries before (key, lsn), or, with or_equal,
 * before or at it.
 *
 * Returns false if an entry on the way is broken.
 */
extern bool bb_block_search(const BbBlock *block, const BbKey *key,
							XLogRecPtr lsn, bool or_equal, uint32 *position);

#endif /* BB_BLOCK_H */
