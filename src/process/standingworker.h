/*-------------------------------------------------------------------------
 *
 * standingworker.h
 *	  A background worker that stands on its own (see worker.h).
 *
 * The task runs outside of a transaction, in a memory context that lives as
 * long as the worker; bb_worker_begin_transaction begins a transaction to look
 * at catalogs.  Its rights are those of its role.  A loop looks like this:
 *
 *	  for (;;)
 *	  {
 *		  ctx = bb_reqctx_root(...);
 *		  work, with CHECK_FOR_INTERRUPTS or bb_reqctx_check
 *		  bb_reqctx_end(ctx);
 *		  bb_standingworker_wait(timeout_ms);
 *	  }
 *
 * What ends the worker, and whether it is restarted, if that was asked for:
 *
 *	  the task returns                        no
 *	  SIGTERM: pg_terminate_backend, or the   no
 *	  server shuts down
 *	  an error; pg_cancel_backend             yes, after restart_s seconds
 *	  it, or another process, crashes         yes, with the server
 *
 * With restart_terminated, the second case is as the third: the worker comes back
 * until its task returns.  A worker whose database has been dropped never does.
 *
 * SIGTERM cancels what the task does, as pg_cancel_backend would, so that an
 * error ends it that runs through the task's PG_CATCHes; a task must not
 * suppress it.  A restarted worker has the same payload.
 *
 * An error while the worker connects counts, too: if the role has been dropped
 * meanwhile, the worker is restarted, and fails, until the server is restarted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STANDINGWORKER_H
#define BB_STANDINGWORKER_H

#include "process/worker.h"

#define BB_STANDINGWORKER_PAYLOAD_MAX 80

typedef struct BbStandingWorker
{
	const char *task;
	Oid			database; /* Invalid: none, only shared catalogs */
	Oid			role;	  /* Invalid: the bootstrap superuser */
	const void *payload;  /* copied */
	size_t		payload_length;
	int			restart_s; /* 0: is not restarted */
	bool		restart_terminated;
} BbStandingWorker;

/*
 * bb_standingworker_start - start a worker, and wait until it runs.
 *
 * Returns its PID.  The worker connects and runs its task independently of the
 * caller; if it fails to, only the server's log says why.
 *
 * Errors: INSUFFICIENT_RESOURCES (max_worker_processes are running, or the
 * server is in single-user mode); EXTERNAL_ROUTINE_EXCEPTION (it ended at
 * once, and won't be restarted).
 */
extern int bb_standingworker_start(const BbStandingWorker *worker);

/*
 * bb_standingworker_register - ask for a worker, and don't wait for it.
 *
 * Returns NULL, or why there will be none, as the detail of an error.  Raises no
 * error, so it may be called when a transaction has ended.
 */
extern const char *bb_standingworker_register(const BbStandingWorker *worker);

/*
 * bb_standingworker_run - start a worker that isn't restarted, and wait for its
 * end, at most for a time.  After that it is told to end, and *in_time is false.
 *
 * Returns NULL, or why it couldn't be started.
 *
 * Errors: QUERY_CANCELED.
 */
extern const char *bb_standingworker_run(const BbStandingWorker *worker,
										 long timeout_ms, bool *in_time);

/*
 * bb_standingworker_register_static - let a worker start with the server, when
 * it isn't in recovery or any more.  The servers that pg_upgrade starts have none.
 *
 * REQUIRES: the library is being preloaded.
 */
extern void bb_standingworker_register_static(const BbStandingWorker *worker);

/*
 * bb_standingworker_terminated - did SIGTERM end this worker?  An error that is
 * caught after that must be raised again.
 */
extern bool bb_standingworker_terminated(void);

/*
 * bb_standingworker_reload - reread the configuration files, if SIGHUP asked
 * for it; for a task that waits otherwise than by bb_standingworker_wait.
 */
extern void bb_standingworker_reload(void);

/*
 * bb_standingworker_wait - wait until the process latch is set, a signal
 * comes, or the timeout is over (-1: none).
 *
 * REQUIRES: called by the task.  Rereads the configuration files after
 * SIGHUP.
 *
 * Errors: QUERY_CANCELED (SIGTERM or SIGINT).
 */
extern void bb_standingworker_wait(long timeout_ms);

#endif /* BB_STANDINGWORKER_H */
