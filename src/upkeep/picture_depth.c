/*-------------------------------------------------------------------------
 *
 * picture_depth.c
 *	  How many layers a read of a key visits.
 *
 * A sweep over the columns, from left to right, keeps two Fenwick trees by LSN:
 * the image layers and the delta layers that cover the column.  So a column
 * costs the logarithm of the number of layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/picture_internal.h"
#include "utils/memutils.h"

/* How many layers there are of each rank; sums of a prefix in log n steps. */
typedef struct Tree
{
	int			n; /* a power of two */
	int			total;
	int		   *sums; /* from 1 on */
} Tree;

/* A layer begins or ends at a column. */
typedef struct Event
{
	int			column;
	int			rank; /* of the LSN where the layer ends */
	bool		image;
	int			by; /* 1 or -1 */
} Event;

static Tree
tree_new(int n)
{
	Tree		tree = {.n = 1};

	while (tree.n < n + 1)
		tree.n *= 2;
	tree.sums = palloc0((tree.n + 1) * sizeof(int));
	return tree;
}

static void
tree_add(Tree *tree, int rank, int by)
{
	tree->total += by;
	for (int i = rank + 1; i <= tree->n; i += i & -i)
		tree->sums[i] += by;
}

/* How many have a rank up to "rank"? */
static int
tree_up_to(const Tree *tree, int rank)
{
	int			sum = 0;

	for (int i = rank + 1; i > 0; i -= i & -i)
		sum += tree->sums[i];
	return sum;
}

/* The greatest rank that any has; there is one. */
static int
tree_last(const Tree *tree)
{
	int			before = tree->total - 1;
	int			at = 0;

	for (int step = tree->n; step > 0; step /= 2)
	{
		if (at + step <= tree->n && tree->sums[at + step] <= before)
		{
			at += step;
			before -= tree->sums[at];
		}
	}
	return at;
}

static int
compare_events(const void *a, const void *b)
{
	return ((const Event *) a)->column - ((const Event *) b)->column;
}

static int
compare_lsns(const void *a, const void *b)
{
	XLogRecPtr	left = *(const XLogRecPtr *) a;
	XLogRecPtr	right = *(const XLogRecPtr *) b;

	return left == right ? 0 : (left < right ? -1 : 1);
}

/* Give layers that end at the same LSN the same rank; returns how many. */
static int
rank_layers(const BbManifest *manifest, int *ranks)
{
	XLogRecPtr *lsns = palloc_extended(Max(manifest->nlayers, 1) *
										   sizeof(XLogRecPtr),
									   MCXT_ALLOC_HUGE);
	int			n = 0;

	for (int i = 0; i < manifest->nlayers; i++)
		lsns[i] = bb_picture_to(&manifest->layers[i]);
	qsort(lsns, manifest->nlayers, sizeof(XLogRecPtr), compare_lsns);
	for (int i = 0; i < manifest->nlayers; i++)
		if (n == 0 || lsns[n - 1] != lsns[i])
			lsns[n++] = lsns[i];
	for (int i = 0; i < manifest->nlayers; i++)
	{
		XLogRecPtr	to = bb_picture_to(&manifest->layers[i]);

		ranks[i] = (XLogRecPtr *) bsearch(&to, lsns, n, sizeof(XLogRecPtr),
										  compare_lsns) -
			lsns;
	}
	pfree(lsns);
	return n;
}

static Event *
events_of(const BbManifest *manifest, const BbPictureKeys *keys,
		  const int *ranks, int *n)
{
	Event	   *events = palloc_extended((2 * (Size) manifest->nlayers + 1) *
											 sizeof(Event),
										 MCXT_ALLOC_HUGE);

	*n = 0;
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		events[(*n)++] = (Event){bb_picture_key_index(keys,
													  &layer->keys.start),
								 ranks[i], layer->image, 1};
		events[(*n)++] = (Event){bb_picture_key_index(keys, &layer->keys.end),
								 ranks[i], layer->image, -1};
	}
	qsort(events, *n, sizeof(Event), compare_events);
	return events;
}

int *
bb_picture_depth(const BbManifest *manifest, const BbPictureKeys *keys)
{
	int		   *depth = palloc0(keys->n * sizeof(int));
	int		   *ranks = palloc((manifest->nlayers + 1) * sizeof(int));
	int			nranks = rank_layers(manifest, ranks);
	Tree		images = tree_new(nranks);
	Tree		deltas = tree_new(nranks);
	int			nevents;
	Event	   *events = events_of(manifest, keys, ranks, &nevents);
	int			at = 0;

	for (int column = 0; column < keys->n - 1; column++)
	{
		for (; at < nevents && events[at].column <= column; at++)
			tree_add(events[at].image ? &images : &deltas, events[at].rank,
					 events[at].by);
		depth[column] = deltas.total;
		if (images.total > 0)
			depth[column] = 1 + deltas.total -
				tree_up_to(&deltas, tree_last(&images));
	}
	pfree(events);
	pfree(ranks);
	return depth;
}
