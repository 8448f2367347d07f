/*-------------------------------------------------------------------------
 *
 * manifest.h
 *	  The manifest of a timeline: the only record of which layers exist.
 *
 * A manifest is one object, "timelines/NAME/manifest", which is replaced
 * atomically.  A layer is durable before a manifest names it, and is removed
 * only when no manifest names it any more.  So a crash at any time leaves the
 * state of the last commit.  Layers that no manifest names are leftovers.
 *
 * Each commit raises the generation, and succeeds only if the manifest in
 * place is still the one that was read: a writer that lost its lock can't
 * overwrite what another one has committed.
 *
 * Errors: DATA_CORRUPTED (broken manifest, with its name); FEATURE_NOT_SUPPORTED
 * (one that a newer version of bbackup has written); those of the object store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_H
#define BB_MANIFEST_H

#include "base/compat.h"
#include "layer/manifest_values.h"
#include "nodes/pg_list.h"

/*
 * bb_manifest_find - read the manifest of a timeline.
 *
 * Returns NULL if there is no such timeline.
 */
extern BbManifest *bb_manifest_find(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const char *timeline);

/*
 * bb_manifest_read - read the manifest of a timeline that has to exist.
 *
 * Errors: UNDEFINED_OBJECT.
 */
extern BbManifest *bb_manifest_read(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const char *timeline);

/*
 * bb_manifest_try - like bb_manifest_find, but a manifest that can't be read
 * is no error.
 *
 * Then it returns NULL, with what is wrong in *error, which is NULL otherwise.
 */
extern BbManifest *bb_manifest_try(const BbReqCtx *ctx, BbObjectStore *objects,
								   const char *timeline, ErrorData **error);

/*
 * bb_manifest_refuse_newer - raise an error of bb_manifest_try again if a newer
 * version of bbackup has written the manifest.
 *
 * So nobody is told to drop a timeline that an upgrade makes readable.  "error"
 * may be NULL.
 *
 * Errors: FEATURE_NOT_SUPPORTED.
 */
extern void bb_manifest_refuse_newer(ErrorData *error);

/*
 * bb_timeline_report_missing - raise the error that there is no such timeline.
 *
 * Errors: UNDEFINED_OBJECT, always.
 */
pg_noreturn extern void bb_timeline_report_missing(
	const BbObjectStore *objects, const char *name);

/* bb_manifest_is_current - is this manifest still the one in place? */
extern bool bb_manifest_is_current(const BbReqCtx *ctx, BbObjectStore *objects,
								   const BbManifest *manifest);

/*
 * bb_manifest_commit - replace the manifest that *manifest was read from
 * (tag, generation); with a tag of BB_OBJECT_ABSENT, make the timeline.
 *
 * Returns false, with nothing changed, if that is no longer the manifest in
 * place.  Otherwise *manifest gets its new tag and generation.  Writers use
 * bb_manifest_edit.
 *
 * An error of the object store leaves the outcome unknown
 * (bb_objstore_put_if): a caller that wants to undo something has to read the
 * manifest again.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (too many layers), INTERNAL_ERROR (impossible
 * values), both with nothing changed.
 */
extern bool bb_manifest_commit(const BbReqCtx *ctx, BbObjectStore *objects,
							   BbManifest *manifest);

/*
 * bb_manifest_list - return the names (char *) of the timelines in a page
 * store, in order.
 *
 * Some may be remains: a timeline exists only if it has a manifest.  A name that
 * no timeline can have is skipped, with a WARNING.
 */
extern List *bb_manifest_list(const BbReqCtx *ctx, BbObjectStore *objects);

/*
 * bb_manifest_tlis - return PostgreSQL's timeline IDs (TimeLineID, a list of
 * OIDs) that the timelines of a cluster in this page store are or were on,
 * each once.
 *
 * Timelines whose manifests can't be read are skipped.
 *
 * Errors: CONNECTION_FAILURE and the like, which concern no timeline alone.
 */
extern List *bb_manifest_tlis(const BbReqCtx *ctx, BbObjectStore *objects,
							  uint64 system_identifier);

/*
 * bb_manifest_sweep - remove the layers of a timeline that its manifest doesn't
 * name, not even as retired, and the remains of unfinished writers.
 *
 * Objects whose names no layer can have are kept, with a WARNING.  Returns false,
 * with nothing removed, if upkeep is writing layers: those that it hasn't
 * committed yet aren't named.
 *
 * REQUIRES: the timeline's lock.
 */
extern bool bb_manifest_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *timeline);

/* "timelines/NAME/verified", …: upkeep's notes; see verify_state.h, retain.h. */
#define BB_VERIFIED_OBJECT "verified"
#define BB_RETAINED_OBJECT "retained"

/* "timelines/NAME/tested": the note of restore tests. */
#define BB_TESTED_OBJECT "tested"

/*
 * bb_manifest_remove - remove the manifest of a timeline, then its layers and
 * notes.
 *
 * Upkeep that is writing layers can't commit them any more.  Waits a few seconds
 * for it to end.
 *
 * REQUIRES: the timeline's lock.
 */
extern void bb_manifest_remove(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *timeline);

/*
 * bb_manifest_lock - take the writer lock of a timeline, until
 * CurrentMemoryContext is reset.
 *
 * Errors: OBJECT_IN_USE.
 */
extern void bb_manifest_lock(const BbReqCtx *ctx, BbObjectStore *objects,
							 const char *timeline);

/*
 * bb_manifest_try_lock_upkeep - take the lock of upkeep, which writes layers beside
 * the holder of the writer lock, until CurrentMemoryContext is reset.
 *
 * Returns false if another session holds it.  Whoever writes layers without the
 * writer lock holds this one until they are committed or removed.
 */
extern bool bb_manifest_try_lock_upkeep(const BbReqCtx *ctx,
										BbObjectStore *objects,
										const char *timeline);

/*
 * bb_manifest_lock_tree - take the lock of sessions that make or drop
 * branches, until CurrentMemoryContext is reset.
 *
 * Errors: OBJECT_IN_USE.
 */
extern void bb_manifest_lock_tree(const BbReqCtx *ctx, BbObjectStore *objects);

#endif /* BB_MANIFEST_H */
