/*-------------------------------------------------------------------------
 *
 * imagewriter.h
 *	  Writes values in key order into image layers, cut at bbackup.layer_size.
 *
 * The layers of one writer lie side by side and cover all possible keys,
 * so that a key without a value is known not to exist.  Values may also arrive
 * in another order: a writer of a part writes the values of a key range as its
 * layers, and the writer of the rest then fills the gaps between the parts:
 *
 *	  rest:	 add ... add | part | add ... add | part | add ... finish
 *
 * A layer has a value.  So there must be one in each gap.
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

/* bb_imagewriter_new_part - the same for keys from "start" on. */
extern BbImageWriter *bb_imagewriter_new_part(BbObjectStore *objects,
											  const char *timeline,
											  XLogRecPtr lsn,
											  const BbKey *start);

/*
 * bb_imagewriter_finish_part - make the last layer of a part durable.
 *
 * Returns its layers (BbLayerDesc *), which cover the keys up to "end"; NIL if
 * no value was added.
 */
extern List *bb_imagewriter_finish_part(const BbReqCtx *ctx,
										BbImageWriter *writer,
										const BbKey *end);

/*
 * bb_imagewriter_include - go on behind a part, whose layers become the
 * writer's.
 *
 * REQUIRES: the part begins after the last value; a value was added since the
 * last part; NIL isn't a part.
 */
extern void bb_imagewriter_include(const BbReqCtx *ctx, BbImageWriter *writer,
								   List *part);

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
