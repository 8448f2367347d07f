/*-------------------------------------------------------------------------
 *
 * timeline_internal.h
 *	  A timeline, which point reads and scans share.
 *
 * A value at an LSN is made in two steps:
 *
 *	  layers of the timeline and its ancestors
 *		 |	point.c; scan.c with merge.c
 *		 v
 *	  history: base, changes oldest first
 *		 |	evaluate.c
 *		 v
 *	  value: the base unchanged | native changes applied | redo
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TIMELINE_INTERNAL_H
#define BB_TIMELINE_INTERNAL_H

#include "layer/layermap.h"
#include "redo/redo.h"
#include "timeline/timeline.h"

/* The number of layers whose blocks point reads keep. */
#define BB_RECENT_LAYERS 32

/*
 * A timeline that is read for long may lose layers to upkeep.  Then its manifests
 * are read again into another BbTimeline, the view, which is what reads use.  A
 * scan keeps the view that it began with until it loses a layer, too: an index of
 * a layer means nothing in another view.
 */
struct BbTimeline
{
	MemoryContext context;	 /* owns the timeline and its layers */
	struct BbTimeline *view; /* of what callers have; at first, itself */
	int			users;		 /* of a view: scans and the like */
	BbObjectStore *objects;
	const BbManifest *manifest;
	BbLayerMap *map;
	struct BbTimeline *ancestor; /* NULL: none */
	BbLayer	  **layers;			 /* of manifest->layers; NULL: not open yet */

	/* the layers that point reads used last, and when */
	struct
	{
		BbLayer	   *layer; /* NULL: free */
		uint64		used;
	}			recent[BB_RECENT_LAYERS];
	uint64		clock;
	XLogRecPtr	checked_point; /* no layer that it needs is missing */

	/* point reads; unused in an ancestor, and in a view */
	struct BbTimeline *get_view; /* that the last value is from, or NULL */
	BbPageHistory history;
	uint8	   *page;	  /* BLCKSZ bytes, for a page that was made */
	BbRedo	   *redo;	  /* NULL: not needed yet */
	XLogRecPtr	redo_lsn; /* the LSN of its control file */
	BbControl  *control;
};

/*
 * bb_timeline_layer - return a layer of this timeline, not of an ancestor; open
 * it if it isn't open.
 */
extern BbLayer *bb_timeline_layer(const BbReqCtx *ctx, BbTimeline *timeline,
								  int index);

/*
 * bb_timeline_image - find the image layer that covers key at lsn.
 *
 * Returns its index in *owner, which is the timeline or the ancestor *depth
 * generations up.  Unless "until" is NULL, lowers *until to the first key above
 * "key" for which the answer may differ.
 *
 * Errors: DATA_CORRUPTED (no layer covers the key; lsn is a point, and layers that
 * it needs are missing).
 */
extern int bb_timeline_image(BbTimeline *timeline, const BbKey *key,
							 XLogRecPtr lsn, BbTimeline **owner, int *depth,
							 BbKey *until);

/* ---- reload.c ---- */

/* How often one step of a read may lose a layer. */
#define BB_RELOADS_MAX 10

/*
 * bb_timeline_use - return the present view, which stays until
 * bb_timeline_unuse.
 */
extern BbTimeline *bb_timeline_use(BbTimeline *timeline);
extern void bb_timeline_unuse(BbTimeline *timeline, BbTimeline *view);

/* A step of a read, which goes on with newer manifests if it loses a layer. */
typedef struct BbTimelineStep
{
	BbTimeline *timeline;
	BbTimeline *const *view; /* that the step reads */
	XLogRecPtr	lsn;
	bool		(*attempt) (const BbReqCtx *ctx, void *arg);
	/* make ready for another attempt with the present view; may be NULL */
	void		(*restart) (const BbReqCtx *ctx, void *arg);
	void	   *arg;
} BbTimelineStep;

/*
 * bb_timeline_step - return what "attempt" returns.  If a layer has gone, and the
 * manifests have changed since its view was made, try again.
 *
 * Errors: those of the attempt and of bb_timeline_reload.
 */
extern bool bb_timeline_step(const BbReqCtx *ctx, const BbTimelineStep *step);

/* ---- point.c ---- */

/*
 * bb_timeline_control - return the control file at lsn, palloc'd.  Redo of
 * pages at that LSN needs it.
 *
 * Errors: DATA_CORRUPTED (there is none; it is invalid; its data checksums
 * aren't those of the timeline).
 */
extern BbControl *bb_timeline_control(const BbReqCtx *ctx,
									  BbTimeline *timeline, XLogRecPtr lsn);

/* ---- evaluate.c ---- */

typedef enum BbOutcome
{
	BB_OUTCOME_NONE,  /* the key does not exist */
	BB_OUTCOME_VALUE, /* *entry is the value */
	BB_OUTCOME_REDO	  /* the redo helper has to make the page */
} BbOutcome;

/*
 * bb_history_evaluate - turn a history into a value.
 *
 * The value is the base, if nothing has to be changed, or is made in "page",
 * which has BLCKSZ bytes, MAXALIGNed.
 *
 * Errors: DATA_CORRUPTED (changes without a base, or changes that can't be
 * applied to the key).
 */
extern BbOutcome bb_history_evaluate(const BbTimeline *timeline,
									 const BbPageHistory *history, uint8 *page,
									 BbEntry *entry);

/* ---- merge.c ---- */

/*
 * A merge returns the entries of a key range in the delta layers of a timeline
 * and its ancestors, in (key, LSN) order, segment by segment.  It uses only layers
 * that may have entries above the segment's image layer.
 */
typedef struct BbMerge BbMerge;

/* A merge reads a view. */
extern BbMerge *bb_merge_new(const BbReqCtx *ctx, BbTimeline *timeline,
							 const BbKeyRange *range, XLogRecPtr lsn);

extern void bb_merge_close(BbMerge *merge);

/*
 * bb_merge_segment - begin a segment, a key range.
 *
 * An image layer "depth" generations up has everything up to LSN floor, so the
 * merge skips older entries.
 */
extern void bb_merge_segment(BbMerge *merge, const BbKeyRange *segment,
							 int depth, XLogRecPtr floor);

/*
 * bb_merge_peek - return the next entry of the segment at or after key "from",
 * or NULL.
 *
 * The entry stays valid until the next call of another function.
 *
 * REQUIRES: "from" doesn't fall; bb_merge_seek was called if it rose.
 */
extern const BbEntry *bb_merge_peek(const BbReqCtx *ctx, BbMerge *merge,
									const BbKey *from);
extern void bb_merge_seek(BbMerge *merge);

/* bb_merge_advance - pass the entry that peek returned. */
extern void bb_merge_advance(const BbReqCtx *ctx, BbMerge *merge);

#endif /* BB_TIMELINE_INTERNAL_H */
