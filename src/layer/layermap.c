/*-------------------------------------------------------------------------
 *
 * layermap.c
 *	  Which layers of a timeline hold a key at an LSN.
 *
 * To sort the layers into levels, they are taken from the newest to the oldest.
 * A skyline has the layer that was taken last for each key; the next one goes
 * into the level below the lowest that it finds there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layermap.h"
#include "layer/layerplane.h"
#include "layer/rankset.h"
#include "utils/memutils.h"

/* A layer in its level. */
typedef struct Spot
{
	int			start; /* ranks */
	int			end;
	int			layer;
	XLogRecPtr	lsn_start;
	XLogRecPtr	lsn_end;
} Spot;

/* spots[first, end), in the order of their keys */
typedef struct Level
{
	int			first;
	int			end;
	XLogRecPtr	lowest; /* lsn_start of them all */
} Level;

typedef struct Levels
{
	int			n;
	Level	   *levels;
	Spot	   *spots;
} Levels;

struct BbLayerMap
{
	const BbManifest *manifest;
	BbPlane	   *plane;
	Levels		images;
	Levels		deltas;
};

/* ---- sorting layers into levels ---- */

/* What was taken so far: pieces of ranks, each from a member to the next one. */
typedef struct Skyline
{
	const BbPlane *plane;
	BbRankSet	pieces;
	int		   *layers; /* of pieces; -1: none */
	int		   *levels; /* of layers, by index */
} Skyline;

static void *
alloc_array(Size n, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * size);
}

static void
init_skyline(Skyline *skyline, const BbPlane *plane)
{
	skyline->plane = plane;
	bb_rankset_init(&skyline->pieces, plane->nkeys);
	bb_rankset_add(&skyline->pieces, 0);
	skyline->layers = alloc_array(plane->nkeys, sizeof(int));
	skyline->layers[0] = -1;
	skyline->levels = alloc_array(plane->manifest->nlayers, sizeof(int));
}

static void
free_skyline(Skyline *skyline)
{
	bb_rankset_free(&skyline->pieces);
	pfree(skyline->layers);
	pfree(skyline->levels);
}

/* Of two layers that overlap, a page could need either. */
static void
check_disjoint(const BbManifest *manifest, const BbLayerDesc *newer,
			   const BbLayerDesc *layer)
{
	if (newer->lsn_start < layer->lsn_end)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layers of timeline \"%s\" overlap",
						manifest->timeline),
				 errdetail("They are \"%s\" and \"%s\".",
						   bb_layer_name(newer), bb_layer_name(layer))));
}

/* Take the next layer; returns its level. */
static int
take_layer(Skyline *skyline, int index)
{
	const BbManifest *manifest = skyline->plane->manifest;
	int			start = skyline->plane->starts[index];
	int			end = skyline->plane->ends[index];
	int			piece = bb_rankset_prev(&skyline->pieces, start);
	int			level = 0;
	int			newer = -1;

	while (piece >= 0 && piece < end)
	{
		newer = skyline->layers[piece];
		if (newer >= 0)
		{
			check_disjoint(manifest, &manifest->layers[newer],
						   &manifest->layers[index]);
			level = Max(level, skyline->levels[newer] + 1);
		}
		if (piece > start)
			bb_rankset_remove(&skyline->pieces, piece);
		piece = bb_rankset_next(&skyline->pieces, piece + 1);
	}
	/* what is left of the last piece */
	if (piece != end)
	{
		bb_rankset_add(&skyline->pieces, end);
		skyline->layers[end] = newer;
	}
	bb_rankset_add(&skyline->pieces, start);
	skyline->layers[start] = index;
	skyline->levels[index] = level;
	return level;
}

/*
 * Sort layers into levels.  "order" has them newest first.
 */
static void
make_levels(const BbPlane *plane, const int *order, int n, bool images,
			Levels *levels)
{
	const BbLayerDesc *layers = plane->manifest->layers;
	Skyline		skyline;
	int			count = 0;

	levels->spots = alloc_array(n, sizeof(Spot));
	levels->levels = alloc_array(n, sizeof(Level));
	if (n == 0)
		return;

	init_skyline(&skyline, plane);
	for (int i = 0; i < n; i++)
	{
		int			level = take_layer(&skyline, order[i]);

		if (level == levels->n)
			levels->levels[levels->n++] = (Level){.lowest = PG_UINT64_MAX};
		levels->levels[level].end++; /* of its layers, for now */
	}
	for (int i = 0; i < levels->n; i++)
	{
		Level	   *level = &levels->levels[i];

		level->first = count;
		count += level->end;
		level->end = level->first;
	}
	for (int i = 0; i < plane->manifest->nlayers; i++)
	{
		int			index = plane->by_key[i];
		const BbLayerDesc *layer = &layers[index];
		Level	   *level;

		if (layer->image != images)
			continue;
		level = &levels->levels[skyline.levels[index]];
		level->lowest = Min(level->lowest, layer->lsn_start);
		levels->spots[level->end++] = (Spot){plane->starts[index],
											 plane->ends[index], index,
											 layer->lsn_start, layer->lsn_end};
	}
	free_skyline(&skyline);
}

/* ---- are layers missing? ---- */

static bool
has_base(const BbLayerMap *map)
{
	return map->manifest->ancestor != NULL || map->images.n > 0;
}

BbLayerMap *
bb_layermap_new(const BbManifest *manifest)
{
	BbLayerMap *map = palloc0(sizeof(BbLayerMap));
	BbPlane	   *plane = bb_plane_new(manifest);

	map->manifest = manifest;
	map->plane = plane;
	make_levels(plane, plane->images, plane->nimages, true, &map->images);
	make_levels(plane, plane->deltas, plane->ndeltas, false, &map->deltas);
	/* without a base, nothing can be read */
	if (has_base(map))
		bb_plane_check(plane, Min(manifest->start_lsn, manifest->end_lsn),
					   manifest->end_lsn);
	return map;
}

void
bb_layermap_check_point(const BbLayerMap *map, XLogRecPtr lsn)
{
	if (has_base(map))
		bb_plane_check(map->plane, lsn, lsn);
}

/* ---- lookups ---- */

/* Return the position after the last layer of a level that begins at or before
 * a rank. */
static int
search_level(const Levels *levels, const Level *level, int rank)
{
	int			low = level->first;
	int			high = level->end;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (levels->spots[middle].start <= rank)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * The newest image layer at or below lsn that covers a rank; NULL: none.
 * Lowers *limit to the first rank above for which the answer may differ.
 */
static const Spot *
find_image(const BbLayerMap *map, int rank, XLogRecPtr lsn, int *limit)
{
	const Levels *levels = &map->images;

	for (int i = 0; i < levels->n; i++)
	{
		const Level *level = &levels->levels[i];
		int			behind;
		const Spot *spot = NULL;

		if (level->lowest > lsn)
			continue;
		behind = search_level(levels, level, rank);
		if (behind > level->first && levels->spots[behind - 1].end > rank)
			spot = &levels->spots[behind - 1];
		/* another layer of this level hides older ones from its start on */
		if (spot != NULL)
			*limit = Min(*limit, spot->end);
		else if (behind < level->end)
			*limit = Min(*limit, levels->spots[behind].start);
		if (spot != NULL && spot->lsn_start <= lsn)
			return spot;
	}
	return NULL;
}

int
bb_layermap_image(const BbLayerMap *map, const BbKey *key, XLogRecPtr lsn,
				  BbKey *until)
{
	int			end = map->plane->nkeys;
	int			limit = end;
	const Spot *found = find_image(map, bb_plane_rank(map->plane, key), lsn,
								   &limit);
	BbKey		limit_key;

	/* go on while the answer is the same */
	while (until != NULL && limit < end)
	{
		int			next = end;

		limit_key = bb_plane_key(map->plane, limit);
		if (bb_key_compare(&limit_key, until) >= 0)
			break;
		if (find_image(map, limit, lsn, &next) != found)
		{
			*until = limit_key;
			break;
		}
		limit = next;
	}
	return found != NULL ? found->layer : -1;
}

int
bb_layermap_next_delta(const BbLayerMap *map, const BbKey *key,
					   XLogRecPtr floor, XLogRecPtr ceiling,
					   BbDeltaSearch *search)
{
	const Levels *levels = &map->deltas;

	if (!search->begun)
	{
		search->rank = bb_plane_rank(map->plane, key);
		search->begun = true;
	}
	while (search->level < levels->n)
	{
		const Level *level = &levels->levels[search->level++];
		const Spot *spot;
		int			behind;

		if (level->lowest > ceiling)
			continue;
		behind = search_level(levels, level, search->rank);
		if (behind == level->first)
			continue;
		spot = &levels->spots[behind - 1];
		if (spot->end <= search->rank || spot->lsn_start > ceiling)
			continue;
		if (spot->lsn_end - 1 > floor)
			return spot->layer;
		/* the layers of this key below are older */
		search->level = levels->n;
	}
	return -1;
}

int *
bb_layermap_deltas(const BbLayerMap *map, const BbKeyRange *range,
				   XLogRecPtr floor, XLogRecPtr ceiling, int *n, int *depth)
{
	const Levels *levels = &map->deltas;
	int			start = bb_plane_rank(map->plane, &range->start);
	int			allocated = 64;
	int		   *found = palloc(allocated * sizeof(int));
	BbKey		last_key = range->end;
	int			last;

	/* the last rank that is before the end */
	last = bb_plane_rank(map->plane, &range->end);
	if (last >= 0)
		last_key = bb_plane_key(map->plane, last);
	if (last >= 0 && bb_key_compare(&last_key, &range->end) == 0)
		last--;

	*n = 0;
	*depth = 0;
	for (int i = 0; i < levels->n; i++)
	{
		const Level *level = &levels->levels[i];
		int			before = *n;
		int			at;

		if (level->lowest > ceiling)
			continue;
		/* the layer that covers the start, and those after it */
		at = search_level(levels, level, start);
		if (at > level->first && levels->spots[at - 1].end > start)
			at--;
		for (; at < level->end && levels->spots[at].start <= last; at++)
		{
			const Spot *spot = &levels->spots[at];

			if (spot->lsn_start > ceiling || spot->lsn_end - 1 <= floor)
				continue;
			if (*n == allocated)
			{
				int		   *more = alloc_array(allocated * 2, sizeof(int));

				memcpy(more, found, allocated * sizeof(int));
				pfree(found);
				found = more;
				allocated *= 2;
			}
			found[(*n)++] = spot->layer;
		}
		if (*n > before)
			(*depth)++;
	}
	return found;
}
