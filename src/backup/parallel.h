/*-------------------------------------------------------------------------
 *
 * parallel.h
 *	  The relation blocks of a backup, made by several background workers.
 *
 * The driver reads a backup's members in order, with or without workers.  A
 * second walk over the same members runs before it and cuts the relation blocks
 * into units (units.h), which go to workers in turn.  Each worker has its own
 * page store and redo helpers:
 *
 *	  list ── units ──┬─► input queue ─► worker ─► output queue ─┬─► content
 *					  └─► input queue ─► worker ─► output queue ─┘   (in order)
 *
 * So the bytes are the same, in the same order, and so are errors, which are
 * raised when the driver reaches the block.  An output queue has room for two
 * units, so no worker runs further ahead.  The driver takes pages directly out
 * of the queue, so a page is copied once on its way.
 *
 * The reader makes a unit itself if it reaches the unit before a worker could
 * take it: at the beginning, while workers start, or if there are none.  If
 * there are fewer workers than asked for, a NOTICE reports it; it is no error.
 *
 * Workers are attached to the backup: they end with it and have its deadline
 * and its download behavior (see bb_ahead_ask).  Their counters are added to
 * the backup's at the end of each unit and when they have ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PARALLEL_H
#define BB_PARALLEL_H

#include "backup/backuptask.h"
#include "members/plan.h"

#define BB_BYTES_PER_WORKER (32 * 1024 * 1024)

typedef struct BbParallel BbParallel;

/* ---- the backup's side ---- */

/*
 * bb_parallel_new - start as many workers as the plan's options ask for, or as
 * there is work for; doesn't wait for them.
 *
 * A worker takes some 10 ms to start, so a backup has at most one worker for
 * each BB_BYTES_PER_WORKER, if its size is known.
 *
 * The result belongs to CurrentMemoryContext; NULL if there is no worker.  The
 * plan must outlive it.
 *
 * Errors: those of filelist.h; those of making a dynamic shared memory segment,
 * except a shortage of segments.
 */
extern BbParallel *bb_parallel_new(const BbReqCtx *ctx,
								   const BbBackupPlan *plan,
								   const BbBackupTask *task);

typedef enum BbBlockOutcome
{
	BB_BLOCK_MADE,	  /* it is in *value, until the next call */
	BB_BLOCK_MISSING, /* the page store has no such block */
	BB_BLOCK_OURS	  /* the caller has to make it */
} BbBlockOutcome;

/*
 * bb_parallel_next - return the next relation block, whose key is "key".
 *
 * REQUIRES: all keys of the units are asked for, in their order.
 *
 * Errors: the workers'.
 */
extern BbBlockOutcome bb_parallel_next(const BbReqCtx *ctx,
									   BbParallel *parallel, const BbKey *key,
									   BbValue *value);

/* bb_parallel_end - the backup is complete: wait until the workers end. */
extern void bb_parallel_end(const BbReqCtx *ctx, BbParallel *parallel);

/* ---- the workers' side ---- */

/* The name of the task; its payload is a BbBackupTask. */
#define BB_PAGES_TASK "pages"

/*
 * bb_parallel_serve - make pages for a backup until there are no more units.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the store isn't the timeline that
 * the backup reads); those of the page store.
 */
extern void bb_parallel_serve(const BbReqCtx *ctx, BbPageStore *store,
							  const BbBackupTask *task);

#endif /* BB_PARALLEL_H */
