/*-------------------------------------------------------------------------
 *
 * store_timelines.h
 *	  The timelines of a page store, and snapshots of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_TIMELINES_H
#define BB_STORE_TIMELINES_H

#include "layer/manifest.h"
#include "pagestore/snapshot.h"

/*
 * bb_store_timelines - return the names of all timelines (char *).
 *
 * Without a timeline, a NOTICE says so, or that the directory of a local store
 * doesn't exist: every prefix of a bucket is a valid store, and the data
 * directory that the default store was beside may have been renamed.
 */
extern List *bb_store_timelines(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *server);

/*
 * bb_store_has_timeline - does a name that bb_manifest_list returned have a
 * manifest, readable or not?
 *
 * A failed import, or a timeline that was dropped, may leave empty directories.
 */
extern bool bb_store_has_timeline(const BbReqCtx *ctx, BbObjectStore *objects,
								  const char *timeline);

/*
 * bb_store_listed_timeline - return the manifest of a timeline that
 * bb_store_timelines returned.
 *
 * Returns NULL if it has been dropped.  If it can't be read, raises a WARNING
 * and returns NULL: one broken timeline must not hide the others.
 */
extern BbManifest *bb_store_listed_timeline(const BbReqCtx *ctx,
											BbObjectStore *objects,
											const char *timeline);

/*
 * bb_store_snapshot - take a snapshot at the LSN that the user gave (Invalid:
 * the end of the timeline).
 *
 * If no record ends at the LSN, the snapshot is at the end of the record
 * before, and a NOTICE says so.
 *
 * Errors: those of bb_snapshot_take.
 */
extern BbSnapshot bb_store_snapshot(const BbReqCtx *ctx, BbPageStore *store,
									XLogRecPtr lsn);

#endif /* BB_STORE_TIMELINES_H */
