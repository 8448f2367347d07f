/*-------------------------------------------------------------------------
 *
 * rectangle.c
 *	  Rectangles of delta layers, by key and LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "model.h"
#include "rectangle.h"

static void
include(BbLayerDesc *rectangle, const BbLayerDesc *layer)
{
	rectangle->lsn_start = Min(rectangle->lsn_start, layer->lsn_start);
	rectangle->lsn_end = Max(rectangle->lsn_end, layer->lsn_end);
	if (bb_key_compare(&layer->keys.start, &rectangle->keys.start) < 0)
		rectangle->keys.start = layer->keys.start;
	if (bb_key_compare(&layer->keys.end, &rectangle->keys.end) > 0)
		rectangle->keys.end = layer->keys.end;
}

/* Let the rectangle grow until it has each layer that it touches. */
static void
close_rectangle(const BbManifest *manifest, BbLayerDesc *rectangle)
{
	bool		grown = true;

	while (grown)
	{
		grown = false;
		for (int i = 0; i < manifest->nlayers; i++)
		{
			BbLayerDesc before = *rectangle;

			if (manifest->layers[i].image ||
				!bb_layer_overlaps(&manifest->layers[i], rectangle))
				continue;
			include(rectangle, &manifest->layers[i]);
			grown = grown || memcmp(&before, rectangle, sizeof(before)) != 0;
		}
	}
}

/* Have the LSNs of layers, together, no hole? */
static bool
have_no_hole(List *layers, XLogRecPtr from, XLogRecPtr to)
{
	bool		moved = true;

	while (moved)
	{
		ListCell   *cell;

		moved = false;
		foreach(cell, layers)
		{
			const BbLayerDesc *layer = lfirst(cell);

			if (layer->lsn_start <= from && layer->lsn_end > from)
			{
				from = layer->lsn_end;
				moved = true;
			}
		}
	}
	return from == to;
}

/* Take the delta layers of a random rectangle; false: they are no inputs. */
static bool
draw_rectangle(const BbManifest *manifest, BbUpkeepJob *job)
{
	const BbLayerDesc *first = &manifest
									->layers[model_roll(manifest->nlayers)];
	const BbLayerDesc *second = &manifest
									 ->layers[model_roll(manifest->nlayers)];
	BbLayerDesc rectangle = *first;

	if (first->image || second->image)
		return false;
	if (model_roll(2))
		rectangle.keys = bb_key_range_all();
	if (model_roll(2))
		include(&rectangle, second);
	close_rectangle(manifest, &rectangle);
	job->keys = rectangle.keys;
	job->inputs = NIL;
	for (int i = 0; i < manifest->nlayers; i++)
		if (!manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &rectangle))
			job->inputs = lappend(job->inputs, &manifest->layers[i]);
	return have_no_hole(job->inputs, rectangle.lsn_start, rectangle.lsn_end) &&
		(job->kind == BB_UPKEEP_MERGE ||
		 rectangle.lsn_start <= manifest->start_lsn);
}

bool
rectangle_draw_inputs(const BbManifest *manifest, BbUpkeepJob *job)
{
	for (int tries = 0; tries < 20; tries++)
		if (manifest->nlayers > 0 && draw_rectangle(manifest, job))
			return true;
	return false;
}
