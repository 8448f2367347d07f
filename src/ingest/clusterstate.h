/*-------------------------------------------------------------------------
 *
 * clusterstate.h
 *	  Counters and horizons: the contents of a shutdown checkpoint at this LSN.
 *
 * Recovery tracks nextXid, nextOid, nextMulti and the oldest of everything
 * from record to record, and writes them into the checkpoint at its end.  Ingest
 * does the same: at every LSN, the store's CHECKPOINT value is that checkpoint,
 * and CONTROL_FILE has the settings that WAL reports.  Both are written at the
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
 * bb_clusterstate_load - load the state of a timeline at lsn.
 *
 * Errors: DATA_CORRUPTED (missing, or not of this major version).
 */
extern BbClusterState *bb_clusterstate_load(const BbReqCtx *ctx,
											BbTimeline *timeline,
											XLogRecPtr lsn);

/* Write what the record that ends at lsn changed. */
extern void bb_clusterstate_write(BbClusterState *state, BbOpenLayer *layer,
								  XLogRecPtr lsn);

/* Advance nextXid past xid (AdvanceNextFullTransactionIdPastXid). */
extern void bb_clusterstate_past_xid(BbClusterState *state, TransactionId xid);

/* Returns the full xid of an xid in WAL (AdjustToFullTransactionId). */
extern FullTransactionId bb_clusterstate_full_xid(const BbClusterState *state,
												  TransactionId xid);

/* Advance to at least these (MultiXactAdvanceNextMXact, MultiXactAdvanceOldest). */
extern void bb_clusterstate_past_multi(BbClusterState *state,
									   MultiXactId multi,
									   MultiXactOffset offset);
extern void bb_clusterstate_oldest_multi(BbClusterState *state,
										 MultiXactId multi, Oid database);

/* Apply a checkpoint record. */
extern void bb_clusterstate_checkpoint(BbClusterState *state,
									   const CheckPoint *checkpoint,
									   bool shutdown);

#endif /* BB_CLUSTERSTATE_H */
