/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  What both kinds of background workers use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/foreigntext.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/worker_internal.h"
#include "utils/snapmgr.h"

static const char *library = NULL;
static const BbWorkerTask *tasks = NULL;
static int	ntasks = 0;

static MemoryContext context_before; /* the transaction */

void
bb_worker_init(const char *library_name, const BbWorkerTask *all_tasks, int n)
{
	library = library_name;
	tasks = all_tasks;
	ntasks = n;
}

const BbWorkerTask *
bb_worker_find_task(const char *name)
{
	for (int i = 0; i < ntasks; i++)
	{
		if (strcmp(tasks[i].name, name) == 0)
			return &tasks[i];
	}
	elog(ERROR, "there is no task \"%s\" for background workers", name);
}

static void
set_function(BackgroundWorker *registration, const char *task,
			 const char *function)
{
	snprintf(registration->bgw_type, BGW_MAXLEN, "bbackup %s", task);
	snprintf(registration->bgw_library_name,
			 sizeof(registration->bgw_library_name), "%s", library);
	snprintf(registration->bgw_function_name, BGW_MAXLEN, "%s", function);
	registration->bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
}

const char *
bb_worker_register(BackgroundWorker *registration, const char *task,
				   const char *function, BackgroundWorkerHandle **handle)
{
	if (!IsUnderPostmaster)
		return "There are no background workers in single-user mode.";

	set_function(registration, task, function);
	registration->bgw_start_time = BgWorkerStart_ConsistentState;
	registration->bgw_notify_pid = MyProcPid;
	if (RegisterDynamicBackgroundWorker(registration, handle))
		return NULL;
	return psprintf("All max_worker_processes = %d are in use.",
					max_worker_processes);
}

void
bb_worker_register_static(BackgroundWorker *registration, const char *task,
						  const char *function)
{
	set_function(registration, task, function);
	registration->bgw_start_time = BgWorkerStart_RecoveryFinished;
	RegisterBackgroundWorker(registration);
}

ErrorData *
bb_worker_shortage(const char *task, const char *detail)
{
	ErrorData  *error = palloc0(sizeof(ErrorData));

	error->elevel = ERROR;
	error->sqlerrcode = ERRCODE_INSUFFICIENT_RESOURCES;
	error->message = psprintf("could not start a background worker for %s",
							  task);
	error->detail = pstrdup(detail);
	/* raising max_worker_processes raises the limit of segments as well */
	if (IsUnderPostmaster)
		error->hint = pstrdup(
			"Try again later, or raise max_worker_processes.");
	error->assoc_context = CurrentMemoryContext;
	return error;
}

void
bb_worker_shortage_error(const char *task, const char *shortage)
{
	ThrowErrorData(bb_worker_shortage(task, shortage));
	pg_unreachable();
}

void
bb_worker_end_error(const char *task)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("background worker for %s ended unexpectedly", task),
			 errhint("The server's log may say why.")));
}

void
bb_worker_enter(pqsigfunc on_sigterm)
{
	pqsignal(SIGTERM, on_sigterm);
	BackgroundWorkerUnblockSignals();
	bb_text_watch_process();
}

void
bb_worker_begin_transaction(void)
{
	context_before = CurrentMemoryContext;
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = true;
	XactDeferrable = false;
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
bb_worker_end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context_before);
}
