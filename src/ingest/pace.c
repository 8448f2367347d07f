/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  When an ingest that goes on while WAL is written flushes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "ingest/flush.h"
#include "ingest/pace.h"
#include "stats/progress.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The clock and the control are asked after this many records. */
#define RECORDS_PER_LOOK 16

/* The longest wait for a source that has no more WAL yet. */
#define WAIT_MS 1000

/* The manifest is looked at after this long without a commit. */
#define LOOK_MS 10000

static inline bool
uncommitted(const BbIngest *ingest)
{
	return ingest->done_lsn > ingest->manifest->end_lsn;
}

/* All records that end up to "covered" are ingested: commit them. */
static void
commit(BbIngest *ingest, XLogRecPtr covered)
{
	if (uncommitted(ingest))
	{
		bb_ingest_flush(ingest);
		ingest->looked_at = GetCurrentTimestamp();
	}
	else if (covered <= ingest->covered_lsn)
		return;
	ingest->oldest_at = 0;
	ingest->covered_lsn = covered;
	ingest->control->committed(ingest->control, ingest->done_lsn, covered);
}

/*
 * The beginning of a record counts as covered.  If the source leaves its tli
 * before that record, others take its place.
 */
static void
uncover(BbIngest *ingest)
{
	ingest->covered_lsn = ingest->manifest->end_lsn;
}

/* Milliseconds until the oldest record must be committed; 0: now. */
static long
time_left_ms(const BbIngest *ingest)
{
	int			interval = ingest->control->flush_interval_ms(ingest->control);

	return TimestampDifferenceMilliseconds(
		GetCurrentTimestamp(),
		TimestampTzPlusMilliseconds(ingest->oldest_at, interval));
}

/* Is a flush wanted when all records up to "covered" are ingested? */
static bool
is_wanted(BbIngest *ingest, XLogRecPtr covered)
{
	XLogRecPtr	wanted = ingest->control->wanted(ingest->control,
												 ingest->done_lsn);

	return wanted > ingest->covered_lsn && wanted <= covered;
}

void
bb_pace_record(BbIngest *ingest)
{
	bool		look = ingest->result.records % RECORDS_PER_LOOK == 0;
	bool		full = bb_ingest_flush_due(ingest);

	if (ingest->oldest_at == 0)
		ingest->oldest_at = GetCurrentTimestamp();
	if (ingest->done_lsn <= ingest->covered_lsn)
		uncover(ingest);
	if (!look && !full)
		return;
	bb_reqctx_check(ingest->ctx);
	/* the control is asked before every flush, since it may object */
	if (is_wanted(ingest, ingest->done_lsn) || full ||
		time_left_ms(ingest) == 0)
		commit(ingest, ingest->done_lsn);
}

/* Is the timeline still what was committed last? */
static void
look_at_timeline(BbIngest *ingest)
{
	MemoryContext context;
	MemoryContext old;

	ingest->looked_at = GetCurrentTimestamp();
	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup ingest look",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	/* another writer may have replaced layers */
	if (!bb_manifest_is_current(ingest->ctx, ingest->objects,
								ingest->manifest) &&
		bb_manifest_read(ingest->ctx, ingest->objects,
						 ingest->manifest->timeline)
				->end_lsn != ingest->manifest->end_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" was changed by another session",
						ingest->manifest->timeline),
				 errdetail("Its end is no longer at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(ingest->manifest->end_lsn))));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
bb_pace_wait(BbIngest *ingest)
{
	XLogRecPtr	limit = bb_walsource_limit(ingest->source);
	bool		wanted;
	long		wait_ms = WAIT_MS;

	if (limit < ingest->covered_lsn)
		uncover(ingest);
	wanted = is_wanted(ingest, limit);
	if (uncommitted(ingest))
		wait_ms = Min(wait_ms, time_left_ms(ingest));
	if (!uncommitted(ingest) || wanted || wait_ms == 0)
		commit(ingest, limit);
	/* after a flush, more may have arrived */
	if (wait_ms == 0)
		return;
	bb_progress_ingest_done(ingest->done_lsn, ingest->result.records);
	if (TimestampDifferenceExceeds(ingest->looked_at, GetCurrentTimestamp(),
								   LOOK_MS))
		look_at_timeline(ingest);
	bb_walsource_wait(ingest->ctx, ingest->source, wait_ms);
}
