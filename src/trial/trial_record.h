/*-------------------------------------------------------------------------
 *
 * trial_record.h
 *	  What a store remembers of the restore tests of a timeline.
 *
 * A note (layer/note.h), "timelines/NAME/tested".
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TRIAL_RECORD_H
#define BB_TRIAL_RECORD_H

#include "datatype/timestamp.h"
#include "trial/trial.h"

typedef struct BbTrialRecord
{
	TimestampTz tested_at; /* its end */
	bool		start;	   /* a server was to be started */
	XLogRecPtr	lsn;	   /* Invalid: it didn't get so far */
	uint64		bytes;
	uint64		duration_us;
	const char *error;	/* NULL: it was good */
	const char *answer; /* NULL: none */
} BbTrialRecord;

/* Each is NULL if there was none. */
typedef struct BbTrialRecords
{
	const BbTrialRecord *last;
	const BbTrialRecord *good;	  /* the last one that was good */
	const BbTrialRecord *started; /* and that started a server */
} BbTrialRecords;

/* bb_trial_records_read - read the note, into CurrentMemoryContext. */
extern BbTrialRecords bb_trial_records_read(const BbReqCtx *ctx,
											BbObjectStore *objects,
											const char *timeline);

/*
 * bb_trial_recorded - do a test, by make(ctx, arg), and note in the store how it
 * ended, unless it was canceled.  A store that can't be written is a WARNING.
 *
 * Errors: those of "make".
 */
typedef BbTrialResult (*BbTrialMake) (const BbReqCtx *ctx, void *arg);

extern BbTrialResult bb_trial_recorded(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const char *timeline, bool start,
									   BbTrialMake make, void *arg);

#endif /* BB_TRIAL_RECORD_H */
