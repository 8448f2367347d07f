/*-------------------------------------------------------------------------
 *
 * layerstats.c
 *	  Use of layers.
 *
 * The table has a fixed size and consists of sets of eight places.  A file id is
 * random, so its bits determine the set of a layer; a new layer replaces the
 * least recently used one of its set.  Nothing is allocated or moved.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "stats/layerstats.h"
#include "stats/shared_internal.h"
#include "utils/timestamp.h"

#define PLACES_PER_SET 8
#define SETS_SHARED 2048
#define SETS_OF_SESSION 128

/* Protected by the lock. */
typedef struct Place
{
	bool		used;
	TimestampTz touched; /* access, download or eviction */
	BbLayerStats stats;
} Place;

typedef struct Table
{
	int			nsets;
	Place		places[FLEXIBLE_ARRAY_MEMBER];
} Table;

static Table *table = NULL;

static int
count_sets(bool shared)
{
	return shared ? SETS_SHARED : SETS_OF_SESSION;
}

static Size
part_size(bool shared)
{
	return MAXALIGN(offsetof(Table, places) +
					count_sets(shared) * PLACES_PER_SET * sizeof(Place));
}

static void
init(void *memory, bool shared)
{
	memset(memory, 0, part_size(shared));
	((Table *) memory)->nsets = count_sets(shared);
}

static void
attach(void *memory)
{
	table = memory;
}

const BbStatsPart bb_layerstats_part = {
	.size = part_size,
	.init = init,
	.attach = attach,
};

/*
 * Reset counts, but not times.
 */
void
bb_layerstats_reset(void)
{
	for (int i = 0; i < table->nsets * PLACES_PER_SET; i++)
	{
		BbLayerStats *stats = &table->places[i].stats;

		memset(stats->accesses, 0, sizeof(stats->accesses));
		stats->downloads = 0;
		stats->evictions = 0;
	}
}

/*
 * Return the place of a layer, or the place that it would get.
 */
static Place *
find_place(uint64 file_id)
{
	Place	   *set = &table->places[file_id % table->nsets * PLACES_PER_SET];
	Place	   *oldest = &set[0];

	for (int i = 0; i < PLACES_PER_SET; i++)
	{
		if (set[i].used && set[i].stats.file_id == file_id)
			return &set[i];
		/* an unused place was touched at 0 */
		if (set[i].touched < oldest->touched)
			oldest = &set[i];
	}
	return oldest;
}

/* Lock the memory, and return the statistics of a layer to change. */
static BbLayerStats *
begin_change(uint64 file_id, TimestampTz now)
{
	Place	   *place;

	bb_stats_need();
	bb_stats_lock(LW_EXCLUSIVE);
	place = find_place(file_id);
	if (!place->used || place->stats.file_id != file_id)
		*place = (Place){.used = true, .stats = {.file_id = file_id}};
	place->touched = now;
	return &place->stats;
}

void
bb_layerstats_access(const BbReqCtx *ctx, uint64 file_id)
{
	TimestampTz now;
	BbLayerStats *stats;

	if (ctx->uncounted)
		return;
	now = GetCurrentTimestamp();
	stats = begin_change(file_id, now);
	if (stats->first_access == 0)
		stats->first_access = now;
	stats->last_access = now;
	stats->accesses[ctx->task_kind]++;
	bb_stats_unlock();
}

void
bb_layerstats_downloaded(uint64 file_id)
{
	TimestampTz now = GetCurrentTimestamp();
	BbLayerStats *stats = begin_change(file_id, now);

	stats->resident_since = now;
	stats->downloads++;
	bb_stats_unlock();
}

void
bb_layerstats_evicted(uint64 file_id)
{
	BbLayerStats *stats = begin_change(file_id, GetCurrentTimestamp());

	stats->resident_since = 0;
	stats->evictions++;
	bb_stats_unlock();
}

BbLayerStats
bb_layerstats_of(uint64 file_id)
{
	BbLayerStats stats = {.file_id = file_id};
	const Place *place;

	bb_stats_need();
	bb_stats_lock(LW_SHARED);
	place = find_place(file_id);
	if (place->used && place->stats.file_id == file_id)
		stats = place->stats;
	bb_stats_unlock();
	return stats;
}
