/*-------------------------------------------------------------------------
 *
 * pages.h
 *	  Single pages of a snapshot, of which the last ones are kept.
 *
 * The value of a key at an LSN never changes.  So a page may be kept for as long
 * as the snapshot is used; there is nothing to invalidate.
 *
 * A page that is returned stays valid until the next call.  It is aligned as a
 * Page, and its header has been checked.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a page that is missing, or that
 * no server can have written).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_PAGES_H
#define BB_HEAP_PAGES_H

#include "base/compat.h"
#include "pagestore/snapshot.h"
#include "storage/bufpage.h"

typedef struct BbPages BbPages;

/* The cache takes up to that, in CurrentMemoryContext. */
#define BB_PAGES_MAX_BYTES (8 * 1024 * 1024)

extern BbPages *bb_pages_new(const BbSnapshot *snapshot);
extern const BbSnapshot *bb_pages_snapshot(const BbPages *pages);

/*
 * bb_pages_blocks - return the number of blocks of a main fork.
 *
 * Errors: DATA_CORRUPTED (there is no such relation).
 */
extern BlockNumber bb_pages_blocks(const BbReqCtx *ctx, BbPages *pages,
								   BbRelLocator relation);

/* bb_pages_get - return a block of a main fork. */
extern Page bb_pages_get(const BbReqCtx *ctx, BbPages *pages,
						 BbRelLocator relation, BlockNumber block);

/*
 * bb_pages_slru - return page number "page" of an SLRU, which is only bytes;
 * NULL if there is none.
 */
extern const uint8 *bb_pages_slru(const BbReqCtx *ctx, BbPages *pages,
								  BbSlru slru, uint64 page);

/*
 * bb_page_is_sound - does what the header says stay within the page?
 *
 * A page of zeros is sound; it has no line pointers.
 */
extern bool bb_page_is_sound(Page page);

/* bb_item_is_sound - does what a line pointer with storage names do so? */
static inline bool
bb_item_is_sound(Page page, ItemId item)
{
	const PageHeaderData *header = (const PageHeaderData *) page;

	return ItemIdGetOffset(item) == MAXALIGN(ItemIdGetOffset(item)) &&
		ItemIdGetOffset(item) >= header->pd_upper &&
		ItemIdGetOffset(item) + ItemIdGetLength(item) <= header->pd_special;
}

#endif /* BB_HEAP_PAGES_H */
