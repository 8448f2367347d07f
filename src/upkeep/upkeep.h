/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  One step of upkeep: plan the next job of a timeline, do it, commit it.
 *
 *	  manifest ──► plan ──► lock ──► layers ──► edit of the manifest
 *					  │		  │						  │
 *					  ▼		  ▼						  ▼
 *				 NOTHING	BUSY					REFUSED, DONE
 *
 * The order of the jobs: first those that give space back and cost nothing (the
 * objects of layers retired long ago, the start, layers that nobody needs), then
 * those that read and write (merges, images, what lies behind the start).  So
 * nothing is merged that is about to go, and a disk that is full is relieved
 * first.
 *
 * Steps may run anywhere, at any time, beside all other users of the store, and
 * may be killed at any moment.  What makes that safe is that layers are durable
 * before an edit of the manifest names them, and that the edit is refused if its
 * inputs have gone.  The lock of the timeline's upkeep keeps two processes from
 * doing the same work, and sweeps from layers that aren't committed yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_H
#define BB_UPKEEP_H

#include "stats/jobs.h"
#include "upkeep/job.h"

/* The bit of a kind of job in BbUpkeepOptions.kinds. */
#define BB_UPKEEP_BIT(kind) (1U << (kind))
#define BB_UPKEEP_ALL (BB_UPKEEP_BIT(BB_UPKEEP_KIND_COUNT) - 1)

typedef struct BbUpkeepOptions
{
	BbJobPlace	place; /* in the statistics */
	uint32		kinds; /* jobs of other kinds aren't planned */

	/*
	 * 0: nor are those that failed a while ago.  Otherwise an attempt was asked
	 * for then, so what failed before is tried once more.
	 */
	TimestampTz asked_at;
} BbUpkeepOptions;

typedef enum BbUpkeepState
{
	BB_UPKEEP_DONE,	   /* a job was done; there may be more */
	BB_UPKEEP_NOTHING, /* there is nothing to do now */
	BB_UPKEEP_BUSY,	   /* another process takes care of this timeline */
	BB_UPKEEP_REFUSED, /* another writer was faster; it may be tried again */
	BB_UPKEEP_LEFT,	   /* a copy, or an import that isn't complete */
	BB_UPKEEP_GONE	   /* there is no such timeline */
} BbUpkeepState;

typedef struct BbUpkeepOutcome
{
	BbUpkeepState state;
	bool		noted; /* an error is in the statistics already, of this kind: */
	BbUpkeepKind failed_kind;
	bool		another_error; /* it is another one than the last */
	bool		left_out; /* what failed is left out from now on (faults.h), so
						   * other jobs of that kind can be done */
	BbUpkeepJob job;	  /* DONE, REFUSED; its inputs are NIL */
	/* DONE: what it did */
	uint64		layers_read;
	uint64		layers_written;
	uint64		layers_removed;
	uint64		bytes_read;
	uint64		bytes_written;
	int64		duration_us;
} BbUpkeepOutcome;

/*
 * bb_upkeep_step - do the next job of a timeline, if there is one.
 *
 * What *outcome points to is allocated in CurrentMemoryContext.  Everything else
 * is released, the lock too.  Of a cluster of another major version than this
 * server's, layers are merged and removed; images take redo of its version, so
 * they aren't made.
 *
 * Errors: those of the planners, of bb_rewrite and bb_upkeep_commit.  An error of
 * a job, or of planning one, is noted as one of its kind; outcome->noted is false
 * for an error of another cause.  Then nothing is changed, and layers that were written are removed if the store
 * allows it.
 */
extern void bb_upkeep_step(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *timeline,
						   const BbUpkeepOptions *options,
						   BbUpkeepOutcome *outcome);

/*
 * bb_upkeep_debt - look at a manifest with the eyes of upkeep.
 *
 * "seen_end" is the end_lsn of the look before (Invalid: none).
 */
extern BbJobDebt bb_upkeep_debt(const BbManifest *manifest,
								XLogRecPtr seen_end);

/* "merge", …: by BbUpkeepKind. */
extern const char *const bb_upkeep_kind_names[BB_UPKEEP_KIND_COUNT];

#endif /* BB_UPKEEP_H */
