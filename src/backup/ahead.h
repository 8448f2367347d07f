/*-------------------------------------------------------------------------
 *
 * ahead.h
 *	  A worker that downloads layers before a backup reads them.
 *
 *	  backup	a a a a b b b b c c ...		   reads, waits for what is missing
 *	  worker	b b c c d d d e ...			   in the order of the scan
 *				  └ wakes the backup
 *
 * The two share nothing but the cache: the backup finds a layer there, or waits
 * for the process that fetches it, or fetches it itself.  So a backup doesn't
 * depend on the worker, and goes on without it whatever fails there.  There is
 * no worker if no process is free, or if at most one layer is missing.  The
 * worker stops when the cache is full, so it never evicts what the backup
 * needs.
 *
 * It is attached: it ends with the backup, and its counters are added to the
 * backup's.  The backup asks whether the missing layers may be downloaded,
 * before it starts any process, so that there is one warning for each layer,
 * whichever process fetches it.  Where downloads are refused, there is no
 * worker.
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
 * those that a backup of the snapshot reads.
 *
 * Sets *missing to these objects and returns true.  Returns false and doesn't
 * ask if there is no cache, which would keep the downloaded objects, or if
 * downloads are refused, since the backup might not need these objects.
 *
 * Errors: those of bb_pagestore_objects.
 */
extern bool bb_ahead_ask(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						 bool full, List **missing);

/*
 * bb_ahead_new - start a worker that fetches the missing objects of a backup.
 *
 * Everything is allocated in CurrentMemoryContext.  Returns NULL if fewer than
 * two objects are missing, or if no worker can be started.
 */
extern BbAhead *bb_ahead_new(const BbReqCtx *ctx, List *missing,
							 const BbBackupTask *backup, bool full);

/*
 * bb_ahead_poll - raise the worker's warnings, and add what it has counted so
 * far; doesn't wait.
 */
extern void bb_ahead_poll(const BbReqCtx *ctx, BbAhead *ahead);

/* bb_ahead_end - the backup is complete: end the worker and count the rest. */
extern void bb_ahead_end(const BbReqCtx *ctx, BbAhead *ahead);

/* ---- the worker's side ---- */

/* The name of the task, and its payload. */
#define BB_AHEAD_TASK "fetch"

typedef struct BbAheadTask
{
	BbBackupTask backup;
	bool		full;
} BbAheadTask;

/*
 * bb_ahead_serve - fetch what the backup needs, in a worker.
 *
 * Errors: those of bb_prefetch_hold.
 */
extern void bb_ahead_serve(const BbReqCtx *ctx, BbPageStore *store,
						   const BbAheadTask *task);

#endif /* BB_AHEAD_H */
