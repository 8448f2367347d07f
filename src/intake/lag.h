/*-------------------------------------------------------------------------
 *
 * lag.h
 *	  How old is the oldest WAL of a source that a page store doesn't have?
 *
 *	  source_lsn	●────●──────●─────────●
 *					t1	 t2		t3		  t4		► WAL
 *							▲
 *							covered_lsn: the lag is the time since t3
 *
 * A sample says when the source's WAL ended at some LSN for the first time.
 * When there are too many, each second one is merged with the one before: the
 * time is the earlier one, the LSN the later one.  So a lag may come out too
 * large, never too small.  (PostgreSQL's walsender does it with LagTracker.)
 *
 * Nothing is known while the source can't be reached.  Its WAL may have gone on
 * as soon as it was heard from last, and the lag is the time since then.
 *
 * This is plain memory; the control block holds its spinlock around calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_LAG_H
#define BB_INTAKE_LAG_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"

#define BB_LAG_SAMPLES 128

/* Samples are at least so far apart. */
#define BB_LAG_DISTANCE_MS 20

typedef struct BbLagSample
{
	XLogRecPtr	lsn;
	TimestampTz time;
} BbLagSample;

typedef struct BbLag
{
	int			count;
	BbLagSample samples[BB_LAG_SAMPLES]; /* both fields rise */
	XLogRecPtr	source_lsn;				 /* Invalid: not known yet */
	TimestampTz heard; /* from the source; or, at first, when the WAL in the
						* page store ended */
} BbLag;

/*
 * bb_lag_note - the source's WAL ends at source_lsn now.
 *
 * is_stream: WAL arrives as it is written.  Else it may have been written since
 * the source was heard from last.
 */
extern void bb_lag_note(BbLag *lag, XLogRecPtr source_lsn,
						XLogRecPtr covered_lsn, TimestampTz now,
						bool is_stream);

/*
 * bb_lag_get - returns for how long (microseconds) the oldest WAL of the source
 * beyond covered_lsn has been there; 0 if there is none.
 */
extern int64 bb_lag_get(const BbLag *lag, XLogRecPtr covered_lsn,
						TimestampTz now, bool is_connected);

#endif /* BB_INTAKE_LAG_H */
