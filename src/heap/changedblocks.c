/*-------------------------------------------------------------------------
 *
 * changedblocks.c
 *	  Which blocks of a table may have other rows at one LSN than at another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogrecord.h"
#include "base/zerorun.h"
#include "heap/changedblocks.h"
#include "utils/memutils.h"

typedef struct Ranges
{
	int			n;
	int			allocated;
	BlockNumber near; /* so many blocks between two ranges do not count */
	BbBlockRange *ranges;
} Ranges;

static int
compare_ranges(const void *a, const void *b)
{
	const BbBlockRange *left = a;
	const BbBlockRange *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return 0;
}

/* Make those one that touch, or are near. */
static void
join_ranges(Ranges *ranges)
{
	int			n = 0;

	qsort(ranges->ranges, ranges->n, sizeof(BbBlockRange), compare_ranges);
	for (int i = 0; i < ranges->n; i++)
	{
		BbBlockRange *last = n > 0 ? &ranges->ranges[n - 1] : NULL;
		BbBlockRange range = ranges->ranges[i];

		if (last != NULL &&
			(range.start <= last->end ||
			 range.start - last->end <= ranges->near))
			last->end = Max(last->end, range.end);
		else
			ranges->ranges[n++] = range;
	}
	ranges->n = n;
}

static void
add_range(Ranges *ranges, BlockNumber start, BlockNumber end)
{
	if (start >= end)
		return;
	if (ranges->n > 0 && ranges->ranges[ranges->n - 1].end == start)
	{
		ranges->ranges[ranges->n - 1].end = end;
		return;
	}
	while (ranges->n == BB_BLOCK_RANGES_MAX)
	{
		join_ranges(ranges);
		if (ranges->n > BB_BLOCK_RANGES_MAX / 2)
			ranges->near = 2 * ranges->near + 1;
	}
	if (ranges->n == ranges->allocated)
	{
		ranges->allocated = Min(2 * ranges->allocated, BB_BLOCK_RANGES_MAX);
		ranges->ranges = repalloc(ranges->ranges,
								  ranges->allocated * sizeof(BbBlockRange));
	}
	ranges->ranges[ranges->n++] = (BbBlockRange){start, end};
}

static BbKey
block_key(BbRelLocator relation, BlockNumber block)
{
	return bb_key_rel_block(BB_LOCATOR_SPC(relation), BB_LOCATOR_DB(relation),
							BB_LOCATOR_REL(relation), MAIN_FORKNUM, block);
}

/*
 * Does a change before "from" count?  A whole page does not say whose changes it
 * has.
 */
static bool
is_undecided(const BbReqCtx *ctx, const BbUndecided *undecided, BbPast *from,
			 const BbEntry *entry)
{
	XLogRecord	record;

	if ((entry->type != BB_ENTRY_RECORD &&
		 entry->type != BB_ENTRY_RECORD_INIT) ||
		entry->length < SizeOfXLogRecord)
		return true;
	memcpy(&record, entry->value, SizeOfXLogRecord);
	return bb_undecided_may_be(ctx, undecided, from, record.xl_xid);
}

static void
add_changed(const BbReqCtx *ctx, Ranges *ranges, BbPast *from, BbPast *until,
			const BbUndecided *undecided, BbRelLocator relation)
{
	BbKeyRange	range = {block_key(relation, 0),
						 block_key(relation, InvalidBlockNumber)};
	BbPageEntries *entries;
	BbEntry		entry;
	BlockNumber done = InvalidBlockNumber;

	entries = bb_pagestore_entries_new(ctx, until->snapshot.store, &range,
									   undecided->since, until->snapshot.lsn);
	while (bb_pagestore_entries_next(ctx, entries, &entry))
	{
		BlockNumber block = bb_key_fields(&entry.key).block;

		if (block == done ||
			(entry.lsn <= from->snapshot.lsn &&
			 !is_undecided(ctx, undecided, from, &entry)))
			continue;
		add_range(ranges, block, block + 1);
		done = block;
	}
	bb_pagestore_entries_close(entries);
}

static void
add_zeros(const BbReqCtx *ctx, Ranges *ranges, BbPast *past,
		  BbRelLocator relation)
{
	BbKey		key = bb_key_rel_zeros(BB_LOCATOR_SPC(relation),
									   BB_LOCATOR_DB(relation),
									   BB_LOCATOR_REL(relation), MAIN_FORKNUM);
	BbZeroRunList runs;
	BbValue		value;

	if (!bb_pagestore_get(ctx, &past->snapshot, &key, &value))
		return;
	if (!bb_zerorun_decode(value.data, value.length, &runs))
		bb_pagestore_report_invalid(&key);
	for (int i = 0; i < runs.n; i++)
		add_range(ranges, runs.bounds[2 * i], runs.bounds[2 * i + 1]);
}

BbBlockRange *
bb_changedblocks_find(const BbReqCtx *ctx, BbPast *from, BbPast *until,
					  const BbUndecided *undecided, BbRelLocator relation,
					  int *n)
{
	BlockNumber before = bb_pages_blocks(ctx, from->pages, relation);
	BlockNumber after = bb_pages_blocks(ctx, until->pages, relation);
	Ranges		ranges = {.allocated = 64};

	ranges.ranges = palloc(ranges.allocated * sizeof(BbBlockRange));
	add_changed(ctx, &ranges, from, until, undecided, relation);
	add_zeros(ctx, &ranges, until, relation);
	add_range(&ranges, Min(before, after), Max(before, after));
	join_ranges(&ranges);
	*n = ranges.n;
	return ranges.ranges;
}
