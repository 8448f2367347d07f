/*-------------------------------------------------------------------------
 *
 * picture.h
 *	  The layers of a timeline as a picture (SVG): keys across, LSNs up.
 *
 *	  LSN, time
 *	   ^   +---delta---+---delta---+			 end
 *	   |   |		   |		   |  o branch
 *	   |   ====image===+-----------+
 *	   |   - - - - - - - - - - - - - - - - - - - start
 *	   |   (retired)				  o pin
 *	   +-------------------------------> key
 *	   ||||||||  depth: layers that a read visits
 *
 * People look at it when they wonder why a store is large or slow.  All of it
 * comes from the manifest, so it costs the same however much the layers hold,
 * and can be made of a timeline whose layers are lost.
 *
 * Neither axis is to scale.  Each border of a layer gets some room across, and
 * so do the LSNs between two borders; LSNs also get room by their distance, so
 * that much WAL looks like much.
 *
 * A picture has a few thousand shapes at most, whatever the timeline has:
 * layers that would be drawn at the same place share a shape, whose tooltip
 * says so.  The text is ASCII.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PICTURE_H
#define BB_PICTURE_H

#include "layer/manifest_values.h"

typedef struct BbPictureBranch
{
	const char *name;
	XLogRecPtr	lsn; /* where it leaves the timeline */
} BbPictureBranch;

/* What is shown. */
typedef struct BbPicture
{
	const BbManifest *manifest;
	const char *store;
	int			nbranches;
	const BbPictureBranch *branches;

	/*
	 * Look up the time_t of the last commit at or before an LSN that can be
	 * read; returns false if it isn't known.  NULL: only those times are shown
	 * that the manifest has.
	 */
	bool		(*time_at) (void *arg, XLogRecPtr lsn, int64 *time);
	void	   *arg;
} BbPicture;

/* bb_picture_svg - draw a picture; returns an SVG document, palloc'd. */
extern char *bb_picture_svg(const BbReqCtx *ctx, const BbPicture *picture);

#endif /* BB_PICTURE_H */
