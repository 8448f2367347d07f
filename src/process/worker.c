/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  Background workers of this library: the starter's side.
 *
 * A worker that is attached hangs on a memory context of the starter's, or is
 * stopped at the end of the process.  Its stop begins with the queues, since
 * it must not wait there for one who waits for it, and ends with the segment,
 * when its counters have been read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "lib/ilist.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "process/worker_internal.h"
#include "process/worker_settings.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"

/* As parallel workers have for their errors. */
#define REPORTS_BYTES 16384
#define OUTPUT_BYTES_MIN 1024

struct BbWorker
{
	char		task[NAMEDATALEN];
	const BbReqCtx *ctx;  /* the starter's */
	dsm_segment *segment; /* NULL: none, any more */
	BackgroundWorkerHandle *handle;
	shm_mq_handle *reports;
	shm_mq_handle *output; /* NULL: it has been read to its end */
	shm_mq_handle *input;  /* NULL: none, any more */
	bool		optional;
	bool		dispensable;
	bool		begun;		   /* its task */
	bool		ended;		   /* well; an optional one, in any way */
	const char *why_not_begun; /* of a dispensable one that ended before */
	const BbCounters *counters;
	BbCounters	collected; /* of them, so far */
	dlist_node	node;	   /* in "attached", while there is a segment */
	MemoryContextCallback callback;
};

static const char *library = NULL;
static const BbWorkerTask *tasks = NULL;
static int	ntasks = 0;

/* A starter's workers. */
static dlist_head attached = DLIST_STATIC_INIT(attached);

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

void
bb_worker_collect(BbWorker *worker)
{
	/* the worker may be counting: what is added and noted must be the same */
	BbCounters	now = *worker->counters;
	BbCounters	news = bb_counters_since(&worker->collected, &now);

	bb_reqctx_add(worker->ctx, &news);
}

/* Our end of a queue, if we have it. */
static void
let_go_of_queue(shm_mq_handle **queue)
{
	if (*queue != NULL)
		shm_mq_detach(*queue);
	*queue = NULL;
}

void
bb_worker_stop(BbWorker *worker)
{
	if (worker->segment == NULL)
		return;
	let_go_of_queue(&worker->reports);
	let_go_of_queue(&worker->output);
	let_go_of_queue(&worker->input);
	if (worker->handle != NULL)
	{
		TerminateBackgroundWorker(worker->handle);
		/* this may be an abort already: it must not be cancelled */
		HOLD_INTERRUPTS();
		(void) WaitForBackgroundWorkerShutdown(worker->handle);
		RESUME_INTERRUPTS();
		/* that has reset it, and a cancel may have set it meanwhile */
		SetLatch(MyLatch);
		bb_worker_collect(worker);
	}
	dlist_delete(&worker->node);
	dsm_detach(worker->segment);
	worker->segment = NULL;
}

static void
stop_with_context(void *worker)
{
	bb_worker_stop(worker);
}

/*
 * The process ends, perhaps in the midst of calls, of which others may keep
 * account in a callback like this one; but in one registered earlier, so this
 * is called before.
 */
static void
stop_with_process(int code, Datum arg)
{
	while (!dlist_is_empty(&attached))
		bb_worker_stop(dlist_head_element(BbWorker, node, &attached));
}

void
bb_worker_let_go(BbWorker *worker)
{
	worker->handle = NULL;
	bb_worker_stop(worker);
}

/* A queue in the segment, and our end of it. */
static shm_mq_handle *
make_queue(const BbWorker *worker, shm_toc *toc, int key, Size size)
{
	shm_mq	   *queue = shm_mq_create(shm_toc_allocate(toc, size), size);

	if (key == BB_WORKER_INPUT)
		shm_mq_set_sender(queue, MyProc);
	else
		shm_mq_set_receiver(queue, MyProc);
	shm_toc_insert(toc, key, queue);
	return shm_mq_attach(queue, worker->segment, NULL);
}

/* The segment, with all that is in it.  False: the server has none left. */
static bool
make_segment(BbWorker *worker, const BbWorkerRequest *request)
{
	static bool registered = false;
	Size		output_bytes = Max(request->output_bytes, OUTPUT_BYTES_MIN);
	size_t		settings_length;
	char	   *settings = bb_worker_settings_pack(&settings_length);
	shm_toc_estimator estimator;
	shm_toc	   *toc;
	BbWorkerAbout *about;
	void	   *part;

	shm_toc_initialize_estimator(&estimator);
	shm_toc_estimate_chunk(&estimator, sizeof(BbWorkerAbout));
	shm_toc_estimate_chunk(&estimator, settings_length);
	shm_toc_estimate_chunk(&estimator, request->payload_length);
	shm_toc_estimate_chunk(&estimator, sizeof(BbCounters));
	shm_toc_estimate_chunk(&estimator, REPORTS_BYTES);
	shm_toc_estimate_chunk(&estimator, output_bytes);
	shm_toc_estimate_chunk(&estimator, request->input_bytes);
	shm_toc_estimate_keys(&estimator, BB_WORKER_KEYS);

	worker->segment = dsm_create(shm_toc_estimate(&estimator),
								 DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (worker->segment == NULL)
		return false;
	/* the memory context's from now on, which may outlive a resource owner */
	dsm_pin_mapping(worker->segment);
	if (!registered)
		before_shmem_exit(stop_with_process, (Datum) 0);
	registered = true;
	dlist_push_tail(&attached, &worker->node);
	worker->callback.func = stop_with_context;
	worker->callback.arg = worker;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &worker->callback);

	toc = shm_toc_create(BB_WORKER_MAGIC, dsm_segment_address(worker->segment),
						 shm_toc_estimate(&estimator));

	about = shm_toc_allocate(toc, sizeof(BbWorkerAbout));
	about->database = MyDatabaseId;
	about->authenticated_user = GetAuthenticatedUserId();
	about->outer_user = GetOuterUserId();
	GetUserIdAndSecContext(&about->user, &about->security_context);
	about->settings_length = settings_length;
	about->payload_length = request->payload_length;
	about->has_input = request->input_bytes > 0;
	about->optional = request->optional;
	strlcpy(about->task, request->task, sizeof(about->task));
	shm_toc_insert(toc, BB_WORKER_ABOUT, about);

	part = shm_toc_allocate(toc, settings_length);
	memcpy(part, settings, settings_length);
	pfree(settings);
	shm_toc_insert(toc, BB_WORKER_SETTINGS, part);

	part = shm_toc_allocate(toc, request->payload_length);
	memcpy(part, request->payload, request->payload_length);
	shm_toc_insert(toc, BB_WORKER_PAYLOAD, part);

	part = shm_toc_allocate(toc, sizeof(BbCounters));
	memset(part, 0, sizeof(BbCounters));
	shm_toc_insert(toc, BB_WORKER_COUNTERS, part);
	worker->counters = part;

	worker->reports = make_queue(worker, toc, BB_WORKER_REPORTS,
								 REPORTS_BYTES);
	worker->output = make_queue(worker, toc, BB_WORKER_OUTPUT, output_bytes);
	if (about->has_input)
		worker->input = make_queue(worker, toc, BB_WORKER_INPUT,
								   request->input_bytes);
	return true;
}

BbWorker *
bb_worker_try_start(const BbReqCtx *ctx, const BbWorkerRequest *request,
					const char **lack)
{
	BbWorker   *worker = palloc0(sizeof(BbWorker));
	BackgroundWorker registration = {0};

	bb_reqctx_check(ctx);
	worker->optional = request->optional;
	worker->dispensable = request->dispensable;
	worker->ctx = ctx;
	strlcpy(worker->task, bb_worker_find_task(request->task)->name,
			sizeof(worker->task));
	if (!IsUnderPostmaster)
	{
		*lack = "There are no background workers in single-user mode.";
		return NULL;
	}
	if (!make_segment(worker, request))
	{
		*lack = "All dynamic shared memory segments are in use.";
		return NULL;
	}

	snprintf(registration.bgw_name, BGW_MAXLEN, "bbackup %s for PID %d",
			 request->task, MyProcPid);
	snprintf(registration.bgw_type, BGW_MAXLEN, "bbackup %s", request->task);
	snprintf(registration.bgw_library_name,
			 sizeof(registration.bgw_library_name), "%s", library);
	snprintf(registration.bgw_function_name, BGW_MAXLEN, "bb_worker_main");
	registration.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	registration.bgw_start_time = BgWorkerStart_ConsistentState;
	registration.bgw_restart_time = BGW_NEVER_RESTART;
	registration.bgw_main_arg = UInt32GetDatum(
		dsm_segment_handle(worker->segment));
	registration.bgw_notify_pid = MyProcPid;

	if (!RegisterDynamicBackgroundWorker(&registration, &worker->handle))
	{
		bb_worker_stop(worker);
		*lack = psprintf("All max_worker_processes = %d are in use.",
						 max_worker_processes);
		return NULL;
	}
	shm_mq_set_handle(worker->reports, worker->handle);
	shm_mq_set_handle(worker->output, worker->handle);
	if (worker->input != NULL)
		shm_mq_set_handle(worker->input, worker->handle);
	return worker;
}

BbWorker *
bb_worker_start(const BbReqCtx *ctx, const BbWorkerRequest *request)
{
	const char *lack;
	BbWorker   *worker = bb_worker_try_start(ctx, request, &lack);

	/* there are five segments more for each, too */
	if (worker == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a background worker for %s",
						request->task),
				 errdetail_internal("%s", lack),
				 IsUnderPostmaster
				 ? errhint("Try again later, or raise max_worker_processes.")
				 : 0));
	return worker;
}

/* An error or a notice of the worker's becomes ours. */
static void
pass_on(const BbWorker *worker, const char *report, Size length)
{
	StringInfoData copy;
	ErrorData	error;

	initStringInfo(&copy);
	appendBinaryStringInfo(&copy, report, (int) length);
	pq_parse_errornotice(&copy, &error);
	/* the worker's end isn't ours */
	error.elevel = Min(error.elevel, ERROR);
	if (error.context != NULL)
		error.context = psprintf("%s\nbackground worker for %s", error.context,
								 worker->task);
	else
		error.context = psprintf("background worker for %s", worker->task);
	ThrowErrorData(&error);
	pfree(copy.data);
}

/*
 * A dispensable worker ended before its task began.  "report" is its error;
 * NULL: it has told none.
 */
static void
note_failure(BbWorker *worker, const char *report, Size length)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(worker));

	worker->ended = true;
	worker->why_not_begun = "A background worker did not start.";
	if (report != NULL)
	{
		StringInfoData copy;
		ErrorData	error;

		initStringInfo(&copy);
		appendBinaryStringInfo(&copy, report, (int) length);
		pq_parse_errornotice(&copy, &error);
		worker->why_not_begun =
			psprintf("A background worker did not start: %s.", error.message);
	}
	MemoryContextSwitchTo(old);
}

const char *
bb_worker_why_not_begun(const BbWorker *worker)
{
	return worker->why_not_begun;
}

/* All that the worker has reported so far. */
static void
read_reports(BbWorker *worker)
{
	while (!worker->ended)
	{
		Size		bytes;
		void	   *data;

		switch (shm_mq_receive(worker->reports, &bytes, &data, true))
		{
			case SHM_MQ_SUCCESS:
				break;
			case SHM_MQ_WOULD_BLOCK:
				return;
			case SHM_MQ_DETACHED:
				if (worker->optional)
				{
					worker->ended = true;
					return;
				}
				if (worker->dispensable && !worker->begun)
				{
					note_failure(worker, NULL, 0);
					return;
				}
				ereport(ERROR,
						(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
						 errmsg("background worker for %s ended unexpectedly",
								worker->task),
						 errhint("The server's log may say why.")));
		}
		switch (*(const char *) data)
		{
			case 'E':
				/* as when somebody terminates it */
				if (worker->optional)
					break;
				if (worker->dispensable && !worker->begun)
				{
					note_failure(worker, (const char *) data + 1, bytes - 1);
					break;
				}
				/* FALLTHROUGH */
			case 'N':
				pass_on(worker, (const char *) data + 1, bytes - 1);
				break;
			case 'B':
				worker->begun = true;
				break;
			case 'X':
				worker->ended = true;
				break;
			default:
				elog(ERROR, "unexpected message '%c' of a background worker",
					 *(const char *) data);
		}
	}
}

void
bb_worker_wait(const BbReqCtx *ctx)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	bb_reqctx_check(ctx);
}

BbWorkerEvent
bb_worker_receive(const BbReqCtx *ctx, BbWorker *worker, bool wait,
				  const void **message, size_t *length)
{
	for (;;)
	{
		shm_mq_result result = SHM_MQ_DETACHED;
		Size		bytes;
		void	   *data;

		read_reports(worker);
		if (worker->output != NULL)
			result = shm_mq_receive(worker->output, &bytes, &data, true);
		if (result == SHM_MQ_SUCCESS)
		{
			*message = data;
			*length = bytes;
			return BB_WORKER_MESSAGE;
		}
		if (result == SHM_MQ_DETACHED)
		{
			worker->output = NULL;
			if (worker->ended)
				return BB_WORKER_ENDED;
		}
		if (!wait)
			return BB_WORKER_NOTHING;
		bb_worker_wait(ctx);
	}
}

bool
bb_worker_cancel(BbWorker *worker)
{
	pid_t		pid;

	return worker->handle != NULL &&
		GetBackgroundWorkerPid(worker->handle, &pid) == BGWH_STARTED &&
		kill(pid, SIGINT) == 0;
}

bool
bb_worker_send(const BbReqCtx *ctx, BbWorker *worker, const void *message,
			   size_t length)
{
	shm_mq_result result;

	while ((result = shm_mq_send(worker->input, length, message, true,
								 true)) == SHM_MQ_WOULD_BLOCK)
		bb_worker_wait(ctx);
	return result == SHM_MQ_SUCCESS;
}

void
bb_worker_end_input(BbWorker *worker)
{
	shm_mq_detach(worker->input);
	worker->input = NULL;
}
