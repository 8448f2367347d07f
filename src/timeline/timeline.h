/*-------------------------------------------------------------------------
 *
 * timeline.h
 *	  One line of history of one cluster: point reads and scans at an LSN.
 *
 * A timeline is read through the layers that its manifest names.  A branch
 * has an ancestor and an ancestor LSN: what was before that LSN is read from
 * the ancestor, as far up as need be.
 *
 * What layers have of a page is its history: an image, and changes that came
 * after it.  A read gathers it and makes the page of it (history.h, redo.h).
 * Never a guess: changes without what they change are an error.
 *
 * A page that was made, or that WAL had as an image, gets its checksum set if
 * the cluster has them; one that nothing has touched since import is as it
 * came.
 *
 * A timeline is opened for one call and sees the manifest as it was then.
 *
 * Errors: those of layer.h and redo.h; UNDEFINED_OBJECT (no such timeline);
 * DATA_CORRUPTED (a history that makes no page; bb_timeline_open: layers are
 * missing, or an ancestor is not the one that it was).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TIMELINE_H
#define BB_TIMELINE_H

#include "layer/manifest.h"

typedef struct BbTimeline BbTimeline;
typedef struct BbTimelineScan BbTimelineScan;

extern BbTimeline *bb_timeline_open(const BbReqCtx *ctx,
									BbObjectStore *objects, const char *name);

/* Is it, with its ancestors, still as it was opened? */
extern bool bb_timeline_is_current(const BbReqCtx *ctx,
								   const BbTimeline *timeline);

/*
 * bb_timeline_identity - a number for what is read at lsn: two timelines that
 * have the same read the same layers.
 *
 * What is ingested later doesn't change it, as it is above; a timeline that was
 * dropped and made again has another.
 */
extern uint64 bb_timeline_identity(const BbTimeline *timeline, XLogRecPtr lsn);

/* The timeline's own manifest. */
extern const BbManifest *bb_timeline_manifest(const BbTimeline *timeline);

/*
 * bb_timeline_tlis - PostgreSQL's timeline IDs that the store knows of this
 * cluster: those of the timeline, and of all others of the same system; see
 * bb_manifest_tlis.
 */
extern List *bb_timeline_tlis(const BbReqCtx *ctx, const BbTimeline *timeline);

/*
 * bb_timeline_get - the value of a key at an LSN.
 *
 * entry->value stays valid until the next get.  False: there is no value.
 *
 * REQUIRES: lsn between the timeline's start_lsn and end_lsn.
 *
 * Errors: DATA_CORRUPTED when no layer covers the key.
 */
extern bool bb_timeline_get(const BbReqCtx *ctx, BbTimeline *timeline,
							const BbKey *key, XLogRecPtr lsn, BbEntry *entry);

/*
 * A scan yields the values of a key range at an LSN, in key order.  A value
 * stays valid until the next step.
 *
 * It reads ahead in all layers that have something to say, and keeps redo
 * helpers busy: it may be some pages ahead of what it has yielded.
 */
extern BbTimelineScan *bb_timeline_scan_new(const BbReqCtx *ctx,
											BbTimeline *timeline,
											const BbKeyRange *range,
											XLogRecPtr lsn);
extern bool bb_timeline_scan_next(const BbReqCtx *ctx, BbTimelineScan *scan,
								  BbEntry *entry);

/*
 * bb_timeline_scan_seek - go on at the first key at or after "key".
 *
 * REQUIRES: key after what next returned last.
 */
extern void bb_timeline_scan_seek(const BbReqCtx *ctx, BbTimelineScan *scan,
								  const BbKey *key);
/*
 * bb_timeline_scan_until - give nothing at or after "key", nor read ahead there,
 * until another key is named; for who reads a range in parts, with others.
 */
extern void bb_timeline_scan_until(BbTimelineScan *scan, const BbKey *key);
extern void bb_timeline_scan_close(BbTimelineScan *scan);

/*
 * bb_timeline_objects - BbWholeObjects of all layers that scans and point
 * reads of these key ranges at an LSN may read, palloc'd; each once,
 * in the order in which a scan comes to them.
 */
extern List *bb_timeline_objects(const BbReqCtx *ctx, BbTimeline *timeline,
								 const BbKeyRange *ranges, int nranges,
								 XLogRecPtr lsn);

/*
 * The versions of one key: what WAL said of it above LSN "after", up to
 * "until", oldest first, as entries of any type.  The value that it was
 * imported with is none.
 */
typedef struct BbTimelineVersions BbTimelineVersions;

extern BbTimelineVersions *bb_timeline_versions_new(const BbReqCtx *ctx,
													BbTimeline *timeline,
													const BbKey *key,
													XLogRecPtr after,
													XLogRecPtr until);
extern bool bb_timeline_versions_next(const BbReqCtx *ctx,
									  BbTimelineVersions *versions,
									  BbEntry *entry);
extern void bb_timeline_versions_close(BbTimelineVersions *versions);

/*
 * bb_timeline_branch - make a timeline "name" that parts from "ancestor" at
 * lsn.  It has no layers of its own yet.
 *
 * Errors: DUPLICATE_OBJECT (name is taken); OBJECT_IN_USE (somebody imports
 * under it).
 */
extern void bb_timeline_branch(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *name, const char *ancestor,
							   XLogRecPtr lsn);

/*
 * bb_timeline_drop - remove a timeline and its layers, even if its manifest
 * is broken.
 *
 * Errors: UNDEFINED_OBJECT; DEPENDENT_OBJECTS_STILL_EXIST (a branch, or a
 * timeline that can't be read and so may be one); OBJECT_IN_USE (a writer).
 */
extern void bb_timeline_drop(const BbReqCtx *ctx, BbObjectStore *objects,
							 const char *name);

#endif /* BB_TIMELINE_H */
