/*-------------------------------------------------------------------------
 *
 * layer_internal.h
 *	  An open layer, as point reads and cursors share it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYER_INTERNAL_H
#define BB_LAYER_INTERNAL_H

#include "base/compat.h"
#include "layer/block.h"
#include "layer/filter.h"

/* Where a block is. */
typedef struct BbPlace
{
	uint64		offset;
	uint32		size; /* with its header */
} BbPlace;

/*
 * So many blocks of a level are kept for point reads: what a page is and how
 * long its relation is are far from each other.
 */
#define BB_CACHED_BLOCKS 3

typedef struct BbCachedBlock
{
	BbBlock		block;
	uint64		offset; /* 0: none */
	uint64		used;	/* when */
} BbCachedBlock;

struct BbLayer
{
	MemoryContext context; /* owns the layer */
	BbObjectReader *object;
	BbLayerDesc desc;
	char	   *name;
	BbPlace		root;
	int			root_level;
	uint64		filter_offset;
	uint32		filter_pages; /* 0: no filter */

	/* for point reads: the blocks last used of each level */
	MemoryContext blocks_context; /* NULL: none are kept */
	BbCachedBlock cached[BB_LEVEL_MAX + 1][BB_CACHED_BLOCKS];
	uint64		clock;
	uint8	   *buffer; /* for a block as it is stored */
	size_t		buffer_size;
};

/*
 * bb_layer_corrupted - report a layer that is broken at "offset".
 */
pg_noreturn extern void bb_layer_corrupted(const BbLayer *layer, uint64 offset,
										   const char *complaint);

/* Can there be a block?  An error if not. */
extern void bb_layer_check_place(const BbLayer *layer, const BbPlace *place);

/*
 * bb_layer_open_block - open the block whose bytes are at hand, and which must
 * be of "level".
 */
extern void bb_layer_open_block(const BbReqCtx *ctx, const BbLayer *layer,
								const BbPlace *place, const uint8 *bytes,
								int level, BbBlock *block);

/*
 * bb_layer_entry - entry "position" of a block that was opened at "offset".
 */
extern void bb_layer_entry(const BbLayer *layer, uint64 offset,
						   const BbBlock *block, uint32 position,
						   BbEntry *entry);

/*
 * bb_layer_search - bb_block_search, with a broken entry as an error.
 */
extern uint32 bb_layer_search(const BbLayer *layer, uint64 offset,
							  const BbBlock *block, const BbKey *key,
							  XLogRecPtr lsn, bool or_equal);

/*
 * bb_layer_check_child - a block, opened at "offset", has to begin with the
 * key and LSN of the index entry that led to it.
 */
extern void bb_layer_check_child(const BbLayer *layer, const BbEntry *index,
								 uint64 offset, const BbBlock *child);

/* What an index entry points to. */
extern BbPlace bb_layer_entry_place(const BbEntry *entry);

#endif /* BB_LAYER_INTERNAL_H */
