/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  Fetching everything that a backup reads, before it is made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/prefetch.h"
#include "backup/units.h"
#include "stats/layerstats.h"
#include "utils/memutils.h"

/* How often objects may be gone until that is an error. */
#define TRIES_MAX 10

struct BbPrefetch
{
	BbObjectStore *objects;
	BbSnapshot	snapshot;
	BbBackupOptions options;
	int			nranges; /* of keys that the backup reads */
	int			allocated;
	BbKeyRange *ranges;
	List	   *needed; /* BbWholeObjects for them */
	uint64		bytes;	/* of those */
};

static void
add_range(BbPrefetch *prefetch, BbKeyRange range)
{
	if (prefetch->nranges == prefetch->allocated)
	{
		prefetch->allocated *= 2;
		prefetch->ranges = repalloc(prefetch->ranges,
									prefetch->allocated * sizeof(BbKeyRange));
	}
	prefetch->ranges[prefetch->nranges++] = range;
}

/* The key ranges that are known from the start: one or two. */
static int
first_ranges(bool full, BbKeyRange *ranges)
{
	BbKeyRange	all = bb_key_range_all();
	BbKeyRange	blocks = bb_key_range_kind(BB_KEY_REL_BLOCK);

	if (full)
	{
		ranges[0] = all;
		return 1;
	}
	ranges[0] = (BbKeyRange){all.start, blocks.start};
	ranges[1] = (BbKeyRange){blocks.end, all.end};
	return 2;
}

List *
bb_prefetch_objects(const BbReqCtx *ctx, const BbSnapshot *snapshot, bool full)
{
	BbKeyRange	ranges[2];
	int			nranges = first_ranges(full, ranges);

	return bb_pagestore_objects(ctx, snapshot, ranges, nranges);
}

bool
bb_prefetch_hold(const BbReqCtx *ctx, BbHold *hold, List *needed)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(old, "bbackup hold",
												  ALLOCSET_SMALL_SIZES);
	ErrorData *volatile gone = NULL;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		hold->homeless = bb_objects_hold(ctx,
										 bb_pagestore_object_store(
											 hold->snapshot->store),
										 needed, hold->fetched, hold->arg);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNDEFINED_FILE ||
			++hold->tries == TRIES_MAX)
			PG_RE_THROW();
		MemoryContextSwitchTo(old);
		gone = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (gone == NULL)
		return true;
	MemoryContextDelete(context);
	if (!bb_pagestore_reload(ctx, hold->snapshot))
		ReThrowError(gone);
	FreeErrorData(gone);
	return false;
}

/* Find out which objects the ranges need. */
static void
find_needed(const BbReqCtx *ctx, BbPrefetch *prefetch)
{
	uint64		room = bb_objstore_cache_size(prefetch->objects);
	ListCell   *cell;

	prefetch->needed = bb_pagestore_objects(ctx, &prefetch->snapshot,
											prefetch->ranges,
											prefetch->nranges);
	prefetch->bytes = 0;
	foreach(cell, prefetch->needed)
		prefetch->bytes += ((const BbWholeObject *) lfirst(cell))->size;
	if (prefetch->bytes > room)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("cache is too small for what the backup reads"),
				 errdetail("It reads %d layers of " UINT64_FORMAT
						   " bytes; the cache holds " UINT64_FORMAT
						   " bytes.",
						   list_length(prefetch->needed), prefetch->bytes,
						   room),
				 errhint("Raise the server's option cache_size.")));
}

BbPrefetch *
bb_prefetch_new(const BbReqCtx *ctx, const BbSnapshot *snapshot, bool full)
{
	BbPrefetch *prefetch = palloc0(sizeof(BbPrefetch));

	prefetch->objects = bb_pagestore_object_store(snapshot->store);
	prefetch->snapshot = *snapshot;
	prefetch->options = bb_options_defaults();
	prefetch->options.full = full;
	prefetch->allocated = 16;
	prefetch->ranges = palloc(prefetch->allocated * sizeof(BbKeyRange));
	prefetch->nranges = first_ranges(full, prefetch->ranges);
	find_needed(ctx, prefetch);
	return prefetch;
}

static void
fetch(const BbReqCtx *ctx, BbPrefetch *prefetch)
{
	BbHold		hold = {.snapshot = &prefetch->snapshot};
	ListCell   *cell;

	while (!bb_prefetch_hold(ctx, &hold, prefetch->needed))
		find_needed(ctx, prefetch);
	if (hold.homeless != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("there is no room in the cache for layer \"%s\"",
						hold.homeless->name),
				 errdetail("The backup reads layers of " UINT64_FORMAT
						   " bytes; the cache holds " UINT64_FORMAT
						   " bytes, some of which are in use for others.",
						   prefetch->bytes,
						   bb_objstore_cache_size(prefetch->objects)),
				 errhint("Try again later, or raise the server's option "
						 "cache_size.")));
	foreach(cell, prefetch->needed)
	{
		const BbWholeObject *object = lfirst(cell);

		BB_COUNT(ctx, layers_visited, 1);
		bb_layerstats_access(ctx, object->id);
	}
}

/* Add the relation data that a thin backup has: init forks. */
static void
add_member(BbPrefetch *prefetch, const BbMember *member)
{
	BbBlockRange blocks;
	BbKeyRange	range;

	if (prefetch->options.full || member->content != BB_CONTENT_RELATION ||
		member->size == 0)
		return;
	blocks = bb_range_of(member);
	range.start = bb_range_key(&blocks, 0);
	range.end = bb_range_key(&blocks, blocks.count - 1);
	range.end = bb_key_next(&range.end);
	add_range(prefetch, range);
}

void
bb_prefetch_run(const BbReqCtx *ctx, BbPrefetch *prefetch)
{
	int			known = prefetch->nranges;
	BbFileList *list;
	BbMember	member;

	fetch(ctx, prefetch);
	list = bb_filelist_new(
		bb_plan_new(ctx, &prefetch->snapshot, &prefetch->options));
	while (bb_filelist_next(ctx, list, &member))
		add_member(prefetch, &member);
	bb_filelist_close(list);
	if (prefetch->nranges > known)
	{
		find_needed(ctx, prefetch);
		fetch(ctx, prefetch);
	}
}
