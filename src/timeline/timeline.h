/*-------------------------------------------------------------------------
 *
 * timeline.h
 *	  One line of history of one cluster: point reads and scans at an LSN.
 *
 * A timeline is read through the layers that its manifest names.  A branch
 * has an ancestor and an ancestor LSN: everything before that LSN is read from
 * the ancestor, which may have an ancestor, too.
 *
 * Layers hold the history of a page: an image, and changes after it.  A read
 * gathers the history and makes the page (history.h, redo.h).  It never
 * guesses: changes without their base are an error.
 *
 * If the cluster has checksums, a page that was made, or that WAL had as an
 * image, gets its checksum set.  A page that is unchanged since the import is
 * returned as it was imported.
 *
 * A timeline is opened for one call and sees the manifest as it was then.  If a
 * layer has gone since, because upkeep has replaced or retired it, the read goes
 * on with the layers of the manifest as it is now: the same values.
 *
 * Errors: those of layer.h and redo.h, of which UNDEFINED_FILE says that a layer is
 * missing that the manifest still has; those of bb_timeline_reload;
 * UNDEFINED_OBJECT (no such timeline);
 * DATA_CORRUPTED (the history makes no page; bb_timeline_open: layers are
 * missing, or an ancestor isn't the one that the branch was made of).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TIMELINE_H
#define BB_TIMELINE_H

#include "datatype/timestamp.h"
#include "layer/manifest.h"

typedef struct BbTimeline BbTimeline;
typedef struct BbTimelineScan BbTimelineScan;

extern BbTimeline *bb_timeline_open(const BbReqCtx *ctx,
									BbObjectStore *objects, const char *name);

/*
 * bb_timeline_open_manifest - open a timeline whose manifest was read already,
 * or was just written.  The manifest must outlive the timeline.
 */
extern BbTimeline *bb_timeline_open_manifest(const BbReqCtx *ctx,
											 BbObjectStore *objects,
											 const BbManifest *manifest);

/*
 * bb_timeline_is_current - are the manifests of the timeline and its ancestors
 * still the ones that were read?
 */
extern bool bb_timeline_is_current(const BbReqCtx *ctx,
								   const BbTimeline *timeline);

/*
 * bb_timeline_reload - use the layers of the manifests as they are now, to read at
 * lsn.
 *
 * Returns false, with nothing changed, if the manifests are those in use, or if
 * the timeline was dropped.
 * bb_timeline_manifest still returns the first one.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (lsn can't be read any more, with the
 * window in the detail; or it is another timeline of that name); those of
 * bb_timeline_open.
 */
extern bool bb_timeline_reload(const BbReqCtx *ctx, BbTimeline *timeline,
							   XLogRecPtr lsn);

/*
 * bb_timeline_identity - return a number that identifies what is read at lsn.
 *
 * It is made of lsn, of the tli there, and for the timeline and each of its
 * ancestors that are read, of its origin (bb_manifest_origin) and of the LSN up
 * to which it is read.  All of these stay the same when WAL is ingested, and when
 * layers are merged, added or retired.  A timeline that was dropped and made again
 * has another origin.  (One whose files were restored from an older copy of the
 * page store, and which then went another way, hasn't.)
 */
extern uint64 bb_timeline_identity(const BbTimeline *timeline, XLogRecPtr lsn);

/* bb_timeline_manifest - return the manifest of the timeline, as it was read. */
extern const BbManifest *bb_timeline_manifest(const BbTimeline *timeline);

/*
 * bb_timeline_tlis - return all of PostgreSQL's timeline IDs that the page
 * store has of this cluster, on any timeline; see bb_manifest_tlis.
 */
extern List *bb_timeline_tlis(const BbReqCtx *ctx, const BbTimeline *timeline);

/*
 * bb_timeline_get - get the value of a key at an LSN.
 *
 * entry->value stays valid until the next get.  Returns false if there is no
 * value.
 *
 * REQUIRES: lsn between the timeline's start_lsn and end_lsn.  The value in a gap
 * (BbGap) means nothing.
 *
 * Errors: DATA_CORRUPTED (no layer covers the key).
 */
extern bool bb_timeline_get(const BbReqCtx *ctx, BbTimeline *timeline,
							const BbKey *key, XLogRecPtr lsn, BbEntry *entry);

/*
 * A scan returns the values of a key range at an LSN, in key order.  A value
 * stays valid until the next step.
 *
 * A scan reads ahead in all layers that have entries of the range, and keeps
 * redo helpers busy, so it may be some pages ahead of the value that it has
 * returned last.
 */
extern BbTimelineScan *bb_timeline_scan_new(const BbReqCtx *ctx,
											BbTimeline *timeline,
											const BbKeyRange *range,
											XLogRecPtr lsn);
extern bool bb_timeline_scan_next(const BbReqCtx *ctx, BbTimelineScan *scan,
								  BbEntry *entry);

/*
 * bb_timeline_scan_seek - go on with the first key at or after "key".
 *
 * REQUIRES: key after the last one returned.
 */
extern void bb_timeline_scan_seek(const BbReqCtx *ctx, BbTimelineScan *scan,
								  const BbKey *key);

/*
 * bb_timeline_scan_until - return no value at or after "key", and don't read
 * ahead there, until the next call of this function.  Processes that share a
 * range, part by part, need that.
 */
extern void bb_timeline_scan_until(BbTimelineScan *scan, const BbKey *key);
extern void bb_timeline_scan_close(BbTimelineScan *scan);

/*
 * bb_timeline_objects - list all layers that scans and point reads of these
 * key ranges at an LSN may read.
 *
 * Returns a list of BbWholeObject *, each once, in the order in which a scan
 * reaches them.
 */
extern List *bb_timeline_objects(const BbReqCtx *ctx, BbTimeline *timeline,
								 const BbKeyRange *ranges, int nranges,
								 XLogRecPtr lsn);

/*
 * The versions of one key: its entries above LSN "after" and up to "until", of
 * any type, oldest first.  They come from WAL, so an imported value isn't one.
 */
typedef struct BbTimelineVersions BbTimelineVersions;

extern BbTimelineVersions *bb_timeline_versions_new(const BbReqCtx *ctx,
													BbTimeline *timeline,
													const BbKey *key,
													XLogRecPtr after,
													XLogRecPtr until);

/*
 * bb_timeline_versions_skip - see bb_pagestore_versions_skip.
 */
extern bool bb_timeline_versions_skip(BbTimelineVersions *versions,
									  TimestampTz time);
extern bool bb_timeline_versions_next(const BbReqCtx *ctx,
									  BbTimelineVersions *versions,
									  BbEntry *entry);
extern void bb_timeline_versions_close(BbTimelineVersions *versions);

/*
 * The entries of a key range: what delta layers hold above LSN "after" and up to
 * "until", of any type, in (key, LSN) order.  An entry stays valid until the next
 * step.
 *
 * The memory is that of a scan.
 */
typedef struct BbTimelineEntries BbTimelineEntries;

extern BbTimelineEntries *bb_timeline_entries_new(const BbReqCtx *ctx,
												  BbTimeline *timeline,
												  const BbKeyRange *range,
												  XLogRecPtr after,
												  XLogRecPtr until);
extern bool bb_timeline_entries_next(const BbReqCtx *ctx,
									 BbTimelineEntries *entries,
									 BbEntry *entry);
extern void bb_timeline_entries_close(BbTimelineEntries *entries);

/*
 * bb_timeline_branch - make a timeline "name" that branches off "ancestor" at
 * lsn.  It has no layers yet.
 *
 * Errors: DUPLICATE_OBJECT (the name is taken); OBJECT_IN_USE (another session
 * imports under the name, or makes or drops a timeline);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (the ancestor can't be read at lsn).
 */
extern void bb_timeline_branch(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *name, const char *ancestor,
							   XLogRecPtr lsn);

/*
 * bb_timeline_set_upgraded_from - note that pg_upgrade made the cluster of
 * timeline "name" of that of timeline "from"; NULL: of none.
 *
 * What was before the upgrade is found by that, since the new cluster is another
 * system.
 *
 * Errors: UNDEFINED_OBJECT; INVALID_PARAMETER_VALUE (the clusters can't be
 * those before and after an upgrade); OBJECT_NOT_IN_PREREQUISITE_STATE (a branch,
 * a copy); those of bb_manifest_edit.
 */
extern void bb_timeline_set_upgraded_from(const BbReqCtx *ctx,
										  BbObjectStore *objects,
										  const char *name, const char *from);

/*
 * bb_timeline_drop - remove a timeline and its layers, even if its manifest
 * is broken.
 *
 * Errors: UNDEFINED_OBJECT; DEPENDENT_OBJECTS_STILL_EXIST (it has a branch, or
 * there is a timeline that can't be read and so may be one); OBJECT_IN_USE
 * (another session writes it, or makes or drops a timeline);
 * FEATURE_NOT_SUPPORTED (a newer version of bbackup has written its manifest, or
 * that of a timeline that may be a branch).
 */
extern void bb_timeline_drop(const BbReqCtx *ctx, BbObjectStore *objects,
							 const char *name);

#endif /* BB_TIMELINE_H */
