/*-------------------------------------------------------------------------
 *
 * slrupages.c
 *	  Changes to pages of SLRUs (pg_xact, pg_multixact, pg_commit_ts).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "access/transam.h"
#include "ingest/recordcheck.h"
#include "ingest/rmgr/slrupages.h"
#include "layer/native.h"
#include "pagestore/catalog.h"

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

	if (!bb_knownkeys_get_u32(ingest->ctx, ingest->known, &key, &pages))
		return 0;
	return pages;
}

int64
bb_slrupages_of_record(BbIngest *ingest)
{
	BbWalSlruPage page;

	memcpy(&page, bb_ingest_data(ingest, sizeof(page)), sizeof(page));
	return page;
}

bool
bb_slrupages_xids_precede(int64 page, int64 other, uint32 per_page)
{
	TransactionId xid = (TransactionId) page * per_page +
		FirstNormalTransactionId + 1;
	TransactionId other_xid = (TransactionId) other * per_page +
		FirstNormalTransactionId + 1;

	return TransactionIdPrecedes(xid, other_xid) &&
		TransactionIdPrecedes(xid, other_xid + per_page - 1);
}

bool
bb_slrupages_exists(BbIngest *ingest, BbSlru slru, int64 page)
{
	return page % SLRU_PAGES_PER_SEGMENT < segment_pages(ingest, slru, page);
}

/*
 * Make the segment long enough; pages in between are zeros.  Returns false if
 * it was long enough.
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
	bb_knownkeys_put_u32(ingest->known, &size_key, ingest->lsn,
						 (uint32) (page - first) + 1);
	return true;
}

/* Numbers of transactions and multixacts have 32 bits. */
static void
check_page(BbIngest *ingest, BbSlru slru, int64 page)
{
	static const int64 last_page[BB_SLRU_COUNT] = {
		[BB_SLRU_XACT] = PG_UINT32_MAX / BB_XACT_PER_PAGE,
		[BB_SLRU_MULTIXACT_OFFSETS] = PG_UINT32_MAX / BB_OFFSETS_PER_PAGE,
		[BB_SLRU_MULTIXACT_MEMBERS] = BB_MAX_MULTIXACT_OFFSET /
			BB_MEMBERS_PER_PAGE,
		[BB_SLRU_COMMIT_TS] = PG_UINT32_MAX / BB_COMMIT_TS_PER_PAGE,
	};

	if (page < 0 || page > last_page[slru])
		bb_ingest_refuse(ingest,
						 "There cannot be a page " INT64_FORMAT " of %s.",
						 page, bb_slru_directory(slru));
}

void
bb_slrupages_zero(BbIngest *ingest, BbSlru slru, int64 page)
{
	BbKey		key = page_key(slru, page);

	check_page(ingest, slru, page);
	(void) reach(ingest, slru, page);
	bb_ingest_zeros(ingest, &key);
}

void
bb_slrupages_change(BbIngest *ingest, BbSlru slru, int64 page)
{
	BbKey		key = page_key(slru, page);

	bb_ingest_native(ingest, &key, reach(ingest, slru, page));
}

static void
remove_segment(BbIngest *ingest, BbSlru slru, uint64 segment)
{
	BbKey		key = bb_key_slru_size(slru, segment);

	bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
}

/* List the size keys of all segments. */
static List *
list_segments(BbIngest *ingest, BbSlru slru)
{
	BbKeyRange	range;

	range.start = bb_key_make(BB_KEY_SLRU_SIZE, slru, 0, 0, 0, 0);
	range.end = bb_key_make(BB_KEY_SLRU_SIZE, slru + 1, 0, 0, 0, 0);
	return bb_knownkeys_list(ingest->ctx, ingest->known, &range);
}

static uint64
segment_of(const BbKey *size_key)
{
	BbKeyFields key = bb_key_fields(size_key);

	return ((uint64) key.db << 32) | key.rel;
}

/* Remove the segments before a page; all if precedes is NULL. */
static void
remove_segments(BbIngest *ingest, BbSlru slru, int64 cutoff,
				BbSlruPrecedes precedes)
{
	ListCell   *cell;

	foreach(cell, list_segments(ingest, slru))
	{
		uint64		segment = segment_of(lfirst(cell));
		int64		first = segment * SLRU_PAGES_PER_SEGMENT;
		int64		last = first + SLRU_PAGES_PER_SEGMENT - 1;

		if (precedes == NULL ||
			(precedes(first, cutoff) && precedes(last, cutoff)))
			remove_segment(ingest, slru, segment);
	}
}

void
bb_slrupages_truncate(BbIngest *ingest, BbSlru slru, int64 cutoff,
					  BbSlruPrecedes precedes)
{
	check_page(ingest, slru, cutoff);
	remove_segments(ingest, slru, cutoff, precedes);
}

void
bb_slrupages_remove_range(BbIngest *ingest, BbSlru slru, uint64 first,
						  uint64 end)
{
	ListCell   *cell;

	foreach(cell, list_segments(ingest, slru))
	{
		uint64		segment = segment_of(lfirst(cell));

		if (first <= end ? segment >= first && segment < end
						 : segment >= first || segment < end)
			remove_segment(ingest, slru, segment);
	}
}

void
bb_slrupages_remove_all(BbIngest *ingest, BbSlru slru)
{
	remove_segments(ingest, slru, 0, NULL);
}
