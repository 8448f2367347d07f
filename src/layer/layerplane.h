/*-------------------------------------------------------------------------
 *
 * layerplane.h
 *	  The layers of a manifest as rectangles in a plane of keys and LSNs.
 *
 *	  LSN
 *	   ^   +------+-------+---------+
 *	   |   |  d   |   e	  |	   f	|	  merged delta layers, by key
 *	   |   +--+---+-------+---+-----+
 *	   |	  |		  c		  |			  the delta layer of a flush
 *	   |   +--+--+------------+-----+
 *	   |   |  a	 |			b		|
 *	   |   ======+=====image========+
 *	   +---+--+--+--+-----+---+-----+--> key
 *		   0  1	 2	3	  4	  5		6	  rank
 *
 * Every key at which a layer begins or ends has a rank, so that the rest is about
 * small integers.  A layer covers the ranks [start, end).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYERPLANE_H
#define BB_LAYERPLANE_H

#include "layer/manifest_values.h"

/* A key as integers, for fast comparisons. */
typedef struct BbPlaneKey
{
	uint64		high;
	uint64		middle;
	uint16		low;
} BbPlaneKey;

typedef struct BbPlane
{
	const BbManifest *manifest;
	int			nkeys;	/* ranks */
	BbPlaneKey *keys;	/* in order */
	int		   *starts; /* ranks, of manifest->layers */
	int		   *ends;
	int		   *by_key; /* all layers, in the order of their starts */
	int			ndeltas;
	int		   *deltas; /* newest first (by lsn_end), then by key */
	int			nimages;
	int		   *images; /* newest first, then by key */
} BbPlane;

/* bb_plane_new - make the plane of a manifest, which must outlive it. */
extern BbPlane *bb_plane_new(const BbManifest *manifest);

/* bb_plane_rank - return the greatest rank whose key is at most "key", or -1. */
extern int bb_plane_rank(const BbPlane *plane, const BbKey *key);

/* bb_plane_key - return the key of a rank. */
extern BbKey bb_plane_key(const BbPlane *plane, int rank);

/* bb_plane_by_start - return the delta layers, those with the greatest lsn_start
 * first, palloc'd. */
extern int *bb_plane_by_start(const BbPlane *plane);

/*
 * bb_plane_check - is every history that can be read at lsn whole?
 *
 * From the newest image layer at or below lsn of each key (or from where a
 * branch parts from its ancestor) up to lsn, its delta layers must follow each
 * other without a hole.  From lsn up to "end" there must be no hole at all, since
 * all of these LSNs can be read.
 *
 * A flush has layers from the first key to the last key that it changes, and so
 * has what they are merged into.  So a key without a layer at some LSNs wasn't
 * changed there, unless there are layers of these LSNs both of smaller keys and
 * of greater ones, or none at all.  In a gap (BbGap) there are only layers of
 * what differs.  A manifest that keeps something (bb_keeps_empty) may have
 * forgotten gaps below its start, so nothing is checked there.
 *
 * REQUIRES: no two layers overlap.
 *
 * Errors: DATA_CORRUPTED (with the keys and LSNs).
 */
extern void bb_plane_check(const BbPlane *plane, XLogRecPtr lsn,
						   XLogRecPtr end);

#endif /* BB_LAYERPLANE_H */
