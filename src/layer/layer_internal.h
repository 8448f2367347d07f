/*-------------------------------------------------------------------------
 *
 * layer_internal.h
 *	  An open layer, which point reads and cursors share.
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
 * Blocks of each level that are kept for point reads.  A caller often reads a
 * page and the size of its relation in turn, which are far apart, and a search of
 * the catalogs comes back to an index after a few other pages.
 */
#define BB_CACHED_BLOCKS 5

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

	/* for point reads: the blocks of each level that were used last */
	MemoryContext blocks_context; /* NULL: none are kept */
	BbCachedBlock cached[BB_LEVEL_MAX + 1][BB_CACHED_BLOCKS];
	uint64		clock;
	uint8	   *buffer; /* for a block as it is stored */
	size_t		buffer_size;
};

/* bb_layer_corrupted - report a layer that is broken at "offset". */
pg_noreturn extern void bb_layer_corrupted(const BbLayer *layer, uint64 offset,
										   const char *detail);

/*
 * bb_layer_frame_error - check header and footer against layer->desc.
 *
 * Returns an errdetail and the offset of what is wrong, or NULL.  Then root,
 * root_level and the place of the filter are set.
 *
 * REQUIRES: the object has desc.size bytes, enough for both.
 *
 * Errors: FEATURE_NOT_SUPPORTED (a newer version of bbackup has written it).
 */
extern const char *bb_layer_frame_error(const BbReqCtx *ctx, BbLayer *layer,
										uint64 *offset);

/* bb_layer_place_possible - can there be a block? */
extern bool bb_layer_place_possible(const BbLayer *layer,
									const BbPlace *place);

/* bb_layer_check_place - raise an error if no block can be there. */
extern void bb_layer_check_place(const BbLayer *layer, const BbPlace *place);

/*
 * bb_layer_open_block - open the block that these bytes are, which must be of
 * "level".
 */
extern void bb_layer_open_block(const BbReqCtx *ctx, const BbLayer *layer,
								const BbPlace *place, const uint8 *bytes,
								int level, BbBlock *block);

/*
 * bb_layer_entry_possible - decode an entry of a block.  Returns false if it
 * is broken, or can't be in such a block of such a layer.
 */
extern bool bb_layer_entry_possible(const BbLayer *layer, const BbBlock *block,
									uint32 position, BbEntry *entry);

/* bb_layer_entry - decode entry "position" of the block at "offset". */
extern void bb_layer_entry(const BbLayer *layer, uint64 offset,
						   const BbBlock *block, uint32 position,
						   BbEntry *entry);

/* bb_layer_search - like bb_block_search, but a broken entry is an error. */
extern uint32 bb_layer_search(const BbLayer *layer, uint64 offset,
							  const BbBlock *block, const BbKey *key,
							  XLogRecPtr lsn, bool or_equal);

/*
 * bb_layer_check_child - check that the block at "offset" begins with the key
 * and LSN of the index entry that led to it.
 */
extern void bb_layer_check_child(const BbLayer *layer, const BbEntry *index,
								 uint64 offset, const BbBlock *child);

/* bb_layer_entry_place - return the place that an index entry points to. */
extern BbPlace bb_layer_entry_place(const BbEntry *entry);

#endif /* BB_LAYER_INTERNAL_H */
