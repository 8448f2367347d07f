/*-------------------------------------------------------------------------
 *
 * picture_internal.h
 *	  Parts of a picture.
 *
 *	  picture_axes.c   where keys and LSNs are
 *	  picture_depth.c  how many layers a read of a key visits
 *	  picture_boxes.c  layers that share a shape
 *	  picture_text.c   text in SVG
 *	  picture.c		   the document
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PICTURE_INTERNAL_H
#define BB_PICTURE_INTERNAL_H

#include "lib/stringinfo.h"
#include "upkeep/picture.h"

/* ---- axes ---- */

/* Keys between two borders of layers, bands or relations. */
typedef struct BbPictureKeys
{
	int			n; /* borders, ascending */
	BbKey	   *borders;
	double	   *x; /* of each, rising from 0 to 1 */
} BbPictureKeys;

typedef struct BbPictureLsns
{
	int			n; /* borders, ascending */
	XLogRecPtr *borders;
	double	   *y; /* of each, rising from 0 to 1 */
} BbPictureLsns;

/* A kind of keys, with its name. */
typedef struct BbPictureBand
{
	BbKeyRange	keys;
	const char *name;
	const char *title;
} BbPictureBand;

extern const BbPictureBand *bb_picture_bands(int *n);

/* A relation with the bytes of the layers that hold nothing else. */
typedef struct BbPictureRelation
{
	BbKeyRange	keys; /* of its blocks, all forks */
	Oid			spc;
	Oid			db;
	Oid			rel;
	uint64		bytes;
} BbPictureRelation;

/*
 * bb_picture_relations - find the largest relations, "max" at most, in the
 * order of their keys.
 */
extern int bb_picture_relations(const BbManifest *manifest, int max,
								BbPictureRelation *relations);

extern BbPictureKeys bb_picture_keys(const BbManifest *manifest,
									 const BbPictureRelation *relations,
									 int nrelations);
extern BbPictureLsns bb_picture_lsns(const BbPicture *picture);

/* The index of a border; a key or LSN that is none: of the one before it. */
extern int bb_picture_key_index(const BbPictureKeys *keys, const BbKey *key);
extern double bb_picture_x(const BbPictureKeys *keys, const BbKey *key);
extern double bb_picture_y(const BbPictureLsns *lsns, XLogRecPtr lsn);

/*
 * The LSNs between which a layer is drawn.  A delta layer with entries of
 * [100, 200) goes on from what ends at 99, and ends at 199.
 */
static inline XLogRecPtr
bb_picture_from(const BbLayerDesc *layer)
{
	return layer->image ? layer->lsn_start : layer->lsn_start - 1;
}

static inline XLogRecPtr
bb_picture_to(const BbLayerDesc *layer)
{
	return layer->lsn_end - 1;
}

/* ---- depth ---- */

/*
 * bb_picture_depth - return, for each column (keys from a border to the next
 * one), how many layers a read at the end of the timeline visits at most.
 *
 * These are the newest image layer and the delta layers above it.
 */
extern int *bb_picture_depth(const BbManifest *manifest,
							 const BbPictureKeys *keys);

/* ---- boxes ---- */

typedef enum BbPictureClass
{
	BB_PICTURE_RETIRED,
	BB_PICTURE_DELTA,
	BB_PICTURE_IMAGE
} BbPictureClass;
#define BB_PICTURE_CLASS_COUNT (BB_PICTURE_IMAGE + 1)

/* One shape, of one layer or several. */
typedef struct BbPictureBox
{
	/* the identity: where it is, in pixels of the plot, and what */
	int32		x0;
	int32		x1;
	int32		y0; /* up from the bottom */
	int32		y1;
	int32		class;

	int32		layers;
	uint64		bytes;
	XLogRecPtr	from; /* of all of them */
	XLogRecPtr	to;
	const BbLayerDesc *first;
} BbPictureBox;

/*
 * bb_picture_boxes - return the boxes of all layers, ordered by class.
 *
 * Their number is at most "max", which is 1000 or more.
 */
extern BbPictureBox *bb_picture_boxes(const BbReqCtx *ctx,
									  const BbManifest *manifest,
									  const BbPictureKeys *keys,
									  const BbPictureLsns *lsns, int width,
									  int height, int max, int *n);

/* ---- text ---- */

/*
 * bb_picture_escape - append any bytes as text of an XML document, in ASCII.
 * UTF-8 becomes character references, and what isn't a character "?".
 */
extern void bb_picture_escape(StringInfo out, const char *text);

/* "1.5 MB"; "2026-11-30 01:23:45", UTC; palloc'd. */
extern char *bb_picture_bytes(uint64 bytes);
extern char *bb_picture_time(int64 time);

#endif /* BB_PICTURE_INTERNAL_H */
