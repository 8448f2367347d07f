/*-------------------------------------------------------------------------
 *
 * walposition.h
 *	  Where in WAL: LSNs, the records that end at them, and times.
 *
 * Any LSN in a timeline's range can be read at.  What is seen there is what
 * the last record at or before it left, so that record's end is the LSN that
 * counts: the page store knows all of them (RECORD_ENDS, one value for each
 * page of WAL) and the times of commits (COMMIT_TIME).
 *
 * Errors: those of the page store; DATA_CORRUPTED (a value that can't be
 * decoded).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WALPOSITION_H
#define BB_WALPOSITION_H

#include "datatype/timestamp.h"
#include "pagestore/pagestore.h"

/*
 * bb_pagestore_round_lsn - the end of the last record that ended at or before
 * lsn; at least the start of the timeline.
 *
 * *record_start is where that record begins, Invalid when that isn't known:
 * of the record that ends where a branch parts.  It may be NULL.
 *
 * REQUIRES: lsn from bb_pagestore_check_lsn.
 */
extern XLogRecPtr bb_pagestore_round_lsn(const BbReqCtx *ctx,
										 BbPageStore *store, XLogRecPtr lsn,
										 XLogRecPtr *record_start);

/*
 * bb_pagestore_tli_at - PostgreSQL's TimeLineID of the record that ends at
 * lsn.
 */
extern TimeLineID bb_pagestore_tli_at(const BbPageStore *store,
									  XLogRecPtr lsn);

/*
 * bb_pagestore_time_at - when it was lsn: the time of the last commit or abort
 * at or before it, or else of the checkpoint that was the last then.
 */
extern int64 bb_pagestore_time_at(const BbReqCtx *ctx, BbPageStore *store,
								  XLogRecPtr lsn);

typedef enum BbTimeAnswer
{
	BB_TIME_FOUND,	/* there are commits before and after the time */
	BB_TIME_FUTURE, /* none after it: it may yet get some */
	BB_TIME_PAST,	/* none before it: the timeline starts later */
	BB_TIME_NO_DATA /* none at all */
} BbTimeAnswer;

/*
 * bb_pagestore_lsn_at_time - the LSN that recovery with recovery_target_time
 * would stop at.
 *
 * The first commit or abort that is later than "time" ends it, as clocks may
 * go back; *lsn is the end of the last one before that.  PAST and NO_DATA: the
 * start of the timeline.
 */
extern BbTimeAnswer bb_pagestore_lsn_at_time(const BbReqCtx *ctx,
											 BbPageStore *store,
											 TimestampTz time,
											 XLogRecPtr *lsn);

#endif /* BB_WALPOSITION_H */
