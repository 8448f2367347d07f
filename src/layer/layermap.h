/*-------------------------------------------------------------------------
 *
 * layermap.h
 *	  Which layers of a timeline hold a key at an LSN.
 *
 * Layers of the same LSN range make a run, in which no two overlap: the image
 * layers at one LSN, or the delta layers of one flush.
 *
 * A layer is identified by its index in manifest->layers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERMAP_H
#define BB_LAYERMAP_H

#include "layer/manifest.h"

typedef struct BbLayerMap BbLayerMap;

/*
 * bb_layermap_new - create a map of the layers of a manifest, which must
 * outlive the map.
 *
 * Errors: DATA_CORRUPTED (layers of one run overlap; delta layers up to the
 * timeline's end are missing).
 */
extern BbLayerMap *bb_layermap_new(const BbManifest *manifest);

/*
 * bb_layermap_image - find the newest image layer that covers key, at or below
 * lsn.
 *
 * Returns -1 if there is none.  Lowers *until to the first key above "key" for
 * which the answer may differ.
 */
extern int bb_layermap_image(const BbLayerMap *map, const BbKey *key,
							 XLogRecPtr lsn, BbKey *until);

/*
 * bb_layermap_next_delta - find the next delta layer that may have entries of
 * key above floor and up to ceiling, newest first.
 *
 * Returns -1 after the last one.  *run holds the state, and is zero before the
 * first call.
 */
extern int bb_layermap_next_delta(const BbLayerMap *map, const BbKey *key,
								  XLogRecPtr floor, XLogRecPtr ceiling,
								  int *run);

/*
 * bb_layermap_deltas - find all delta layers that may have entries of a key
 * range above floor and up to ceiling.
 *
 * Returns *n of them, newest first, palloc'd.  At most *runs of them cover the
 * same key.
 */
extern int *bb_layermap_deltas(const BbLayerMap *map, const BbKeyRange *range,
							   XLogRecPtr floor, XLogRecPtr ceiling, int *n,
							   int *runs);

#endif /* BB_LAYERMAP_H */
