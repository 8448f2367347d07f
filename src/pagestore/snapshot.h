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

#include "datatype/timestamp.h"
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

/*
 * bb_snapshot_commit_time - decode a value of the key COMMIT_TIME into a time_t.
 */
extern int64 bb_snapshot_commit_time(const BbKey *key, const BbValue *value);

typedef enum BbTimeAnswer
{
	BB_TIME_FOUND,	/* there are commits before and after the time */
	BB_TIME_FUTURE, /* none after it: it may yet get some */
	BB_TIME_PAST,	/* none before it: the timeline starts later */
	BB_TIME_GAP,	/* the commits before it, or after it, were in a gap */
	BB_TIME_NO_DATA /* no commits at all */
} BbTimeAnswer;

/*
 * bb_pagestore_lsn_at_time - find the LSN that recovery with
 * recovery_target_time would stop at.
 *
 * Recovery ends before the first commit or abort that is later than "time",
 * even if an earlier time follows, since clocks may go back.  *lsn is the end
 * of the last commit or abort before that, or the end of a gap that has it; the
 * start of the timeline for PAST and NO_DATA; the end of the gap for GAP.
 */
extern BbTimeAnswer bb_pagestore_lsn_at_time(const BbReqCtx *ctx,
											 BbPageStore *store,
											 TimestampTz time,
											 XLogRecPtr *lsn);

#endif /* BB_SNAPSHOT_H */
