/*-------------------------------------------------------------------------
 *
 * pages.c
 *	  Single pages of a snapshot, of which the last ones are kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "base/codec.h"
#include "common/hashfn.h"
#include "heap/pages.h"
#include "pagestore/blockread.h"
#include "utils/memutils.h"

/* The cache is a table of sets; a page may be in any place of its key's set. */
#define WAYS 4
#define SETS (BB_PAGES_MAX_BYTES / BLCKSZ / WAYS)

/* Sizes of relations, each of which has one place. */
#define SIZES 256

typedef struct Kept
{
	BbKey		key;
	uint64		used; /* by the clock; 0: the place is free */
	char	   *page; /* NULL: never used */
} Kept;

typedef struct KeptSize
{
	bool		used;
	BbKey		key;
	BlockNumber blocks;
} KeptSize;

struct BbPages
{
	MemoryContext context;
	BbSnapshot	snapshot;
	BbZeroRuns	zeros;
	uint64		clock;
	Kept		kept[SETS][WAYS];
	KeptSize	sizes[SIZES];
};

BbPages *
bb_pages_new(const BbSnapshot *snapshot)
{
	BbPages	   *pages = palloc0(sizeof(BbPages));

	pages->context = CurrentMemoryContext;
	pages->snapshot = *snapshot;
	bb_zeroruns_init(&pages->zeros, snapshot);
	return pages;
}

const BbSnapshot *
bb_pages_snapshot(const BbPages *pages)
{
	return &pages->snapshot;
}

/* ---- checks ---- */

bool
bb_page_is_sound(Page page)
{
	const PageHeaderData *header = (const PageHeaderData *) page;

	if (PageIsNew(page))
		return header->pd_lower == 0;
	return header->pd_lower >= SizeOfPageHeaderData &&
		header->pd_lower <= header->pd_upper &&
		header->pd_upper <= header->pd_special &&
		header->pd_special <= BLCKSZ &&
		header->pd_special == MAXALIGN(header->pd_special) &&
		PageGetPageSize(page) == BLCKSZ;
}

/* ---- the cache ---- */

/* The place of the key, or else the one of its set that was used longest ago. */
static Kept *
find_place(BbPages *pages, const BbKey *key, bool *found)
{
	uint32		hash = hash_bytes(key->bytes, BB_KEY_LENGTH);
	Kept	   *set = pages->kept[hash % SETS];
	Kept	   *place = &set[0];

	*found = true;
	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].used != 0 && bb_key_compare(&set[i].key, key) == 0)
			return &set[i];
		if (set[i].used < place->used)
			place = &set[i];
	}
	*found = false;
	return place;
}

static char *
keep(BbPages *pages, Kept *place, const BbKey *key, const uint8 *page)
{
	place->used = 0;
	if (place->page == NULL)
		place->page = MemoryContextAlloc(pages->context, BLCKSZ);
	memcpy(place->page, page, BLCKSZ);
	place->key = *key;
	place->used = ++pages->clock;
	return place->page;
}

/* ---- pages ---- */

BlockNumber
bb_pages_blocks(const BbReqCtx *ctx, BbPages *pages, BbRelLocator relation)
{
	BbKey		key = bb_key_rel_size(BB_LOCATOR_SPC(relation),
									  BB_LOCATOR_DB(relation),
									  BB_LOCATOR_REL(relation), MAIN_FORKNUM);
	KeptSize   *kept = &pages->sizes[hash_bytes(key.bytes, BB_KEY_LENGTH) % SIZES];
	BbValue		value;

	if (kept->used && bb_key_compare(&kept->key, &key) == 0)
		return kept->blocks;
	value = bb_pagestore_need(ctx, &pages->snapshot, &key, sizeof(uint32));
	*kept = (KeptSize){.used = true,
					   .key = key,
					   .blocks = bb_get_le32(value.data)};
	return kept->blocks;
}

Page
bb_pages_get(const BbReqCtx *ctx, BbPages *pages, BbRelLocator relation,
			 BlockNumber block)
{
	BbKey		key = bb_key_rel_block(BB_LOCATOR_SPC(relation),
									   BB_LOCATOR_DB(relation),
									   BB_LOCATOR_REL(relation), MAIN_FORKNUM,
									   block);
	bool		found;
	Kept	   *place = find_place(pages, &key, &found);
	BbValue		value;
	const uint8 *page = NULL;

	if (found)
	{
		place->used = ++pages->clock;
		return place->page;
	}
	if (bb_pagestore_get(ctx, &pages->snapshot, &key, &value))
		page = value.length == BLCKSZ ? value.data : NULL;
	else
		page = bb_zeroruns_page(ctx, &pages->zeros, &key);
	if (page == NULL)
		bb_pagestore_report_invalid(&key);
	keep(pages, place, &key, page);
	if (!bb_page_is_sound(place->page))
	{
		place->used = 0;
		bb_pagestore_report_invalid(&key);
	}
	return place->page;
}

const uint8 *
bb_pages_slru(const BbReqCtx *ctx, BbPages *pages, BbSlru slru, uint64 page)
{
	BbKey		key = bb_key_slru_block(slru, page / SLRU_PAGES_PER_SEGMENT,
										(uint32) (page %
												  SLRU_PAGES_PER_SEGMENT));
	bool		found;
	Kept	   *place = find_place(pages, &key, &found);
	BbValue		value;

	if (found)
	{
		place->used = ++pages->clock;
		return (const uint8 *) place->page;
	}
	if (!bb_pagestore_get(ctx, &pages->snapshot, &key, &value))
		return NULL;
	if (value.length != BLCKSZ)
		bb_pagestore_report_invalid(&key);
	return (const uint8 *) keep(pages, place, &key, value.data);
}
