/*-------------------------------------------------------------------------
 *
 * snapshot.h
 *	  A page store at an LSN: what everything that reads is given.
 *
 *	  LSN of the user ── within the timeline? ── end of a record ──► snapshot
 *
 * A timeline can be read at any LSN in its range.  A read sees what the last
 * record at or before that LSN left, so the end of that record is the LSN of
 * the snapshot.  The page store knows the ends of all records (RECORD_ENDS, one
 * value for each page of WAL) and the times of commits (COMMIT_TIME).
 *
 * A snapshot is taken once for each call and handed down; a struct that keeps
 * one keeps a copy.  The page store must outlive it.  Where the last record
 * begins and when it was written cost reads that only a backup needs, so they
 * are functions.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a value that can't be
 * decoded).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SNAPSHOT_H
#define BB_SNAPSHOT_H

#include "base/clusterfile.h"
#include "base/events.h"
#include "pagestore/pagestore.h"

struct BbSnapshot
{
	BbPageStore *store;
	XLogRecPtr	lsn; /* the end of a record */
	TimeLineID	tli; /* PostgreSQL's, of that record */
};

/*
 * bb_snapshot_take - take a snapshot at the end of the last record that ended
 * at or before lsn, or else at the start of the timeline, or at the end of the
 * last gap.
 *
 * Invalid stands for the end of the timeline.
 *
 * Errors: as bb_pagestore_check_lsn.
 */
extern BbSnapshot bb_snapshot_take(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr lsn);

/*
 * bb_snapshot_at - take the snapshot whose LSN is lsn, without any read.
 *
 * REQUIRES: lsn is the LSN of a snapshot of this timeline, such as that of the
 * process which started this one.
 */
extern BbSnapshot bb_snapshot_at(BbPageStore *store, XLogRecPtr lsn);

/*
 * bb_snapshot_next - return the end of the first record that ends after lsn, and
 * at or before limit; Invalid: there is none.
 *
 * REQUIRES: lsn and limit can be read, and there is no gap between them.
 */
extern XLogRecPtr bb_snapshot_next(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr lsn, XLogRecPtr limit);

/*
 * bb_snapshot_prev_lsn - return where the record begins that ends at the
 * snapshot's LSN.
 *
 * Returns Invalid if that isn't known: for the record that ends where a branch
 * parts from its ancestor.
 */
extern XLogRecPtr bb_snapshot_prev_lsn(const BbReqCtx *ctx,
									   const BbSnapshot *snapshot);

/*
 * bb_snapshot_time - return the time (time_t) of the last commit or abort at or
 * before the snapshot's LSN, or else of the last checkpoint.
 */
extern int64 bb_snapshot_time(const BbReqCtx *ctx, const BbSnapshot *snapshot);

/* bb_snapshot_commit - decode a value of the key COMMIT_TIME. */
extern BbCommit bb_snapshot_commit(const BbKey *key, const BbValue *value);

/* bb_snapshot_checkpoint - decode a value of the key CHECKPOINT. */
extern BbCheckpoint bb_snapshot_checkpoint(const BbSnapshot *snapshot,
										   const BbKey *key,
										   const BbValue *value);

/*
 * bb_snapshot_commit_time - decode a value of the key COMMIT_TIME into a time_t.
 */
extern int64 bb_snapshot_commit_time(const BbKey *key, const BbValue *value);

#endif /* BB_SNAPSHOT_H */
