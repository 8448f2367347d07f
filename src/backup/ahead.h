/*-------------------------------------------------------------------------
 *
 * ahead.h
 *	  Fetching ahead: a worker downloads what a backup is going to read, while
 *	  the backup makes use of what has come.
 *
 *	  backup	a a a a b b b b c c ...		   reads, waits for what isn't there
 *	  worker	b b c c d d d e ...			   in the order of the scan
 *				  └ wakes the backup
 *
 * The two meet in the cache alone: the backup finds a layer there, or waits
 * for whoever fetches it, or fetches it itself.  So nothing depends on the
 * worker.  There is none when no process can be had for it, or when a layer at
 * most is missing; whatever is wrong with it, the backup goes on without; and
 * it stops where the cache has no more room, never evicting what the backup
 * needs.
 *
 * It is attached: it ends with the backup, and what it counts is added to the
 * backup's counters.  Whether layers may be downloaded is asked by the backup,
 * of all that are missing, before any process is started for it: each is warned
 * of, once, whoever fetches it.  Where downloads are refused there is no worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_AHEAD_H
#define BB_AHEAD_H

#include "backup/backuptask.h"
#include "objstore/objstore.h"

typedef struct BbAhead BbAhead;

/* ---- the backup's side ---- */

/*
 * bb_ahead_ask - ask for permission to download the missing objects among
 * those that a backup of "store" at lsn needs.
 *
 * Sets *missing to these objects and returns true.  Returns false and doesn't
 * ask if there is no cache, which would keep the downloaded objects, or if
 * downloads are refused, since the backup might not need these objects.
 *
 * Errors: those of bb_pagestore_objects.
 */
extern bool bb_ahead_ask(const BbReqCtx *ctx, BbPageStore *store,
						 XLogRecPtr lsn, bool full, List **missing);

/*
 * bb_ahead_new - start a worker that fetches the missing objects of a backup.
 *
 * Everything is allocated in CurrentMemoryContext.  Returns NULL if fewer than
 * two objects are missing, or if no worker can be started.
 */
extern BbAhead *bb_ahead_new(const BbReqCtx *ctx, List *missing,
							 const BbBackupTask *backup, bool full);

/*
 * bb_ahead_poll - pass on what the worker warns of, and count what it has
 * counted so far; doesn't wait.
 */
extern void bb_ahead_poll(const BbReqCtx *ctx, BbAhead *ahead);

/* bb_ahead_end - the backup is complete; end the worker and count the rest. */
extern void bb_ahead_end(const BbReqCtx *ctx, BbAhead *ahead);

/* ---- the worker's side ---- */

/* The name of the task, and what a worker is told (its payload). */
#define BB_AHEAD_TASK "fetch"

typedef struct BbAheadTask
{
	BbBackupTask backup;
	bool		full;
} BbAheadTask;

/*
 * bb_ahead_serve - fetch it.
 *
 * Errors: those of bb_objects_hold.
 */
extern void bb_ahead_serve(const BbReqCtx *ctx, BbPageStore *store,
						   const BbAheadTask *task);

#endif /* BB_AHEAD_H */
