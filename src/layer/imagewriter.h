/*-------------------------------------------------------------------------
 *
 * imagewriter.h
 *	  Writes values in key order into image layers, cut at bbackup.layer_size.
 *
 * The layers of one writer lie side by side and cover all possible keys,
 * so that a key without a value is known not to exist.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_IMAGEWRITER_H
#define BB_IMAGEWRITER_H

#include "layer/layer.h"
#include "nodes/pg_list.h"

typedef struct BbImageWriter BbImageWriter;

/*
 * bb_imagewriter_new - create a writer of images at lsn.
 *
 * CurrentMemoryContext owns it, its unfinished layer and its results.
 */
extern BbImageWriter *bb_imagewriter_new(BbObjectStore *objects,
										 const char *timeline, XLogRecPtr lsn);

/*
 * bb_imagewriter_add - write the next value.
 *
 * REQUIRES: keys ascending, at most BB_VALUE_MAX_SIZE bytes.
 */
extern void bb_imagewriter_add(const BbReqCtx *ctx, BbImageWriter *writer,
							   const BbKey *key, const void *value,
							   size_t length);

/*
 * bb_imagewriter_finish - make the last layer durable.
 *
 * Returns all layers (BbLayerDesc *).
 *
 * REQUIRES: a value was added.
 */
extern List *bb_imagewriter_finish(const BbReqCtx *ctx, BbImageWriter *writer);

/*
 * bb_imagewriter_layers - return the layers (BbLayerDesc *) that are durable so far.
 */
extern List *bb_imagewriter_layers(const BbImageWriter *writer);

#endif /* BB_IMAGEWRITER_H */
