/*-------------------------------------------------------------------------
 *
 * standingworker.c
 *	  A background worker that stands on its own.
 *
 * Everything that it has to know is in its registration, in bgw_extra, which
 * the postmaster keeps for as long as it may restart the worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "process/standingworker.h"
#include "process/worker_internal.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"

typedef struct Extra
{
	Oid			database;
	Oid			role;
	int			payload_length;
	char		task[28];
	uint64		payload[BB_STANDINGWORKER_PAYLOAD_MAX / sizeof(uint64)];
} Extra;

StaticAssertDecl(sizeof(Extra) <= BGW_EXTRALEN, "it fits into bgw_extra");

static volatile sig_atomic_t terminated = false;

extern PGDLLEXPORT void bb_standingworker_main(Datum unused);

int
bb_standingworker_start(const BbStandingWorker *worker)
{
	BackgroundWorker registration = {0};
	BackgroundWorkerHandle *handle;
	Extra		extra = {.database = worker->database,
						 .role = worker->role,
						 .payload_length = (int) worker->payload_length};
	const char *shortage;
	pid_t		pid;

	Assert(worker->payload_length <= BB_STANDINGWORKER_PAYLOAD_MAX);
	strlcpy(extra.task, bb_worker_find_task(worker->task)->name,
			sizeof(extra.task));
	memcpy(extra.payload, worker->payload, worker->payload_length);
	memcpy(registration.bgw_extra, &extra, sizeof(extra));
	snprintf(registration.bgw_name, BGW_MAXLEN, "bbackup %s", worker->task);
	registration.bgw_restart_time = worker->restart_s > 0 ? worker->restart_s
														  : BGW_NEVER_RESTART;

	shortage = bb_worker_register(&registration, worker->task,
								  "bb_standingworker_main", &handle);
	if (shortage != NULL)
		bb_worker_shortage_error(worker->task, shortage);
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
	{
		TerminateBackgroundWorker(handle);
		bb_worker_end_error(worker->task);
	}
	pfree(handle);
	return pid;
}

/*
 * SIGTERM.  Unlike die(), which ends the process with a code that makes the
 * postmaster restart it, this raises an error that run_task can catch.
 */
static void
cancel_and_end(SIGNAL_ARGS)
{
	int			save_errno = errno;

	terminated = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

void
bb_standingworker_wait(long timeout_ms)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	if (!terminated)
		(void) WaitLatch(MyLatch, events, timeout_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	if (terminated)
		QueryCancelPending = InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Where the postmaster's child begins. */
void
bb_standingworker_main(Datum unused)
{
	Extra		extra;
	MemoryContext context;

	memcpy(&extra, MyBgworkerEntry->bgw_extra, sizeof(extra));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	bb_worker_enter(cancel_and_end);

	context = AllocSetContextCreate(TopMemoryContext, "bbackup worker",
									ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		BackgroundWorkerInitializeConnectionByOid(extra.database, extra.role,
												  0);
		pgstat_report_activity(STATE_RUNNING, MyBgworkerEntry->bgw_type);
		MemoryContextSwitchTo(context);
		bb_worker_find_task(extra.task)
			->run(extra.payload, extra.payload_length);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		if (terminated && geterrcode() == ERRCODE_QUERY_CANCELED)
		{
			FlushErrorState();
			ereport(LOG,
					(errmsg("terminating background worker \"%s\" due to administrator command",
							MyBgworkerEntry->bgw_name)));
		}
		else
			EmitErrorReport();
		/* release everything that depends on a transaction or memory context */
		AbortCurrentTransaction();
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextDelete(context);
		proc_exit(terminated ? 0 : 1);
	}
	PG_END_TRY();
	proc_exit(0);
}
