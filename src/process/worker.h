/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Background workers of this library: a task done by a process of its own.
 *
 *	  starter                                  worker
 *	  bb_worker_start(task, payload) ───────►  started by the postmaster, as
 *	                                           the same user, in the same
 *	                                           database, with its settings
 *	  bb_worker_send ─────── input queue ───►  bb_worker_get
 *	  bb_worker_receive ◄── output queue ────  bb_worker_put
 *	                    ◄───────────────────── errors, warnings, notices
 *	                    ◄───────────────────── the end
 *
 * A worker is ATTACHED while its starter holds it: it ends with the memory
 * context that it was started in, or with the starter's process, at the
 * latest; its error becomes the starter's.  bb_worker_let_go makes it
 * DETACHED: it goes on alone, and its error goes to the server's log, where
 * all of them go anyway.
 *
 * What an attached worker's task counts, in bb_worker_counters(), counts for
 * the context that it was started with, to the last: it's in shared memory,
 * and the starter looks there once more when the worker has ended, however
 * that came.
 *
 * A task is a C function by a name.  It runs in a transaction, as the user
 * who called the starter, within functions of others too (SECURITY DEFINER);
 * so what it asks for is permitted or refused as it would be there.  The
 * settings of worker_settings.h are the starter's; others are those of a new
 * session of its user.  Whatever the starter's transaction is like, the task's
 * is READ ONLY and READ COMMITTED: it runs on a hot standby, too.  It sees
 * what is committed, so not what the starter's transaction has changed.  SIGTERM
 * (pg_terminate_backend) and SIGINT (pg_cancel_backend) end it at its next
 * CHECK_FOR_INTERRUPTS.
 *
 * A worker that is OPTIONAL only makes things faster: whatever ends it, an
 * error of its own too (a line LOG in the server's log), for its starter it
 * has just ended.
 *
 * A worker that is DISPENSABLE may fail to become a session like its
 * starter's: then it has ended, and bb_worker_why_not_begun says why.  Once
 * its task has begun, its error is the starter's.
 *
 * Nothing has to be preloaded.  Each worker takes one of max_worker_processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WORKER_H
#define BB_WORKER_H

#include "base/reqctx.h"

/* ---- which tasks there are ---- */

typedef struct BbWorkerTask
{
	const char *name; /* as people see it: "prefetch" */
	void		(*run) (const void *payload, size_t length);
} BbWorkerTask;

/*
 * bb_worker_init - called when the library is loaded, in workers too.
 *
 * "library" is what the server has to load to have all this, and "tasks" what
 * they may be asked for; both stay.
 */
extern void bb_worker_init(const char *library, const BbWorkerTask *tasks,
						   int ntasks);

/* ---- the starter's side ---- */

typedef struct BbWorker BbWorker;

typedef struct BbWorkerRequest
{
	const char *task;
	const void *payload; /* copied */
	size_t		payload_length;
	size_t		output_bytes; /* of the queue; 0: for short messages */
	size_t		input_bytes;  /* 0: there is no input queue */
	bool		optional;
	bool		dispensable;
} BbWorkerRequest;

/*
 * bb_worker_start - have a worker started; doesn't wait for it.
 *
 * It belongs to CurrentMemoryContext.  While it's attached, ctx is used:
 * that has to be made before, in the same memory context or one around it.
 *
 * Errors: INSUFFICIENT_RESOURCES (max_worker_processes are running, or all
 * dynamic shared memory segments are in use, or the server is in single-user
 * mode); those of making a segment.
 */
extern BbWorker *bb_worker_start(const BbReqCtx *ctx,
								 const BbWorkerRequest *request);

/*
 * bb_worker_try_start - the same for who can do without: NULL instead of
 * INSUFFICIENT_RESOURCES, and *lack is what there is too little of, in the
 * words of an error's detail.
 */
extern BbWorker *bb_worker_try_start(const BbReqCtx *ctx,
									 const BbWorkerRequest *request,
									 const char **lack);

typedef enum BbWorkerEvent
{
	BB_WORKER_NOTHING, /* yet */
	BB_WORKER_MESSAGE, /* by bb_worker_put */
	BB_WORKER_ENDED	   /* its task is done (optional: or isn't); nothing will
						* follow */
} BbWorkerEvent;

/*
 * bb_worker_receive - what comes next from the worker.
 *
 * Messages come whole and in order, and stay valid until the next receive.
 * Waits, or returns BB_WORKER_NOTHING: then MyLatch will be set when there is
 * more, so that one can wait for several.  Warnings and notices of the
 * worker are reported on the way.
 *
 * Errors: the worker's; EXTERNAL_ROUTINE_EXCEPTION (it died).
 */
extern BbWorkerEvent bb_worker_receive(const BbReqCtx *ctx, BbWorker *worker,
									   bool wait, const void **message,
									   size_t *length);

/*
 * bb_worker_why_not_begun - why a dispensable worker has ended without having
 * begun, in the words of an error's detail; NULL: it has not.
 */
extern const char *bb_worker_why_not_begun(const BbWorker *worker);

/*
 * bb_worker_send - a message to the worker, by the input queue.
 *
 * Waits for room.  Returns false when the worker has gone; bb_worker_receive
 * then says why.
 */
extern bool bb_worker_send(const BbReqCtx *ctx, BbWorker *worker,
						   const void *message, size_t length);

/*
 * bb_worker_collect - add what the task has counted since the last time to the
 * counters of the starter's context, as bb_worker_stop does at the end.
 */
extern void bb_worker_collect(BbWorker *worker);

/* No more input: bb_worker_get returns false once it has read all. */
extern void bb_worker_end_input(BbWorker *worker);

/*
 * bb_worker_let_go - it goes on alone.
 *
 * REQUIRES: it has sent a message, so that it's known to run.
 */
extern void bb_worker_let_go(BbWorker *worker);

/*
 * bb_worker_cancel - ask it to end: its task gets an error as by
 * pg_cancel_backend.  Doesn't wait.
 *
 * Returns false when it had not been started yet, or has ended.
 */
extern bool bb_worker_cancel(BbWorker *worker);

/*
 * bb_worker_stop - end it, if it still runs, and wait for that.
 */
extern void bb_worker_stop(BbWorker *worker);

/* ---- the worker's side, within a task ---- */

/* bb_worker_counters - of a context that works for the starter's. */
extern BbCounters *bb_worker_counters(void);

/*
 * bb_worker_put - a message to the starter.  Waits for room.  Returns false
 * when it doesn't listen any more.
 */
extern bool bb_worker_put(const BbReqCtx *ctx, const void *message,
						  size_t length);

/*
 * bb_worker_put_lazily - the same for one of many: the starter isn't woken for
 * it, and may see it only with the next bb_worker_put.
 */
extern bool bb_worker_put_lazily(const BbReqCtx *ctx, const void *message,
								 size_t length);

/*
 * bb_worker_get - the next message from the starter; stays valid until the
 * next get.  Returns false when there will be none.
 *
 * REQUIRES: there is an input queue.
 */
extern bool bb_worker_get(const BbReqCtx *ctx, const void **message,
						  size_t *length);

#endif /* BB_WORKER_H */
