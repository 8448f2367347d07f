/*-------------------------------------------------------------------------
 *
 * slrupages.c
 *	  Pages of SLRUs (pg_xact, pg_multixact, pg_commit_ts) as WAL changes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "ingest/slrupages.h"

static BbKey
page_key(BbSlru slru, int64 page)
{
	return bb_key_slru_block(slru, page / SLRU_PAGES_PER_SEGMENT,
							 page % SLRU_PAGES_PER_SEGMENT);
}

static uint32
segment_pages(BbIngest *ingest, BbSlru slru, int64 page)
{
	BbKey		key = bb_key_slru_size(slru, page / SLRU_PAGES_PER_SEGMENT);
	uint32		pages;

	if (!bb_directory_get_u32(ingest->ctx, ingest->directory, &key, &pages))
		return 0;
	return pages;
}

bool
bb_slrupages_exists(BbIngest *ingest, BbSlru slru, int64 page)
{
	return page % SLRU_PAGES_PER_SEGMENT < segment_pages(ingest, slru, page);
}

/*
 * Make the segment long enough; pages in between are zeros.  False: it was.
 */
static bool
reach(BbIngest *ingest, BbSlru slru, int64 page)
{
	int64		first = page - page % SLRU_PAGES_PER_SEGMENT;
	BbKey		size_key;

	if (bb_slrupages_exists(ingest, slru, page))
		return false;
	for (int64 at = first + segment_pages(ingest, slru, page); at < page; at++)
	{
		BbKey		key = page_key(slru, at);

		bb_ingest_zeros(ingest, &key);
	}
	size_key = bb_key_slru_size(slru, page / SLRU_PAGES_PER_SEGMENT);
	bb_directory_put_u32(ingest->directory, &size_key, ingest->lsn,
						 (uint32) (page - first) + 1);
	return true;
}

void
bb_slrupages_zero(BbIngest *ingest, BbSlru slru, int64 page)
{
	BbKey		key = page_key(slru, page);

	(void) reach(ingest, slru, page);
	bb_ingest_zeros(ingest, &key);
}

void
bb_slrupages_change(BbIngest *ingest, BbSlru slru, int64 page)
{
	BbKey		key = page_key(slru, page);

	bb_ingest_native(ingest, &key, reach(ingest, slru, page));
}

void
bb_slrupages_remove_segment(BbIngest *ingest, BbSlru slru, uint64 segment)
{
	BbKey		key = bb_key_slru_size(slru, segment);

	bb_directory_remove(ingest->ctx, ingest->directory, &key, ingest->lsn);
}

/* Remove segments; all, when precedes is NULL. */
static void
remove_segments(BbIngest *ingest, BbSlru slru, int64 cutoff,
				BbSlruPrecedes precedes)
{
	BbKeyRange	range;
	ListCell   *cell;

	range.start = bb_key_make(BB_KEY_SLRU_SIZE, slru, 0, 0, 0, 0);
	range.end = bb_key_make(BB_KEY_SLRU_SIZE, slru + 1, 0, 0, 0, 0);
	foreach(cell, bb_directory_list(ingest->ctx, ingest->directory, &range))
	{
		BbKeyFields key = bb_key_fields(lfirst(cell));
		uint64		segment = ((uint64) key.db << 32) | key.rel;
		int64		first = segment * SLRU_PAGES_PER_SEGMENT;
		int64		last = first + SLRU_PAGES_PER_SEGMENT - 1;

		if (precedes == NULL ||
			(precedes(first, cutoff) && precedes(last, cutoff)))
			bb_slrupages_remove_segment(ingest, slru, segment);
	}
}

void
bb_slrupages_truncate(BbIngest *ingest, BbSlru slru, int64 cutoff,
					  BbSlruPrecedes precedes)
{
	remove_segments(ingest, slru, cutoff, precedes);
}

void
bb_slrupages_remove_all(BbIngest *ingest, BbSlru slru)
{
	remove_segments(ingest, slru, 0, NULL);
}
