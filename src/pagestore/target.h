/*-------------------------------------------------------------------------
 *
 * target.h
 *	  The LSN where recovery would stop at a target.
 *
 * (recoveryStopsBefore and recoveryStopsAfter in PostgreSQL's xlogrecovery.c.)
 *
 *	  target	   stops at				 inclusive: after   exclusive: before
 *	  ------------ --------------------- ----------------- -----------------
 *	  name		   restore point		 it
 *	  xid		   its commit or abort	 it					it
 *	  time		   first commit or abort ...later than it: before it in both cases;
 *										 exclusive: ...not earlier than it
 *	  LSN		   first record that	 it					it
 *				   starts at or after it
 *
 * "After" is the end of that record, and "before" is the end of the record before
 * it: what the server says in pg_last_wal_replay_lsn().  Recovery begins at a base
 * backup; here it would begin at the start of the timeline.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a value that can't be
 * decoded).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TARGET_H
#define BB_TARGET_H

#include "pagestore/snapshot.h"

typedef enum BbTargetAnswer
{
	BB_TARGET_FOUND,
	BB_TARGET_FUTURE, /* it isn't reached by the end: it may yet be */
	BB_TARGET_PAST,	  /* it was before the timeline's start */
	BB_TARGET_GAP,	  /* it was in a gap, or may have been */
	BB_TARGET_NO_DATA /* of a time: there are no commits at all */
} BbTargetAnswer;

/*
 * bb_pagestore_find_time - find the LSN of recovery_target_time.
 *
 * Recovery ends before the first commit or abort that is later than "time" (not
 * earlier, unless inclusive), even if an earlier time follows, since clocks may go
 * back.  FUTURE: there is none, though some at or before the time.
 *
 * *lsn is the LSN for FOUND; the start of the timeline for PAST and NO_DATA; the
 * end of the gap for GAP; for FUTURE, the start of the timeline, or the end of its
 * last gap.
 */
extern BbTargetAnswer bb_pagestore_find_time(const BbReqCtx *ctx,
											 BbPageStore *store,
											 TimestampTz time, bool inclusive,
											 XLogRecPtr *lsn);

/*
 * bb_pagestore_find_lsn - find the LSN of recovery_target_lsn.
 *
 * Unless inclusive, *lsn may be the end of the timeline, though recovery would
 * wait for the next record to see that it is behind the target.
 */
extern BbTargetAnswer bb_pagestore_find_lsn(const BbReqCtx *ctx,
											BbPageStore *store,
											XLogRecPtr target, bool inclusive,
											XLogRecPtr *lsn);

/* What is known of a transaction. */
typedef struct BbTransaction
{
	uint64		xid;   /* full */
	uint64		first; /* the next xid at the start of the timeline */
	uint64		next;  /* and at its end */
	XLogRecPtr	end;   /* of the record that ended it */
	BbCommit	commit;
} BbTransaction;

/*
 * bb_pagestore_find_xid - find the commit or abort of a transaction, and the LSN
 * of recovery_target_xid.
 *
 * An xid below 2^32 has no epoch, as recovery's: it is that of the last
 * transaction that has it.  Fills in "transaction" up to the record's end, which
 * needs FOUND or GAP.
 *
 * FUTURE: the xid isn't assigned yet; PAST: no end of it is known.
 */
extern BbTargetAnswer bb_pagestore_find_xid(const BbReqCtx *ctx,
											BbPageStore *store, uint64 xid,
											bool inclusive,
											BbTransaction *transaction,
											XLogRecPtr *lsn);

typedef struct BbRestorePointAt
{
	XLogRecPtr	lsn;
	bool		readable; /* the timeline can be read there */
	BbRestorePoint point;
} BbRestorePointAt;

/*
 * bb_pagestore_restore_points - list the restore points (BbRestorePointAt *) of a
 * name, or all of them (NULL), oldest first: also those that the page store still
 * knows, but that can't be read any more, or not in this timeline.
 */
extern List *bb_pagestore_restore_points(const BbReqCtx *ctx,
										 BbPageStore *store, const char *name);

/*
 * bb_pagestore_targets_from - return the LSN from which on xids and restore points
 * are known; Invalid: none are.
 *
 * WAL before it was ingested by a version that didn't keep them.
 */
extern XLogRecPtr bb_pagestore_targets_from(const BbReqCtx *ctx,
											BbPageStore *store);

#endif /* BB_TARGET_H */
