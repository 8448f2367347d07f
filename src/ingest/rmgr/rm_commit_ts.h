/*-------------------------------------------------------------------------
 *
 * rm_commit_ts.h
 *	  Commit timestamps, if track_commit_timestamp is on.
 *
 * (PostgreSQL's commit_ts.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RM_COMMIT_TS_H
#define BB_RM_COMMIT_TS_H

#include "ingest/handler.h"

/*
 * bb_commit_ts_set - record the commit of a transaction and its children
 * (TransactionTreeSetCommitTsData).  The transaction comes first in "xids".
 */
extern void bb_commit_ts_set(BbIngest *ingest, const TransactionId *xids,
							 int nxids, TimestampTz time, RepOriginId origin);

/* bb_commit_ts_switch - apply the setting (CommitTsParameterChange). */
extern void bb_commit_ts_switch(BbIngest *ingest, bool on);

#endif /* BB_RM_COMMIT_TS_H */
