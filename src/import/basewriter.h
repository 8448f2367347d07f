/*-------------------------------------------------------------------------
 *
 * basewriter.h
 *	  Writes the values of a new base of a timeline.
 *
 *	  keys	 ─── difference ───┬── images ──┬─── difference ───
 *							   │ of what is │
 *							   │	lost	│
 *
 * Where the timeline can be read, only what differs is stored (difference.h).
 * Where it can't, because layers are lost, all values are stored, as image layers,
 * so that reads at and after the base need nothing of before.
 *
 * What is lost is widened: to the files of relations, which are written as they
 * are received; or to all keys, if something else than blocks of relations is
 * lost.  Lost blocks of relations that the base doesn't have get no image; they
 * are never read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BASEWRITER_H
#define BB_BASEWRITER_H

#include "import/difference.h"

typedef struct BbBaseWriter BbBaseWriter;

/*
 * bb_basewriter_widen - return what has to be stored as images if "lost"
 * (BbKeyRange *) can't be read: ranges in order, with room in between.
 */
extern List *bb_basewriter_widen(const List *lost);

/* bb_basewriter_is_lost - does a range have keys of one of "images"? */
extern bool bb_basewriter_is_lost(const List *images, const BbKeyRange *range);

/*
 * bb_basewriter_new - begin with the values of a base.
 *
 * images: of bb_basewriter_widen, NIL if the timeline can be read.
 *
 * CurrentMemoryContext owns it.
 */
extern BbBaseWriter *bb_basewriter_new(const BbReqCtx *ctx,
									   const BbDifferencePlace *place,
									   const List *images);

/* bb_basewriter_add - give the next value.  REQUIRES: keys ascending. */
extern void bb_basewriter_add(const BbReqCtx *ctx, BbBaseWriter *writer,
							  const BbKey *key, const void *value,
							  size_t length);

/* bb_basewriter_omit - see bb_difference_omit. */
extern void bb_basewriter_omit(const BbReqCtx *ctx, BbBaseWriter *writer,
							   const BbKey *key);

/*
 * bb_basewriter_include - leave a part out, whose layers become the writer's: image
 * layers if bb_basewriter_is_lost, else those of a difference.
 */
extern void bb_basewriter_include(const BbReqCtx *ctx, BbBaseWriter *writer,
								  const BbKeyRange *part, List *layers);

/* bb_basewriter_finish - make the last layer durable; returns all layers. */
extern List *bb_basewriter_finish(const BbReqCtx *ctx, BbBaseWriter *writer);

/* bb_basewriter_layers - return the layers (BbLayerDesc *) durable so far. */
extern List *bb_basewriter_layers(const BbBaseWriter *writer);

/* bb_basewriter_pages - return the number of relation blocks stored. */
extern uint64 bb_basewriter_pages(const BbBaseWriter *writer);

#endif /* BB_BASEWRITER_H */
