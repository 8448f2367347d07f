/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Which layers the readable LSNs of a timeline need.
 *
 * The LSNs are taken in rising order.  A tree over the key ranges between the
 * bounds of all layers has the newest image of each, at the LSN that is looked
 * at.  A layer that isn't needed at an LSN isn't needed at a later one, so those
 * that still are needed get fewer and fewer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "upkeep/reach.h"

/*
 * A binary heap over key intervals: interval i is from keys[i] to keys[i + 1].
 * An interval's image is the greatest "set" of its leaf and the nodes above.
 */
typedef struct Cover
{
	int			nkeys;
	BbKey	   *keys;	/* rising */
	int			leaves; /* a power of 2 */
	XLogRecPtr *set;	/* of the node: an image that covers all of it */
	XLogRecPtr *oldest; /* of the node: the oldest image of its intervals */
} Cover;

static int
compare_keys(const void *a, const void *b)
{
	return bb_key_compare(a, b);
}

static void *
allocate(Size size)
{
	return palloc_extended(size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static Cover
new_cover(const BbManifest *manifest)
{
	Cover		cover = {.leaves = 1};
	Size		n = (Size) manifest->nlayers * 2;

	cover.keys = allocate((n + 1) * sizeof(BbKey));
	for (int i = 0; i < manifest->nlayers; i++)
	{
		cover.keys[2 * (Size) i] = manifest->layers[i].keys.start;
		cover.keys[2 * (Size) i + 1] = manifest->layers[i].keys.end;
	}
	qsort(cover.keys, n, sizeof(BbKey), compare_keys);
	for (Size i = 0; i < n; i++)
		if (cover.nkeys == 0 ||
			bb_key_compare(&cover.keys[cover.nkeys - 1], &cover.keys[i]) != 0)
			cover.keys[cover.nkeys++] = cover.keys[i];
	while (cover.leaves < cover.nkeys)
		cover.leaves *= 2;
	cover.set = allocate(2 * (Size) cover.leaves * sizeof(XLogRecPtr));
	cover.oldest = allocate(2 * (Size) cover.leaves * sizeof(XLogRecPtr));
	return cover;
}

/* The number of the interval that begins at a bound of a layer. */
static int
interval_of(const Cover *cover, const BbKey *key)
{
	const BbKey *found = bsearch(key, cover->keys, cover->nkeys, sizeof(BbKey),
								 compare_keys);

	return found - cover->keys;
}

/* Intervals [from, to) of the node, which has [first, first + n), get an image. */
static void
set_image(Cover *cover, int node, int first, int n, int from, int to,
		  XLogRecPtr lsn)
{
	XLogRecPtr	below;

	if (to <= first || from >= first + n)
		return;
	if (from <= first && to >= first + n)
		cover->set[node] = Max(cover->set[node], lsn);
	else
	{
		set_image(cover, 2 * node, first, n / 2, from, to, lsn);
		set_image(cover, 2 * node + 1, first + n / 2, n / 2, from, to, lsn);
	}
	below = n == 1 ? InvalidXLogRecPtr
				   : Min(cover->oldest[2 * node], cover->oldest[2 * node + 1]);
	cover->oldest[node] = Max(cover->set[node], below);
}

/* The oldest image of the intervals [from, to) of a node. */
static XLogRecPtr
oldest_image(const Cover *cover, int node, int first, int n, int from, int to)
{
	XLogRecPtr	left;
	XLogRecPtr	right;

	if (to <= first || from >= first + n)
		return PG_UINT64_MAX;
	if (from <= first && to >= first + n)
		return cover->oldest[node];
	left = oldest_image(cover, 2 * node, first, n / 2, from, to);
	right = oldest_image(cover, 2 * node + 1, first + n / 2, n / 2, from, to);
	return Max(cover->set[node], Min(left, right));
}

/* A layer, with its place in the manifest and in the cover. */
typedef struct Reached
{
	const BbLayerDesc *layer;
	int			index;
	int			from;
	int			to;
} Reached;

static int
compare_reached(const void *a, const void *b)
{
	XLogRecPtr	left = ((const Reached *) a)->layer->lsn_start;
	XLogRecPtr	right = ((const Reached *) b)->layer->lsn_start;

	return left < right ? -1 : left > right;
}

static Reached *
sort_layers(const BbManifest *manifest, const Cover *cover)
{
	Reached	   *sorted = allocate(((Size) manifest->nlayers + 1) *
								  sizeof(Reached));

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		sorted[i] = (Reached){layer, i, interval_of(cover, &layer->keys.start),
							  interval_of(cover, &layer->keys.end)};
	}
	qsort(sorted, manifest->nlayers, sizeof(Reached), compare_reached);
	return sorted;
}

/* Is a layer that begins at or below an LSN needed there, by the present cover? */
static bool
is_needed(const Cover *cover, const Reached *reached)
{
	const BbLayerDesc *layer = reached->layer;
	XLogRecPtr	oldest = oldest_image(cover, 1, 0, cover->leaves,
									  reached->from, reached->to);

	return layer->image ? oldest <= layer->lsn_start
						: oldest < layer->lsn_end - 1;
}

BbReadable
bb_reach_readable(const BbManifest *manifest)
{
	return (BbReadable){.start = manifest->start_lsn,
						.npoints = manifest->keeps.npoints,
						.points = manifest->keeps.points};
}

XLogRecPtr *
bb_reach(const BbManifest *manifest, const BbReadable *readable)
{
	int			n = manifest->nlayers;
	XLogRecPtr *needed = allocate(((Size) n + 1) * sizeof(XLogRecPtr));
	Cover		cover = new_cover(manifest);
	Reached	   *layers = sort_layers(manifest, &cover);
	Reached	   *active = allocate(((Size) n + 1) * sizeof(Reached));
	int			nactive = 0;
	int			next = 0;

	for (int p = 0; p <= readable->npoints; p++)
	{
		XLogRecPtr	lsn = p < readable->npoints ? readable->points[p].lsn
												: readable->start;
		int			still = 0;

		for (; next < n && layers[next].layer->lsn_start <= lsn; next++)
		{
			const Reached *reached = &layers[next];

			active[nactive++] = *reached;
			if (reached->layer->image)
				set_image(&cover, 1, 0, cover.leaves, reached->from,
						  reached->to, reached->layer->lsn_start);
		}
		for (int i = 0; i < nactive; i++)
		{
			if (i % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
			if (!is_needed(&cover, &active[i]))
				continue;
			needed[active[i].index] = lsn;
			active[still++] = active[i];
		}
		nactive = still;
	}

	/* those above the start serve an LSN of the window at least */
	for (; next < n; next++)
		needed[layers[next].index] = layers[next].layer->lsn_start;
	pfree(layers);
	pfree(active);
	pfree(cover.keys);
	pfree(cover.set);
	pfree(cover.oldest);
	return needed;
}
