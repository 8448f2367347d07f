/*-------------------------------------------------------------------------
 *
 * commits.h
 *	  Commits, by the LSN where their record ends.
 *
 * The event there has the time and the full ID of the whole transaction (events.h),
 * whichever of its subtransactions the LSN was found for (xactends.h).
 *
 * Errors: those of the page store; DATA_CORRUPTED (no commit is there).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_COMMITS_H
#define BB_HEAP_COMMITS_H

#include "base/events.h"
#include "pagestore/pagestore.h"

typedef struct BbCommits BbCommits;

/* bb_commits_new - prepare to look commits up, up to LSN "until". */
extern BbCommits *bb_commits_new(BbPageStore *store, XLogRecPtr until);

/*
 * bb_commits_need - return the commit whose record ends at an LSN, where a status of
 * pg_xact changed.
 *
 * REQUIRES: LSNs do not descend from call to call.
 */
extern void bb_commits_need(const BbReqCtx *ctx, BbCommits *commits,
							XLogRecPtr lsn, BbCommit *commit);
extern void bb_commits_close(BbCommits *commits);

#endif /* BB_HEAP_COMMITS_H */
