/*-------------------------------------------------------------------------
 *
 * timeline_internal.h
 *	  A timeline as point reads and scans share it.
 *
 * A value at an LSN is made in two steps:
 *
 *	  layers of the timeline and its ancestors
 *		 |	gather.c (a point), merge.c and scan.c (a range)
 *		 v
 *	  history: base, changes oldest first
 *		 |	evaluate.c
 *		 v
 *	  value: the base as it is | native changes applied | redo
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TIMELINE_INTERNAL_H
#define BB_TIMELINE_INTERNAL_H

#include "layer/layermap.h"
#include "redo/redo.h"
#include "timeline/timeline.h"

/* Layers whose blocks point reads keep. */
#define BB_RECENT_LAYERS 32

struct BbTimeline
{
	MemoryContext context; /* that it was opened in; owns the layers */
	BbObjectStore *objects;
	BbManifest *manifest;
	BbLayerMap *map;
	struct BbTimeline *ancestor; /* NULL: none */
	BbLayer	  **layers;			 /* of manifest->layers, those opened so far */

	/* the layers last read by point reads, and when */
	struct
	{
		BbLayer	   *layer; /* NULL: free */
		uint64		used;
	}			recent[BB_RECENT_LAYERS];
	uint64		clock;

	/* point reads, of the timeline that was asked only */
	BbPageHistory history;
	uint8	   *page;	  /* BLCKSZ bytes, for a page that was made */
	BbRedo	   *redo;	  /* NULL: not needed yet */
	XLogRecPtr	redo_lsn; /* where its control file is from */
	uint8	   *control;
	size_t		control_length;
};

/*
 * bb_timeline_layer - a layer of this very timeline, opened.
 */
extern BbLayer *bb_timeline_layer(const BbReqCtx *ctx, BbTimeline *timeline,
								  int index);

/*
 * bb_timeline_image - which timeline's which image layer covers key at lsn?
 *
 * *depth is how many ancestors up it is, *owner that timeline.  *until is
 * lowered to the first key above for which the answer may be another one.
 *
 * Errors: DATA_CORRUPTED when no layer does.
 */
extern int bb_timeline_image(BbTimeline *timeline, const BbKey *key,
							 XLogRecPtr lsn, BbTimeline **owner, int *depth,
							 BbKey *until);

/* ---- gather.c ---- */

/*
 * bb_timeline_gather - the history of a key at lsn, changes oldest first.
 *
 * Its base stays valid until the next point read.
 */
extern void bb_timeline_gather(const BbReqCtx *ctx, BbTimeline *timeline,
							   const BbKey *key, XLogRecPtr lsn,
							   BbPageHistory *history);

/* ---- evaluate.c ---- */

typedef enum BbOutcome
{
	BB_OUTCOME_NONE,  /* the key does not exist */
	BB_OUTCOME_VALUE, /* *entry is the value */
	BB_OUTCOME_REDO	  /* redo has to make the page */
} BbOutcome;

/*
 * bb_history_evaluate - the value that a history stands for.
 *
 * The value is the base itself, where nothing is to be changed in it, or made
 * in "page", which has BLCKSZ bytes, MAXALIGNed.
 *
 * Errors: DATA_CORRUPTED (changes without a base, or that don't belong to the
 * key).
 */
extern BbOutcome bb_history_evaluate(const BbTimeline *timeline,
									 const BbPageHistory *history, uint8 *page,
									 BbEntry *entry);

/*
 * bb_timeline_control - the control file at lsn, palloc'd: what redo of pages
 * at that LSN is opened with.
 *
 * Errors: DATA_CORRUPTED (there is none; it isn't of a cluster with, or without,
 * data checksums as the timeline is).
 */
extern uint8 *bb_timeline_control(const BbReqCtx *ctx, BbTimeline *timeline,
								  XLogRecPtr lsn, size_t *length);

/* ---- merge.c ---- */

/*
 * The entries of a key range in all delta layers of a timeline and its
 * ancestors, in (key, LSN) order.
 */
typedef struct BbMerge BbMerge;

extern BbMerge *bb_merge_new(const BbReqCtx *ctx, BbTimeline *timeline,
							 const BbKeyRange *range, XLogRecPtr lsn);

/*
 * bb_merge_segment - from here on, up to "until", an image layer "depth"
 * ancestors up has all up to LSN floor; what is older isn't wanted.
 */
extern void bb_merge_segment(BbMerge *merge, const BbKey *until, int depth,
							 XLogRecPtr floor);

/*
 * bb_merge_peek - the first entry of the segment at or after key "from" that
 * wasn't passed yet; NULL: none.
 *
 * "from" only ever rises; bb_merge_seek tells that it did.  The entry stays
 * valid until the next call but peek.
 */
extern const BbEntry *bb_merge_peek(const BbReqCtx *ctx, BbMerge *merge,
									const BbKey *from);
extern void bb_merge_seek(BbMerge *merge);

/* Pass the entry that peek gave. */
extern void bb_merge_advance(const BbReqCtx *ctx, BbMerge *merge);

#endif /* BB_TIMELINE_INTERNAL_H */
