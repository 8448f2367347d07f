/*-------------------------------------------------------------------------
 *
 * redo.h
 *	  Computes pages from page histories, by redo helpers.
 *
 * A redo helper is a stock "postgres --single" of the cluster's major version
 * (installation.h) with this library preloaded.  The library takes control of the process before it
 * opens a database, locks it down (seccomp: no files, no network), and applies
 * WAL records to one page at a time by the server's rm_redo functions:
 *
 *	  history --submit--> [ helper 1 ] --next--> page
 *						  [ helper 2 ]
 *
 * Each backend has a pool of up to bbackup.redo_processes helpers, which are
 * started when first needed and end with the backend.  If a helper dies, hangs
 * (bbackup.redo_timeout) or sends an invalid answer, the call that it works for
 * fails, and the helper is replaced for the next call.
 *
 * Several requests may be in flight; pages come back in the order in which
 * histories were submitted.
 *
 * Errors: EXTERNAL_ROUTINE_EXCEPTION (the helper died, hung, or sent an invalid
 * answer, or redo of a record failed: the detail has relation, block, LSN and
 * record); FEATURE_NOT_SUPPORTED (no seccomp; the hint names the setting); those
 * of starting a process; QUERY_CANCELED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_H
#define BB_REDO_H

#include "base/clusterfile.h"
#include "base/reqctx.h"
#include "layer/history.h"

typedef struct BbRedo BbRedo;

/*
 * bb_redo_open - create a client of this backend's helpers, for one cluster.
 *
 * "control" is the cluster's control file: redo depends on its major version,
 * checksums, wal_log_hints and WAL segment size.  Helpers that were started for
 * another cluster are replaced.
 *
 * The client is released with CurrentMemoryContext, and its pending requests are
 * discarded.
 */
extern BbRedo *bb_redo_open(const BbReqCtx *ctx, const BbControl *control);

/*
 * bb_redo_submit - give a copy of a history to a helper.
 *
 * Doesn't wait until results are read: they are kept.
 *
 * REQUIRES: the key is a REL_BLOCK of the main or init fork; the history is
 * complete, its changes are ordered from oldest to newest, and all of them are
 * of type RECORD or RECORD_INIT.
 */
extern void bb_redo_submit(const BbReqCtx *ctx, BbRedo *redo,
						   const BbPageHistory *history);

/* Returns the number of submitted histories whose pages were not returned yet. */
extern int bb_redo_pending(const BbRedo *redo);

/* Returns how many have to be pending to keep all helpers busy. */
extern int bb_redo_depth(const BbRedo *redo);

/*
 * bb_redo_full - are so many histories pending that more would only use memory?
 *
 * That is the case from bb_redo_depth() histories or from a few megabytes on.
 */
extern bool bb_redo_full(const BbRedo *redo);

/*
 * bb_redo_next - wait for the page (BLCKSZ bytes) of the oldest pending history,
 * and return it.  Its checksum is set if the cluster has checksums.
 *
 * The page is valid until the next call for this client.
 *
 * REQUIRES: bb_redo_pending() > 0
 */
extern const uint8 *bb_redo_next(const BbReqCtx *ctx, BbRedo *redo);

#endif /* BB_REDO_H */
