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
#include "utils/timestamp.h"

typedef struct Extra
{
	Oid			database;
	Oid			role;
	int			payload_length;
	bool		restart_terminated;
	char		task[28];
	uint64		payload[BB_STANDINGWORKER_PAYLOAD_MAX / sizeof(uint64)];
} Extra;

StaticAssertDecl(sizeof(Extra) <= BGW_EXTRALEN, "it fits into bgw_extra");

static volatile sig_atomic_t terminated = false;

extern PGDLLEXPORT void bb_standingworker_main(Datum unused);

static void
fill_registration(BackgroundWorker *registration,
				  const BbStandingWorker *worker)
{
	Extra		extra = {.database = worker->database,
						 .role = worker->role,
						 .payload_length = (int) worker->payload_length,
						 .restart_terminated = worker->restart_terminated};

	Assert(worker->payload_length <= BB_STANDINGWORKER_PAYLOAD_MAX);
	strlcpy(extra.task, bb_worker_find_task(worker->task)->name,
			sizeof(extra.task));
	if (worker->payload_length > 0)
		memcpy(extra.payload, worker->payload, worker->payload_length);
	memset(registration, 0, sizeof(*registration));
	memcpy(registration->bgw_extra, &extra, sizeof(extra));
	snprintf(registration->bgw_name, BGW_MAXLEN, "bbackup %s", worker->task);
	registration->bgw_restart_time = worker->restart_s > 0 ? worker->restart_s
														   : BGW_NEVER_RESTART;
}

/* Returns NULL, or why no worker can be started. */
static const char *
request(const BbStandingWorker *worker, BackgroundWorkerHandle **handle)
{
	BackgroundWorker registration;

	fill_registration(&registration, worker);
	return bb_worker_register(&registration, worker->task,
							  "bb_standingworker_main", handle);
}

void
bb_standingworker_register_static(const BbStandingWorker *worker)
{
	BackgroundWorker registration;

	/*
	 * The servers that pg_upgrade starts are for pg_upgrade alone, as in
	 * ApplyLauncherRegister() of the server.
	 */
	if (IsBinaryUpgrade)
		return;
	fill_registration(&registration, worker);
	bb_worker_register_static(&registration, worker->task,
							  "bb_standingworker_main");
}

int
bb_standingworker_start(const BbStandingWorker *worker)
{
	BackgroundWorkerHandle *handle;
	const char *shortage = request(worker, &handle);
	pid_t		pid;

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

const char *
bb_standingworker_register(const BbStandingWorker *worker)
{
	BackgroundWorkerHandle *handle;
	const char *shortage = request(worker, &handle);

	if (shortage == NULL)
		pfree(handle);
	return shortage;
}

/* Wait for the end of a worker, which sets our latch.  False: not in time. */
static bool
wait_for_end(BackgroundWorkerHandle *handle, long timeout_ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													timeout_ms);
	pid_t		pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		long		left_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													  until);

		if (left_ms <= 0)
			return false;
		bb_standingworker_wait(left_ms);
	}
	return true;
}

const char *
bb_standingworker_run(const BbStandingWorker *worker, long timeout_ms,
					  bool *in_time)
{
	BackgroundWorkerHandle *handle;
	const char *shortage = request(worker, &handle);

	*in_time = true;
	if (shortage != NULL)
		return shortage;
	*in_time = wait_for_end(handle, timeout_ms);
	if (!*in_time)
		TerminateBackgroundWorker(handle);
	pfree(handle);
	return NULL;
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

bool
bb_standingworker_terminated(void)
{
	return terminated;
}

void
bb_standingworker_reload(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
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
	bb_standingworker_reload();
}

/* ---- a database or a role that can't be used ---- */

static int	fatal_code = 0; /* the SQLSTATE of a FATAL error */
static emit_log_hook_type previous_hook = NULL;

static void
note_fatal(ErrorData *error)
{
	if (error->elevel == FATAL)
		fatal_code = error->sqlerrcode;
	if (previous_hook != NULL)
		previous_hook(error);
}

/*
 * The process exits while it connects: the database doesn't exist any more or
 * accepts no connections, or the role may not log in.  FATAL errors can't be
 * caught, and the exit code decides whether the postmaster tries again, every
 * few seconds.
 */
static void
exit_for_good(int code, Datum unused)
{
	if (code == 1 &&
		(fatal_code == ERRCODE_UNDEFINED_DATABASE ||
		 fatal_code == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION ||
		 fatal_code == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE))
		proc_exit(0);
}

static void
connect_to_database(const Extra *extra)
{
	previous_hook = emit_log_hook;
	emit_log_hook = note_fatal;
	on_proc_exit(exit_for_good, 0);
	BackgroundWorkerInitializeConnectionByOid(extra->database, extra->role, 0);
	emit_log_hook = previous_hook;
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
		connect_to_database(&extra);
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
		proc_exit(terminated && !extra.restart_terminated ? 0 : 1);
	}
	PG_END_TRY();
	proc_exit(0);
}
