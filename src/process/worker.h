/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Background workers of this library: tasks that other processes run.
 *
 * A task is a C function with a name.  The postmaster starts a process for
 * it, which is one of two kinds:
 *
 *	  SESSION WORKER (sessionworker.h)      STANDING WORKER (standingworker.h)
 *
 *	  starter ◄── messages, errors ──┐      starter ── returns at once
 *	     │                           │
 *	     └── settings, payload ──► task     payload ──► task ──► server's log
 *
 *	  helps a session: it has the same      stands on its own: a database and
 *	  database, users and settings          a role, the settings of a new session
 *	  an error is raised in the starter     an error goes to the server's log
 *	  ends with the starter                 ends with SIGTERM or the server
 *	  is never restarted                    can be restarted after an error or a
 *	                                        crash
 *	  runs in one transaction               begins its transactions itself
 *	  its request contexts are children     its request contexts are roots
 *	  jobs of a backup, prefetch            following a server, merging layers
 *
 * Neither kind requires that the library is preloaded.  Each worker occupies
 * one of max_worker_processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WORKER_H
#define BB_WORKER_H

#include "base/reqctx.h"

typedef struct BbWorkerTask
{
	const char *name; /* as users see it: "prefetch" */
	void		(*run) (const void *payload, size_t length);
} BbWorkerTask;

/*
 * bb_worker_init - set the library and the tasks that workers can run.
 *
 * Called when the library is loaded, in workers too.  "library" is what the
 * postmaster has to load to have these tasks.  Neither is copied.
 */
extern void bb_worker_init(const char *library, const BbWorkerTask *tasks,
						   int ntasks);

/*
 * bb_worker_begin_transaction, bb_worker_end_transaction - a transaction of a
 * worker, with an active snapshot.
 *
 * It is READ ONLY and READ COMMITTED whatever the defaults of the role and
 * the database are: they may be impossible (serializable on a standby) or
 * wait for other transactions (deferrable), and no task changes the database.
 * The end returns to the memory context that was current at the beginning.
 */
extern void bb_worker_begin_transaction(void);
extern void bb_worker_end_transaction(void);

/*
 * bb_worker_shortage - returns the error INSUFFICIENT_RESOURCES that a worker of
 * a task can't be started, with a detail, in CurrentMemoryContext; doesn't raise
 * it.
 */
extern ErrorData *bb_worker_shortage(const char *task, const char *detail);

#endif /* BB_WORKER_H */
