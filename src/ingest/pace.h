/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  When an ingest that goes on while WAL is written flushes.
 *
 * A flush is due
 *
 * - when the open layer is large enough (flush.h), as in every ingest;
 * - when the oldest record that isn't committed is as old as
 *	 BbIngestControl.flush_interval_ms;
 * - as soon as all records up to a wanted LSN have been ingested.
 *
 * What is covered is more than the end of the last record: WAL also ends in
 * the midst of a record, in page headers and in padding.  When the source has
 * no further record, then no other record ends up to the source's limit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PACE_H
#define BB_PACE_H

#include "ingest/handler.h"

/* bb_pace_record - a record is complete: flush if that is due. */
extern void bb_pace_record(BbIngest *ingest);

/*
 * bb_pace_wait - the source has no further record yet: flush if that is due, or
 * wait for a while.
 *
 * Every few seconds without a flush, looks whether the timeline is still there.
 * That also renews the lock of a store that forgets locks.
 *
 * Errors: UNDEFINED_OBJECT (the timeline was dropped); OBJECT_IN_USE (another
 * session has moved its end).
 */
extern void bb_pace_wait(BbIngest *ingest);

#endif /* BB_PACE_H */
