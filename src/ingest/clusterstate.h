/*-------------------------------------------------------------------------
 *
 * clusterstate.h
 *	  Counters and horizons: what a shutdown checkpoint would say right here.
 *
 * Recovery tracks nextXid, nextOid, nextMulti and the oldest of everything
 * from record to record, and writes them into the checkpoint at its end.	So
 * do we: the store's CHECKPOINT value is, at every LSN, that checkpoint, and
 * its CONTROL_FILE the settings that WAL reports.	 Both are written at the
 * end of each record that changed them.
 *
 * (PostgreSQL's xlog_redo and ApplyWalRecord; varsup.c; multixact.c;
 * commit_ts.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLUSTERSTATE_H
#define BB_CLUSTERSTATE_H

#include "catalog/pg_control.h"
#include "ingest/openlayer.h"
#include "timeline/timeline.h"

typedef struct BbClusterState
{
	CheckPoint	checkpoint;
	ControlFileData control;
	CheckPoint	written; /* as the store has it */
	bool		control_changed;
} BbClusterState;

/*
 * bb_clusterstate_load - what the timeline has at lsn.
 *
 * Errors: DATA_CORRUPTED (missing, or not of this major version).
 */
extern BbClusterState *bb_clusterstate_load(const BbReqCtx *ctx,
											BbTimeline *timeline,
											XLogRecPtr lsn);

/* Write what changed, at lsn. */
extern void bb_clusterstate_write(BbClusterState *state, BbOpenLayer *layer,
								  XLogRecPtr lsn);

/* nextXid is past xid from now on (AdvanceNextFullTransactionIdPastXid). */
extern void bb_clusterstate_past_xid(BbClusterState *state, TransactionId xid);

/* The full xid of an xid that WAL names (AdjustToFullTransactionId). */
extern FullTransactionId bb_clusterstate_full_xid(const BbClusterState *state,
												  TransactionId xid);

/* At least these (MultiXactAdvanceNextMXact, MultiXactAdvanceOldest). */
extern void bb_clusterstate_past_multi(BbClusterState *state,
									   MultiXactId multi,
									   MultiXactOffset offset);
extern void bb_clusterstate_oldest_multi(BbClusterState *state,
										 MultiXactId multi, Oid database);

/* A checkpoint record, and a change of parameters. */
extern void bb_clusterstate_checkpoint(BbClusterState *state,
									   const CheckPoint *checkpoint,
									   bool shutdown);
extern bool bb_clusterstate_tracks_commits(const BbClusterState *state);

#endif /* BB_CLUSTERSTATE_H */
