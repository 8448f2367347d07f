/*-------------------------------------------------------------------------
 *
 * parallel.h
 *	  The relation blocks of a backup, made by several background workers.
 *
 * The driver reads a backup's members in order, as ever.  A second list of the
 * same backup runs ahead of it and cuts the relation blocks into units
 * (units.h), which go to workers in turn; each has a page store and redo
 * helpers of its own:
 *
 *	  list ── units ──┬─► input queue ─► worker ─► output queue ─┬─► content
 *					  └─► input queue ─► worker ─► output queue ─┘   (in order)
 *
 * So the bytes are the same, and in the same order; and so are errors, which
 * come when the block is reached that they are of.  An output queue has room
 * for two units: no worker gets further ahead.  The driver takes pages right
 * out of it, so a page is copied once on its way.
 *
 * A unit that is reached before a worker could take it is the reader's own to
 * make: at the beginning, while workers start, or if there are none.  There
 * may be fewer than asked for, which a NOTICE tells; it's no error.
 *
 * Workers are attached to the backup: they end with it, its deadline is
 * theirs, so is its download behaviour unless it has asked for them
 * (bb_ahead_ask), and what they count is added to its counters at the end of
 * each unit, and when they have ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PARALLEL_H
#define BB_PARALLEL_H

#include "backup/backuptask.h"
#include "members/options.h"

#define BB_BYTES_PER_WORKER (32 * 1024 * 1024)

typedef struct BbParallel BbParallel;

/* ---- the backup's side ---- */

/*
 * bb_parallel_new - have options->jobs workers started, or as many as there
 * is work for; it doesn't wait for them.  They are told "task".
 *
 * A worker takes some 10 ms to start, so a backup of "size" bytes (0: not
 * known) has one for each BB_BYTES_PER_WORKER at most.
 *
 * All of it belongs to CurrentMemoryContext.  NULL: there is no worker.
 *
 * Errors: those of filelist.h; those of making a dynamic shared memory segment,
 * but for having none left.
 */
extern BbParallel *bb_parallel_new(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr lsn,
								   const BbBackupOptions *options,
								   const BbBackupTask *task, uint64 size);

typedef enum BbBlockOutcome
{
	BB_BLOCK_MADE,	  /* *value has it, until the next call */
	BB_BLOCK_MISSING, /* the page store has none */
	BB_BLOCK_OURS	  /* the caller has to make it */
} BbBlockOutcome;

/*
 * bb_parallel_next - the next relation block, which is that of "key".
 *
 * REQUIRES: keys are those of the units, all of them and in their order.
 *
 * Errors: the workers'.
 */
extern BbBlockOutcome bb_parallel_next(const BbReqCtx *ctx,
									   BbParallel *parallel, const BbKey *key,
									   BbValue *value);

/*
 * bb_parallel_end - the backup is complete; wait for the workers' ends.
 */
extern void bb_parallel_end(const BbReqCtx *ctx, BbParallel *parallel);

/* ---- the workers' side ---- */

/* The name of the task; a worker is told a BbBackupTask (its payload). */
#define BB_PAGES_TASK "pages"

/*
 * bb_parallel_serve - make pages of the store as long as they are asked for.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (it isn't the timeline that the
 * backup reads); those of the page store.
 */
extern void bb_parallel_serve(const BbReqCtx *ctx, BbPageStore *store,
							  const BbBackupTask *task);

#endif /* BB_PARALLEL_H */
