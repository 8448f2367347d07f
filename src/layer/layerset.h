/*-------------------------------------------------------------------------
 *
 * layerset.h
 *	  Sets of layer descriptions, to look up whether a layer is in one.
 *
 * A layer is known by its file ID, which is random.  In case of equal ones, which
 * only a forged manifest has, the first key of its range distinguishes it, too.
 *
 * A set is small, and is asked for each layer of a manifest, of which there may be
 * a hundred thousand.  So a bitmap of file IDs answers first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERSET_H
#define BB_LAYERSET_H

#include "layer/layer.h"
#include "nodes/pg_list.h"

#define BB_LAYERSET_BITS 65536

typedef struct BbLayerSet
{
	int			n;
	const BbLayerDesc **layers; /* ordered, once the set is complete */
	uint8		seen[BB_LAYERSET_BITS / 8];
} BbLayerSet;

/*
 * bb_layerset_new - make an empty set with room for so many layers.
 *
 * new add* complete has*
 */
extern BbLayerSet *bb_layerset_new(int n);
/* bb_layerset_add - add a layer, which the set doesn't copy. */
extern void bb_layerset_add(BbLayerSet *set, const BbLayerDesc *layer);
/* bb_layerset_complete - returns false if a layer is in the set twice. */
extern bool bb_layerset_complete(BbLayerSet *set);
extern bool bb_layerset_has(const BbLayerSet *set, const BbLayerDesc *layer);

/* bb_layerset_of_list - make a complete set of a list of BbLayerDesc *. */
extern BbLayerSet *bb_layerset_of_list(const List *layers);

#endif /* BB_LAYERSET_H */
