/*-------------------------------------------------------------------------
 *
 * layermap.h
 *	  Which layer of a timeline holds a key at an LSN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERMAP_H
#define BB_LAYERMAP_H

#include "layer/manifest.h"

typedef struct BbLayerMap BbLayerMap;

/* A map of the manifest's layers; the manifest must outlive it. */
extern BbLayerMap *bb_layermap_new(const BbManifest *manifest);

/*
 * bb_layermap_image - the newest image layer that covers key at or below
 * lsn, as an index into manifest->layers; -1 when there is none.
 *
 * *until is lowered to the first key above for which the answer may be
 * another one.
 */
extern int	bb_layermap_image(const BbLayerMap *map, const BbKey *key,
							  XLogRecPtr lsn, BbKey *until);

#endif /* BB_LAYERMAP_H */
