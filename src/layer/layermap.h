/*-------------------------------------------------------------------------
 *
 * layermap.h
 *	  Which layers of a timeline hold a key at an LSN.
 *
 * Two delta layers never overlap: each key has at most one for an LSN.	 So the
 * delta layers of a key lie above each other, and so do its image layers.  The
 * map sorts layers into levels:
 *
 *	  level 0	+--+--------+--+	 the newest ones
 *	  level 1	+-----+ +------+	 those below one layer of level 0, or more
 *	  level 2	 +-----------+		 and so on
 *
 * In a level, no two layers share a key, and the layers of a key are newer in a
 * lower level.	 A lookup is a binary search in each level until enough is found.
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
 * Errors: DATA_CORRUPTED (layers overlap; layers that reads at a readable LSN
 * from the start of the timeline on need are missing).
 */
extern BbLayerMap *bb_layermap_new(const BbManifest *manifest);

/*
 * bb_layermap_check_point - check that all layers that reads at an LSN before
 * the timeline's start need are there.
 *
 * Errors: DATA_CORRUPTED.
 */
extern void bb_layermap_check_point(const BbLayerMap *map, XLogRecPtr lsn);

/*
 * bb_layermap_image - find the newest image layer that covers key, at or below
 * lsn.
 *
 * Returns -1 if there is none.  Unless "until" is NULL, lowers *until to the first
 * key above "key" for which the answer may differ.
 */
extern int bb_layermap_image(const BbLayerMap *map, const BbKey *key,
							 XLogRecPtr lsn, BbKey *until);

/* The state of bb_layermap_next_delta; zero before the first call. */
typedef struct BbDeltaSearch
{
	bool		begun;
	int			rank; /* of the key */
	int			level;
} BbDeltaSearch;

/*
 * bb_layermap_next_delta - find the next delta layer that may have entries of
 * key above floor and up to ceiling, newest first.
 *
 * Returns -1 after the last one.
 */
extern int bb_layermap_next_delta(const BbLayerMap *map, const BbKey *key,
								  XLogRecPtr floor, XLogRecPtr ceiling,
								  BbDeltaSearch *search);

/*
 * bb_layermap_deltas - find all delta layers that may have entries of a key
 * range above floor and up to ceiling.
 *
 * Returns *n of them, palloc'd; those of one key are newest first.  At most *depth
 * of them cover the same key.
 */
extern int *bb_layermap_deltas(const BbLayerMap *map, const BbKeyRange *range,
							   XLogRecPtr floor, XLogRecPtr ceiling, int *n,
							   int *depth);

#endif /* BB_LAYERMAP_H */
