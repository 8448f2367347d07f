/*-------------------------------------------------------------------------
 *
 * layerset.c
 *	  Sets of layer descriptions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layerset.h"

static int
compare_layers(const void *a, const void *b)
{
	const BbLayerDesc *left = *(const BbLayerDesc *const *) a;
	const BbLayerDesc *right = *(const BbLayerDesc *const *) b;

	if (left->file_id != right->file_id)
		return left->file_id < right->file_id ? -1 : 1;
	return bb_key_compare(&left->keys.start, &right->keys.start);
}

static inline uint32
bit_of(const BbLayerDesc *layer)
{
	return (uint32) (layer->file_id % BB_LAYERSET_BITS);
}

BbLayerSet *
bb_layerset_new(int n)
{
	BbLayerSet *set = palloc0(sizeof(BbLayerSet));

	set->layers = MemoryContextAllocHuge(CurrentMemoryContext,
										 Max((Size) n, 1) *
											 sizeof(BbLayerDesc *));
	return set;
}

void
bb_layerset_add(BbLayerSet *set, const BbLayerDesc *layer)
{
	uint32		bit = bit_of(layer);

	set->layers[set->n++] = layer;
	set->seen[bit / 8] |= (uint8) (1 << bit % 8);
}

bool
bb_layerset_complete(BbLayerSet *set)
{
	qsort(set->layers, set->n, sizeof(BbLayerDesc *), compare_layers);
	for (int i = 1; i < set->n; i++)
		if (compare_layers(&set->layers[i - 1], &set->layers[i]) == 0)
			return false;
	return true;
}

bool
bb_layerset_has(const BbLayerSet *set, const BbLayerDesc *layer)
{
	uint32		bit = bit_of(layer);

	if ((set->seen[bit / 8] & 1 << bit % 8) == 0)
		return false;
	return bsearch(&layer, set->layers, set->n, sizeof(BbLayerDesc *),
				   compare_layers) != NULL;
}

BbLayerSet *
bb_layerset_of_list(const List *layers)
{
	BbLayerSet *set = bb_layerset_new(list_length(layers));
	const ListCell *cell;

	foreach(cell, layers)
		bb_layerset_add(set, lfirst(cell));
	(void) bb_layerset_complete(set);
	return set;
}
