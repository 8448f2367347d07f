/*-------------------------------------------------------------------------
 *
 * versions.c
 *	  The versions of one key, oldest first.
 *
 * They are in the delta layers: those of the oldest ancestor first, and in the
 * order of their LSNs.  One layer is open at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"
#include "utils/memutils.h"

#define WINDOW_BYTES (512 * 1024)

/* A delta layer that may have versions, and up to which LSN they count. */
typedef struct Part
{
	BbTimeline *owner;
	int			index;
	XLogRecPtr	until;
} Part;

struct BbTimelineVersions
{
	MemoryContext context; /* owns this */
	BbKey		key;
	XLogRecPtr	after;
	List	   *parts;	   /* oldest first */
	int			at;		   /* the next part */
	BbLayerCursor *cursor; /* NULL: no layer is open */
};

/* The parts of a timeline, after those of its ancestors. */
static List *
find_parts(BbTimeline *timeline, const BbKey *key, XLogRecPtr after,
		   XLogRecPtr until)
{
	List	   *parts = NIL;
	BbKeyRange	range = {*key, bb_key_next(key)};
	int		   *indexes;
	int			n;
	int			covering;

	if (timeline->ancestor)
		parts = find_parts(timeline->ancestor, key, after,
						   Min(until, timeline->manifest->ancestor_lsn));

	indexes = bb_layermap_deltas(timeline->map, &range, after, until, &n,
								 &covering);
	for (int i = n - 1; i >= 0; i--)
	{
		Part	   *part = palloc(sizeof(Part));

		*part = (Part){timeline, indexes[i], until};
		parts = lappend(parts, part);
	}
	pfree(indexes);
	return parts;
}

BbTimelineVersions *
bb_timeline_versions_new(const BbReqCtx *ctx, BbTimeline *timeline,
						 const BbKey *key, XLogRecPtr after, XLogRecPtr until)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup versions",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbTimelineVersions *versions = palloc0(sizeof(BbTimelineVersions));

	versions->context = context;
	versions->key = *key;
	versions->after = after;
	versions->parts = find_parts(timeline, key, after, until);
	MemoryContextSwitchTo(old);
	return versions;
}

/* Open the next layer that may have the key.  False: there is none. */
static bool
next_part(const BbReqCtx *ctx, BbTimelineVersions *versions)
{
	while (versions->at < list_length(versions->parts))
	{
		Part	   *part = list_nth(versions->parts, versions->at++);
		BbLayer	   *layer = bb_timeline_layer(ctx, part->owner, part->index);
		MemoryContext old;

		if (!bb_layer_may_hold(ctx, layer, &versions->key))
			continue;
		old = MemoryContextSwitchTo(versions->context);
		versions->cursor = bb_layer_cursor_new(ctx, layer, &versions->key,
											   versions->after + 1,
											   WINDOW_BYTES);
		MemoryContextSwitchTo(old);
		return true;
	}
	return false;
}

bool
bb_timeline_versions_next(const BbReqCtx *ctx, BbTimelineVersions *versions,
						  BbEntry *entry)
{
	for (;;)
	{
		const Part *part;

		bb_reqctx_check(ctx);
		if (versions->cursor == NULL && !next_part(ctx, versions))
			return false;

		part = list_nth(versions->parts, versions->at - 1);
		if (bb_layer_cursor_next(ctx, versions->cursor, entry) &&
			bb_key_compare(&entry->key, &versions->key) == 0 &&
			entry->lsn <= part->until)
			return true;
		bb_layer_cursor_close(versions->cursor);
		versions->cursor = NULL;
	}
}

void
bb_timeline_versions_close(BbTimelineVersions *versions)
{
	MemoryContextDelete(versions->context);
}
