/*-------------------------------------------------------------------------
 *
 * sessionworker.h
 *	  A background worker that helps a session (see worker.h).
 *
 *	  starter                               worker
 *	  bb_sessionworker_start ────────────►  started by the postmaster, as the
 *	    (task, payload)                     same user, in the same database,
 *	                                        with the starter's settings
 *	  bb_sessionworker_send ─ input queue ► bb_sessionworker_get
 *	  bb_sessionworker_receive ◄─ output ── bb_sessionworker_put
 *	                           ◄─ reports ─ errors, warnings, notices, the end
 *
 * A worker is ATTACHED while its starter holds it: it ends, at the latest,
 * with the memory context in which it was started or with the starter's
 * process, and its error is raised in the starter.  bb_sessionworker_detach
 * makes it DETACHED: it continues alone, and its errors only go to the
 * server's log, which receives all errors of workers.
 *
 * What the task of an attached worker counts in bb_sessionworker_counters() is
 * added to the counters of the context with which the worker was started.
 * Nothing is lost: the counters are in shared memory, and the starter reads
 * them once more after the worker has ended, for whatever reason.
 *
 * The task runs in one transaction (see bb_worker_begin_transaction), as the
 * starter's current user, also within SECURITY DEFINER functions; so it has
 * the permissions that the starter has.  It has the starter's values of the
 * settings listed in sessionworker_settings.c; other settings are those of a
 * new session of the user.  It sees committed data only, not the changes of
 * the starter's transaction.  SIGTERM (pg_terminate_backend) and SIGINT
 * (pg_cancel_backend) end it at its next CHECK_FOR_INTERRUPTS.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SESSIONWORKER_H
#define BB_SESSIONWORKER_H

#include "process/worker.h"

/* ---- the starter's side ---- */

typedef struct BbSessionWorker BbSessionWorker;

/* Which errors of a worker are raised in its starter. */
typedef enum BbSessionWorkerErrors
{
	BB_WORKER_ERRORS_RAISED,		 /* all */
	BB_WORKER_START_ERRORS_RETURNED, /* those after the task has begun; earlier
									  * ones end the worker, and
									  * bb_sessionworker_start_failure returns
									  * them */
	BB_WORKER_ERRORS_LOGGED			 /* none, since the worker only saves time:
									  * the worker ends, and the server's log has
									  * the error at level LOG */
} BbSessionWorkerErrors;

typedef struct BbSessionWorkerRequest
{
	const char *task;
	const void *payload; /* copied */
	size_t		payload_length;
	size_t		output_bytes; /* of the queue; 0: for short messages */
	size_t		input_bytes;  /* 0: no input queue */
	BbSessionWorkerErrors errors;
} BbSessionWorkerRequest;

/*
 * bb_sessionworker_start - register a worker; doesn't wait until it runs.
 *
 * The worker belongs to CurrentMemoryContext.  While it is attached, it uses
 * ctx, which therefore must be older, and in the same memory context or a
 * parent of it.
 *
 * Errors: INSUFFICIENT_RESOURCES (max_worker_processes are running, all
 * dynamic shared memory segments are in use, or the server is in single-user
 * mode); those of dsm_create().
 */
extern BbSessionWorker *bb_sessionworker_start(
	const BbReqCtx *ctx, const BbSessionWorkerRequest *request);

/*
 * bb_sessionworker_try_start - the same, but returns NULL instead of raising
 * INSUFFICIENT_RESOURCES, and sets *shortage to the detail of that error.
 */
extern BbSessionWorker *bb_sessionworker_try_start(
	const BbReqCtx *ctx, const BbSessionWorkerRequest *request,
	const char **shortage);

typedef enum BbWorkerEvent
{
	BB_WORKER_NOTHING, /* no message has arrived yet */
	BB_WORKER_MESSAGE, /* from bb_sessionworker_put */
	BB_WORKER_ENDED /* no message will follow: the task is done, or it failed
						* with an error that isn't raised */
} BbWorkerEvent;

/*
 * bb_sessionworker_receive - return the worker's next message.
 *
 * Messages arrive whole and in order; a message stays valid until the next
 * call.  If there is none, waits for it, or returns BB_WORKER_NOTHING: MyLatch
 * is set when one arrives, so a caller can wait for several workers.  Reports
 * warnings and notices that the worker has raised.
 *
 * Errors: the worker's; EXTERNAL_ROUTINE_EXCEPTION (the worker died).
 */
extern BbWorkerEvent bb_sessionworker_receive(const BbReqCtx *ctx,
											  BbSessionWorker *worker,
											  bool wait, const void **message,
											  size_t *length);

/*
 * bb_sessionworker_start_failure - return why a worker ended before its task
 * began, as the detail of an error, or NULL if that is not the case.
 */
extern const char *bb_sessionworker_start_failure(
	const BbSessionWorker *worker);

/*
 * bb_sessionworker_send - send a message by the input queue.
 *
 * Waits for room.  Returns false if the worker has ended;
 * bb_sessionworker_receive then raises the reason.
 */
extern bool bb_sessionworker_send(const BbReqCtx *ctx, BbSessionWorker *worker,
								  const void *message, size_t length);

/* After this, bb_sessionworker_get returns false once it has read all. */
extern void bb_sessionworker_end_input(BbSessionWorker *worker);

/*
 * bb_sessionworker_collect - add what the task has counted since the last call
 * to the counters of the starter's context.  bb_sessionworker_stop does it for
 * the last time.
 */
extern void bb_sessionworker_collect(BbSessionWorker *worker);

/*
 * bb_sessionworker_detach - let the worker continue without its starter.
 *
 * REQUIRES: it has sent a message, which proves that it runs.
 */
extern void bb_sessionworker_detach(BbSessionWorker *worker);

/*
 * bb_sessionworker_cancel - raise an error in the task, as pg_cancel_backend
 * does.  Doesn't wait.
 *
 * Returns false if the worker does not run yet or any more.
 */
extern bool bb_sessionworker_cancel(BbSessionWorker *worker);

/* bb_sessionworker_stop - terminate the worker if it runs; waits for its end. */
extern void bb_sessionworker_stop(BbSessionWorker *worker);

/* ---- the worker's side, called by a task ---- */

/* For the context of the task, which is a child of the starter's. */
extern BbCounters *bb_sessionworker_counters(void);

/*
 * bb_sessionworker_put - send a message to the starter.
 *
 * Waits for room.  Returns false if the starter doesn't listen any more.
 */
extern bool bb_sessionworker_put(const BbReqCtx *ctx, const void *message,
								 size_t length);

/*
 * bb_sessionworker_put_lazily - the same without waking the starter, which may
 * not see the message before the next bb_sessionworker_put.
 */
extern bool bb_sessionworker_put_lazily(const BbReqCtx *ctx,
										const void *message, size_t length);

/*
 * bb_sessionworker_get - wait for the next message from the starter, which
 * stays valid until the next call.  Returns false when the input has ended.
 *
 * REQUIRES: there is an input queue.
 */
extern bool bb_sessionworker_get(const BbReqCtx *ctx, const void **message,
								 size_t *length);

#endif /* BB_SESSIONWORKER_H */
