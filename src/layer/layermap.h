/*-------------------------------------------------------------------------
 *
 * layermap.h
 *	  Which layers of a timeline hold a key at an LSN.
 *
 * Layers that have the same LSN range and don't overlap make a run: the image
 * layers of one LSN, the delta layers of one flush.
 *
 * Layers are named by their index into manifest->layers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERMAP_H
#define BB_LAYERMAP_H

#include "layer/manifest.h"

typedef struct BbLayerMap BbLayerMap;

/*
 * bb_layermap_new - a map of the manifest's layers; the manifest must outlive
 * it.
 *
 * Errors: DATA_CORRUPTED when layers of one run overlap, or when there are LSNs
 * up to the timeline's end that no delta layer has.
 */
extern BbLayerMap *bb_layermap_new(const BbManifest *manifest);

/*
 * bb_layermap_image - the newest image layer that covers key at or below
 * lsn; -1 when there is none.
 *
 * *until is lowered to the first key above for which the answer may be
 * another one.
 */
extern int bb_layermap_image(const BbLayerMap *map, const BbKey *key,
							 XLogRecPtr lsn, BbKey *until);

/*
 * bb_layermap_next_delta - the delta layers that may have entries of key above
 * floor, up to ceiling, newest first, one each call; -1 when there are no
 * more.
 *
 * *run is zero before the first call.
 */
extern int bb_layermap_next_delta(const BbLayerMap *map, const BbKey *key,
								  XLogRecPtr floor, XLogRecPtr ceiling,
								  int *run);

/*
 * bb_layermap_deltas - the delta layers that may have entries of a key range
 * above floor, up to ceiling, newest first; *n of them, palloc'd.
 *
 * *runs is how many of them can be at one key.
 */
extern int *bb_layermap_deltas(const BbLayerMap *map, const BbKeyRange *range,
							   XLogRecPtr floor, XLogRecPtr ceiling, int *n,
							   int *runs);

#endif /* BB_LAYERMAP_H */
