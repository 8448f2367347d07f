/*-------------------------------------------------------------------------
 *
 * worker_internal.h
 *	  What both kinds of background workers use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WORKER_INTERNAL_H
#define BB_WORKER_INTERNAL_H

#include "base/compat.h"
#include "libpq/pqsignal.h"
#include "postmaster/bgworker.h"
#include "process/worker.h"

extern const BbWorkerTask *bb_worker_find_task(const char *name);

/*
 * bb_worker_register - ask the postmaster to start "function" for a task.
 *
 * The caller sets bgw_name, bgw_restart_time and bgw_main_arg or bgw_extra.
 * Returns NULL, or why there is no worker, as the detail of an error: the
 * server is in single-user mode, or no slot is free.
 */
extern const char *bb_worker_register(BackgroundWorker *registration,
									  const char *task, const char *function,
									  BackgroundWorkerHandle **handle);

/*
 * bb_worker_register_static - the same when the server starts, before there are
 * processes; the worker starts after recovery.
 */
extern void bb_worker_register_static(BackgroundWorker *registration,
									  const char *task, const char *function);

/* bb_worker_shortage_error - raise INSUFFICIENT_RESOURCES with that detail. */
pg_noreturn extern void bb_worker_shortage_error(const char *task,
												 const char *shortage);

/* bb_worker_end_error - raise EXTERNAL_ROUTINE_EXCEPTION: it just ended. */
pg_noreturn extern void bb_worker_end_error(const char *task);

/*
 * bb_worker_enter - prepare this process, which has just been started:
 * signals, and messages that are valid text (base/foreigntext.h).
 */
extern void bb_worker_enter(pqsigfunc on_sigterm);

#endif /* BB_WORKER_INTERNAL_H */
