/*-------------------------------------------------------------------------
 *
 * block.h
 *	  One block of a layer file: made, sealed, opened, searched.
 *
 *	  payload:	entry … entry | offset of each, u32 … | their number, u32
 *	  on disk:	header (16) | payload, perhaps compressed
 *
 * See format.h.  Building and opening know nothing of files; whoever reads or
 * writes brings the bytes, and where in the file they are.
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
/* Bytes of the payload as it is now. */
extern size_t bb_block_builder_size(const BbBlockBuilder *builder);

/*
 * bb_block_seal - header and payload, ready to be written at "offset" of the
 * file "file_id", appended to *out.
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

/* An opened block.  Its memory is its owner's and is used again. */
typedef struct BbBlock
{
	uint8		level;
	uint32		count; /* entries */
	uint8	   *payload;
	uint32		entries_end; /* where the offsets begin */
	size_t		allocated;	 /* of payload */
} BbBlock;

/*
 * bb_block_header_decode - false when it can't be one of ours.
 */
extern bool bb_block_header_decode(const uint8 *bytes, BbBlockHeader *header);

/*
 * bb_block_open - check and decompress header and payload as they lie in the
 * file; "length" is what is at hand.  False, with what is wrong in
 * *complaint, when anything is.
 *
 * block->payload is allocated in CurrentMemoryContext, if it isn't yet.
 */
extern bool bb_block_open(BbBlock *block, const uint8 *bytes, size_t length,
						  uint64 file_id, uint64 offset,
						  const char **complaint);

/*
 * bb_block_entry - entry i of an opened block; false when it is broken.
 *
 * REQUIRES: i < block->count
 */
extern bool bb_block_entry(const BbBlock *block, uint32 i, BbEntry *entry);

/*
 * bb_block_search - how many entries come before (key, lsn); or_equal: before
 * or at it?  False when one that was looked at is broken.
 */
extern bool bb_block_search(const BbBlock *block, const BbKey *key,
							XLogRecPtr lsn, bool or_equal, uint32 *position);

#endif /* BB_BLOCK_H */
