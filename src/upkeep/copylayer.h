/*-------------------------------------------------------------------------
 *
 * copylayer.h
 *	  Copying one layer from an object store to another.
 *
 * A layer is copied byte by byte under the same name, so a copy has the same file
 * id, and the manifest of the one describes the other.  What is read is checked
 * against the manifest's size and CRC before it gets its name in the target.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COPYLAYER_H
#define BB_COPYLAYER_H

#include "layer/layer.h"

/*
 * bb_copylayer - copy a layer, durably.
 *
 * Returns false if "from" doesn't have it.  Keeps to the pace of upkeep
 * (pace.h).
 *
 * Errors: DATA_CORRUPTED (the layer in "from" isn't the one described; it is
 * named, and "to" doesn't get it); those of the object stores.
 */
extern bool bb_copylayer(const BbReqCtx *ctx, BbObjectStore *from,
						 BbObjectStore *to, const char *timeline,
						 const BbLayerDesc *desc);

/*
 * bb_copylayer_is_whole - read a layer, and see whether it is the one
 * described.
 *
 * Returns false also if there is no such object.
 */
extern bool bb_copylayer_is_whole(const BbReqCtx *ctx, BbObjectStore *objects,
								  const char *timeline,
								  const BbLayerDesc *desc);

#endif /* BB_COPYLAYER_H */
