/*-------------------------------------------------------------------------
 *
 * committs.h
 *	  Commit timestamps, where track_commit_timestamp is on.
 *
 * (PostgreSQL's commit_ts.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMMITTS_H
#define BB_COMMITTS_H

#include "ingest/handler.h"

/*
 * bb_committs_set - a transaction and its children committed
 * (TransactionTreeSetCommitTsData).  "xids" has the transaction first.
 */
extern void bb_committs_set(BbIngest *ingest, const TransactionId *xids,
							int nxids, TimestampTz time, RepOriginId origin);

/* The setting changed (CommitTsParameterChange). */
extern void bb_committs_switch(BbIngest *ingest, bool on);

#endif /* BB_COMMITTS_H */
