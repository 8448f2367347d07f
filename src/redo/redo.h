/*-------------------------------------------------------------------------
 *
 * redo.h
 *	  Page histories into pages, by redo helpers.
 *
 * A redo helper is a stock "postgres --single" of the server's own
 * installation with our library preloaded, which takes the process over
 * before it would look at a database, locks itself down (seccomp: no files,
 * no network) and applies WAL records to one page at a time by the server's
 * own rm_redo functions:
 *
 *	  history --submit--> [ helper 1 ] --next--> page
 *						  [ helper 2 ]
 *
 * A backend has its own pool of helpers, up to bbackup.redo_processes,
 * started when first needed and kept for the life of the backend.  They die
 * with it.  A helper that dies, hangs (bbackup.redo_timeout) or answers
 * nonsense costs the call that asked it an error, and is replaced for the
 * next.
 *
 * Several requests may be in flight; pages come back in the order in which
 * histories were submitted.
 *
 * Errors: EXTERNAL_ROUTINE_EXCEPTION (the helper died, hung, answered
 * nonsense, or redo of a record failed: relation, block, LSN and record are
 * in the detail); FEATURE_NOT_SUPPORTED (no seccomp here, hint: the setting);
 * those of starting a process; QUERY_CANCELED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_H
#define BB_REDO_H

#include "base/reqctx.h"
#include "layer/history.h"

typedef struct BbRedo BbRedo;

/*
 * bb_redo_open - a client of this backend's helpers, for one cluster.
 *
 * "control" is the cluster's ControlFileData as on disk: what redo does
 * depends on its checksums, wal_log_hints and WAL segment size.  Helpers that
 * were started for another cluster are replaced.
 *
 * The client is released with CurrentMemoryContext; requests still in flight
 * are then thrown away.
 */
extern BbRedo *bb_redo_open(const BbReqCtx *ctx, const void *control,
							size_t control_length);

/*
 * bb_redo_submit - hand a history to a helper; it is copied.
 *
 * Never blocks for want of a reader: results that come meanwhile are kept.
 *
 * REQUIRES: a REL_BLOCK key of the main or init fork; history complete, with
 * changes oldest first, all RECORD or RECORD_INIT.
 */
extern void bb_redo_submit(const BbReqCtx *ctx, BbRedo *redo,
						   const BbPageHistory *history);

/* How many histories were submitted whose pages were not taken yet? */
extern int bb_redo_pending(const BbRedo *redo);

/* How many may be in flight to keep all helpers busy? */
extern int bb_redo_depth(const BbRedo *redo);

/*
 * bb_redo_full - is so much in flight that more would only take memory?
 *
 * As many histories as bb_redo_depth(), or long ones that together have some
 * megabytes.
 */
extern bool bb_redo_full(const BbRedo *redo);

/*
 * bb_redo_next - the page (BLCKSZ bytes) of the history submitted first,
 * waiting for it.  Its checksum is set, if the cluster has them.
 *
 * Valid until the next call for this client.
 *
 * REQUIRES: bb_redo_pending() > 0
 */
extern const uint8 *bb_redo_next(const BbReqCtx *ctx, BbRedo *redo);

#endif /* BB_REDO_H */
