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
	BbTimeline *timeline;
	BbTimeline *view; /* of it, that the parts are of */
	BbKey		key;
	XLogRecPtr	after;
	XLogRecPtr	until;
	XLogRecPtr	last;  /* LSN of the last version returned; Invalid: none */
	int			nlast; /* how many of that LSN were returned */
	int			skip;  /* that many are passed again */
	List	   *parts; /* oldest first */
	int			at;	   /* the next part */
	BbLayerCursor *cursor; /* NULL: no layer is open */
	bool		skips;	   /* commits at or before skip_time */
	TimestampTz skip_time;
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
	versions->timeline = timeline;
	versions->view = bb_timeline_use(timeline);
	versions->key = *key;
	versions->after = after;
	versions->until = until;
	versions->parts = find_parts(versions->view, key, after, until);
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

static bool
take_next(const BbReqCtx *ctx, BbTimelineVersions *versions, BbEntry *entry)
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

/*
 * Leave out the parts whose commits are known to be at or before skip_time; those
 * of which some versions don't count have to be read.  Returns whether a part with
 * commits is left out.
 */
static bool
skip_parts(BbTimelineVersions *versions)
{
	List	   *parts = NIL;
	bool		skipped = false;
	ListCell   *cell;

	foreach(cell, versions->parts)
	{
		Part	   *part = lfirst(cell);
		const BbLayerDesc *layer = &part->owner->manifest->layers[part->index];
		TimestampTz newest = layer->newest_commit;

		if (newest == BB_COMMIT_UNKNOWN || newest > versions->skip_time ||
			(newest != BB_COMMIT_NONE &&
			 (layer->lsn_start <= versions->after ||
			  layer->lsn_end - 1 > part->until)))
		{
			parts = lappend(parts, part);
			continue;
		}
		skipped = skipped || newest != BB_COMMIT_NONE;
		pfree(part);
	}
	list_free(versions->parts);
	versions->parts = parts;
	return skipped;
}

/* Go on in the present view, behind the version returned last. */
static void
restart(BbTimelineVersions *versions)
{
	MemoryContext old = MemoryContextSwitchTo(versions->context);
	BbTimeline *before = versions->view;

	if (versions->cursor != NULL)
		bb_layer_cursor_close(versions->cursor);
	versions->cursor = NULL;
	list_free_deep(versions->parts);
	versions->view = bb_timeline_use(versions->timeline);
	bb_timeline_unuse(versions->timeline, before);
	/* there may be more of the same LSN */
	if (!XLogRecPtrIsInvalid(versions->last))
		versions->after = versions->last - 1;
	versions->skip = versions->nlast;
	versions->parts = find_parts(versions->view, &versions->key,
								 versions->after, versions->until);
	if (versions->skips)
		(void) skip_parts(versions);
	versions->at = 0;
	MemoryContextSwitchTo(old);
}

/* Take the next version that wasn't returned before a restart. */
static bool
take_new(const BbReqCtx *ctx, BbTimelineVersions *versions, BbEntry *entry)
{
	while (take_next(ctx, versions, entry))
	{
		if (versions->skip > 0 && entry->lsn == versions->last)
		{
			versions->skip--;
			continue;
		}
		versions->skip = 0;
		versions->nlast = entry->lsn == versions->last ? versions->nlast + 1
													   : 1;
		versions->last = entry->lsn;
		return true;
	}
	return false;
}

typedef struct VersionsStep
{
	BbTimelineVersions *versions;
	BbEntry	   *entry;
} VersionsStep;

static bool
attempt_next(const BbReqCtx *ctx, void *arg)
{
	VersionsStep *step = arg;

	return take_new(ctx, step->versions, step->entry);
}

static void
restart_step(const BbReqCtx *ctx, void *arg)
{
	restart(((VersionsStep *) arg)->versions);
}

bool
bb_timeline_versions_skip(BbTimelineVersions *versions, TimestampTz time)
{
	MemoryContext old = MemoryContextSwitchTo(versions->context);
	bool		skipped;

	versions->skips = true;
	versions->skip_time = time;
	skipped = skip_parts(versions);
	MemoryContextSwitchTo(old);
	return skipped;
}

bool
bb_timeline_versions_next(const BbReqCtx *ctx, BbTimelineVersions *versions,
						  BbEntry *entry)
{
	VersionsStep step = {versions, entry};

	return bb_timeline_step(ctx,
							&(BbTimelineStep){versions->timeline,
											  &versions->view, versions->after,
											  attempt_next, restart_step,
											  &step});
}

void
bb_timeline_versions_close(BbTimelineVersions *versions)
{
	BbTimeline *timeline = versions->timeline;
	BbTimeline *view = versions->view;

	/* the cursor goes before the layer that it reads */
	MemoryContextDelete(versions->context);
	bb_timeline_unuse(timeline, view);
}
