/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Which objects a read needs, before it begins.
 *
 *	  key ──►  segment 1  |   segment 2   |
 *	  delta    x x x x x  | x x x         |  those above the image layer that
 *	  image   ============|===============|  serves the segment, and that one
 *
 * It makes the same choice in advance that scan.c and merge.c make while they
 * read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline_internal.h"

/* The layers of a timeline, or of an ancestor, that are needed. */
typedef struct Needed
{
	BbTimeline *timeline;
	bool	   *layers; /* of manifest->layers */
} Needed;

static void
mark_deltas(Needed *needed, const BbKeyRange *segment, XLogRecPtr floor,
			XLogRecPtr ceiling)
{
	int			n;
	int			covering;
	int		   *found = bb_layermap_deltas(needed->timeline->map, segment,
										   floor, ceiling, &n, &covering);

	for (int i = 0; i < n; i++)
		needed->layers[found[i]] = true;
	pfree(found);
}

/*
 * Mark the layers of the segment that begins at range->start: its image layer,
 * and the delta layers above.  Returns the end of the segment.
 */
static BbKey
mark_segment(Needed *generations, const BbKeyRange *range, XLogRecPtr lsn)
{
	BbKeyRange	segment = *range;
	BbTimeline *owner;
	int			depth;
	int			image;
	XLogRecPtr	ceiling = lsn;

	image = bb_timeline_image(generations[0].timeline, &segment.start, lsn,
							  &owner, &depth, &segment.end);
	generations[depth].layers[image] = true;
	for (int i = 0; i <= depth; i++)
	{
		const BbManifest *manifest = generations[i].timeline->manifest;

		mark_deltas(&generations[i], &segment,
					i == depth ? manifest->layers[image].lsn_start
							   : InvalidXLogRecPtr,
					ceiling);
		ceiling = Min(ceiling, manifest->ancestor_lsn);
	}
	return segment.end;
}

/* A layer that is needed. */
typedef struct Marked
{
	BbWholeObject object; /* the result points here */
	BbKey		start;
} Marked;

static List *
list_marked(const Needed *needed)
{
	const BbManifest *manifest = needed->timeline->manifest;
	List	   *marked = NIL;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		Marked	   *one;

		if (!needed->layers[i])
			continue;
		one = palloc(sizeof(Marked));
		one->object = bb_layer_object(manifest->timeline,
									  &manifest->layers[i]);
		one->start = manifest->layers[i].keys.start;
		marked = lappend(marked, one);
	}
	return marked;
}

static int
compare_starts(const ListCell *a, const ListCell *b)
{
	return bb_key_compare(&((const Marked *) lfirst(a))->start,
						  &((const Marked *) lfirst(b))->start);
}

List *
bb_timeline_objects(const BbReqCtx *ctx, BbTimeline *timeline,
					const BbKeyRange *ranges, int nranges, XLogRecPtr lsn)
{
	int			ngenerations = 0;
	Needed	   *generations;
	List	   *marked = NIL;

	for (BbTimeline *t = timeline->view; t != NULL; t = t->ancestor)
		ngenerations++;
	generations = palloc(ngenerations * sizeof(Needed));
	for (int i = 0; i < ngenerations; i++)
	{
		BbTimeline *t = i == 0 ? timeline->view
							   : generations[i - 1].timeline->ancestor;

		generations[i].timeline = t;
		generations[i].layers = palloc0(Max(t->manifest->nlayers, 1));
	}

	for (int i = 0; i < nranges; i++)
	{
		BbKeyRange	left = ranges[i];

		while (bb_key_compare(&left.start, &left.end) < 0)
		{
			bb_reqctx_check(ctx);
			left.start = mark_segment(generations, &left, lsn);
		}
	}

	for (int i = 0; i < ngenerations; i++)
		marked = list_concat(marked, list_marked(&generations[i]));
	list_sort(marked, compare_starts);
	return marked;
}
