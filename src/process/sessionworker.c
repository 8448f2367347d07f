/*-------------------------------------------------------------------------
 *
 * sessionworker.c
 *	  Session workers: the starter's side.
 *
 * An attached worker is stopped by the reset of the memory context in which it
 * was started, or at the end of the process.  bb_sessionworker_stop first
 * detaches from the queues, so that the worker doesn't wait there for a starter
 * that waits for its end.  It detaches from the segment last, after it has read
 * the counters.
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
#include "process/sessionworker_internal.h"
#include "process/waitset.h"
#include "process/worker_internal.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"

/* As the error queue of a parallel worker (access/transam/parallel.c). */
#define REPORTS_BYTES 16384
#define OUTPUT_BYTES_MIN 1024

struct BbSessionWorker
{
	char		task[NAMEDATALEN];
	const BbReqCtx *ctx;  /* the starter's */
	dsm_segment *segment; /* NULL: stopped or detached */
	BbWorkerAbout *about; /* in the segment */
	BackgroundWorkerHandle *handle;
	shm_mq_handle *reports;
	shm_mq_handle *output; /* NULL: it has been read to its end */
	shm_mq_handle *input;  /* NULL: no queue, or its end has been sent */
	BbSessionWorkerErrors errors;
	bool		task_begun;
	bool		ended;		   /* without an error that is to be raised */
	const char *start_failure; /* see bb_sessionworker_start_failure */
	const BbCounters *counters;
	BbCounters	collected; /* part of *counters */
	dlist_node	node;	   /* in "attached", while there is a segment */
	MemoryContextCallback callback;
};

/* The workers of this process that are attached. */
static dlist_head attached = DLIST_STATIC_INIT(attached);

void
bb_sessionworker_collect(BbSessionWorker *worker)
{
	/* the worker may be counting: add and note the same values */
	BbCounters	now = *worker->counters;
	BbCounters	news = bb_counters_since(&worker->collected, &now);

	bb_reqctx_add(worker->ctx, &news);
}

static void
detach_queue(shm_mq_handle **queue)
{
	if (*queue != NULL)
		shm_mq_detach(*queue);
	*queue = NULL;
}

void
bb_sessionworker_stop(BbSessionWorker *worker)
{
	if (worker->segment == NULL)
		return;
	detach_queue(&worker->reports);
	detach_queue(&worker->output);
	detach_queue(&worker->input);
	if (worker->handle != NULL)
	{
		worker->about->stopped = true;
		TerminateBackgroundWorker(worker->handle);
		/* this may be an abort already: it must not be cancelled */
		HOLD_INTERRUPTS();
		(void) WaitForBackgroundWorkerShutdown(worker->handle);
		RESUME_INTERRUPTS();
		/* the wait has reset it, and a cancel may have set it meanwhile */
		SetLatch(MyLatch);
		bb_sessionworker_collect(worker);
	}
	dlist_delete(&worker->node);
	dsm_detach(worker->segment);
	worker->segment = NULL;
}

static void
stop_with_context(void *worker)
{
	bb_sessionworker_stop(worker);
}

/*
 * The process ends, maybe during calls, whose statistics are ended by a
 * callback as well.  That one was registered earlier, so it is called later.
 */
static void
stop_with_process(int code, Datum arg)
{
	while (!dlist_is_empty(&attached))
		bb_sessionworker_stop(
			dlist_head_element(BbSessionWorker, node, &attached));
}

void
bb_sessionworker_detach(BbSessionWorker *worker)
{
	worker->handle = NULL;
	bb_sessionworker_stop(worker);
}

/* Create a queue in the segment, and attach to it. */
static shm_mq_handle *
create_queue(const BbSessionWorker *worker, shm_toc *toc, int key, Size size)
{
	shm_mq	   *queue = shm_mq_create(shm_toc_allocate(toc, size), size);

	if (key == BB_WORKER_INPUT)
		shm_mq_set_sender(queue, MyProc);
	else
		shm_mq_set_receiver(queue, MyProc);
	shm_toc_insert(toc, key, queue);
	return shm_mq_attach(queue, worker->segment, NULL);
}

static void *
add_part(shm_toc *toc, int key, const void *data, Size size)
{
	void	   *part = shm_toc_allocate(toc, size);

	memcpy(part, data, size);
	shm_toc_insert(toc, key, part);
	return part;
}

/* Create the segment and fill it.  False: the server has none left. */
static bool
create_segment(BbSessionWorker *worker, const BbSessionWorkerRequest *request)
{
	static bool registered = false;
	Size		output_bytes = Max(request->output_bytes, OUTPUT_BYTES_MIN);
	BbWorkerAbout about = {.database = MyDatabaseId,
						   .authenticated_user = GetAuthenticatedUserId(),
						   .outer_user = GetOuterUserId(),
						   .payload_length = request->payload_length,
						   .has_input = request->input_bytes > 0,
						   .errors_logged = request->errors ==
							   BB_WORKER_ERRORS_LOGGED};
	char	   *settings = bb_sessionworker_settings_pack(
		&about.settings_length);
	shm_toc_estimator estimator;
	shm_toc	   *toc;

	shm_toc_initialize_estimator(&estimator);
	shm_toc_estimate_chunk(&estimator, sizeof(BbWorkerAbout));
	shm_toc_estimate_chunk(&estimator, about.settings_length);
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
	/* it belongs to the memory context, which may outlive a resource owner */
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

	GetUserIdAndSecContext(&about.user, &about.security_context);
	strlcpy(about.task, request->task, sizeof(about.task));
	worker->about = add_part(toc, BB_WORKER_ABOUT, &about, sizeof(about));
	add_part(toc, BB_WORKER_SETTINGS, settings, about.settings_length);
	pfree(settings);
	add_part(toc, BB_WORKER_PAYLOAD, request->payload, about.payload_length);
	/* "collected" is all zeros */
	worker->counters = add_part(toc, BB_WORKER_COUNTERS, &worker->collected,
								sizeof(BbCounters));

	worker->reports = create_queue(worker, toc, BB_WORKER_REPORTS,
								   REPORTS_BYTES);
	worker->output = create_queue(worker, toc, BB_WORKER_OUTPUT, output_bytes);
	if (about.has_input)
		worker->input = create_queue(worker, toc, BB_WORKER_INPUT,
									 request->input_bytes);
	return true;
}

BbSessionWorker *
bb_sessionworker_try_start(const BbReqCtx *ctx,
						   const BbSessionWorkerRequest *request,
						   const char **shortage)
{
	BbSessionWorker *worker = palloc0(sizeof(BbSessionWorker));
	BackgroundWorker registration = {.bgw_restart_time = BGW_NEVER_RESTART};

	bb_reqctx_check(ctx);
	worker->errors = request->errors;
	worker->ctx = ctx;
	strlcpy(worker->task, bb_worker_find_task(request->task)->name,
			sizeof(worker->task));
	if (IsUnderPostmaster && !create_segment(worker, request))
	{
		*shortage = "All dynamic shared memory segments are in use.";
		return NULL;
	}

	snprintf(registration.bgw_name, BGW_MAXLEN, "bbackup %s for PID %d",
			 request->task, MyProcPid);
	if (IsUnderPostmaster)
		registration.bgw_main_arg = UInt32GetDatum(
			dsm_segment_handle(worker->segment));
	*shortage = bb_worker_register(&registration, request->task,
								   "bb_sessionworker_main", &worker->handle);
	if (*shortage != NULL)
	{
		bb_sessionworker_stop(worker);
		return NULL;
	}
	shm_mq_set_handle(worker->reports, worker->handle);
	shm_mq_set_handle(worker->output, worker->handle);
	if (worker->input != NULL)
		shm_mq_set_handle(worker->input, worker->handle);
	return worker;
}

BbSessionWorker *
bb_sessionworker_start(const BbReqCtx *ctx,
					   const BbSessionWorkerRequest *request)
{
	const char *shortage;
	BbSessionWorker *worker = bb_sessionworker_try_start(ctx, request,
														 &shortage);

	if (worker == NULL)
		bb_worker_shortage_error(request->task, shortage);
	return worker;
}

/* Parse an error or notice.  *error points into the result, palloc'd. */
static char *
parse_report(const char *report, Size length, ErrorData *error)
{
	StringInfoData copy;

	initStringInfo(&copy);
	appendBinaryStringInfo(&copy, report, (int) length);
	pq_parse_errornotice(&copy, error);
	return copy.data;
}

/* Raise an error or notice of the worker in this process. */
static void
pass_on(const BbSessionWorker *worker, const char *report, Size length)
{
	ErrorData	error;
	char	   *copy = parse_report(report, length, &error);

	/* FATAL ends the worker, not this process */
	error.elevel = Min(error.elevel, ERROR);
	error.context = psprintf("%s%sbackground worker for %s",
							 error.context ? error.context : "",
							 error.context ? "\n" : "", worker->task);
	ThrowErrorData(&error);
	pfree(copy);
}

/*
 * Has the worker ended without an error that is to be raised here?  "report" is
 * its error; NULL: it has ended without a report.
 */
static bool
note_failure(BbSessionWorker *worker, const char *report, Size length)
{
	if (worker->errors == BB_WORKER_START_ERRORS_RETURNED &&
		!worker->task_begun)
	{
		MemoryContext old = MemoryContextSwitchTo(
			GetMemoryChunkContext(worker));
		ErrorData	error;

		worker->start_failure = "A background worker did not start.";
		if (report != NULL)
		{
			(void) parse_report(report, length, &error);
			worker->start_failure = psprintf(
				"A background worker did not start: %s.", error.message);
		}
		MemoryContextSwitchTo(old);
	}
	else if (worker->errors != BB_WORKER_ERRORS_LOGGED)
		return false;
	worker->ended = true;
	return true;
}

const char *
bb_sessionworker_start_failure(const BbSessionWorker *worker)
{
	return worker->start_failure;
}

/* Handle everything that the worker has reported so far. */
static void
read_reports(BbSessionWorker *worker)
{
	while (!worker->ended)
	{
		Size		bytes;
		void	   *data;
		const char *report;

		switch (shm_mq_receive(worker->reports, &bytes, &data, true))
		{
			case SHM_MQ_SUCCESS:
				break;
			case SHM_MQ_WOULD_BLOCK:
				return;
			case SHM_MQ_DETACHED:
				if (note_failure(worker, NULL, 0))
					return;
				bb_worker_end_error(worker->task);
		}
		report = data;
		switch (*report)
		{
			case 'E':
				if (!note_failure(worker, report + 1, bytes - 1))
					pass_on(worker, report + 1, bytes - 1);
				break;
			case 'N':
				pass_on(worker, report + 1, bytes - 1);
				break;
			case 'B':
				worker->task_begun = true;
				break;
			case 'X':
				worker->ended = true;
				break;
			default:
				elog(ERROR, "unexpected message '%c' of a background worker",
					 *report);
		}
	}
}

BbWorkerEvent
bb_sessionworker_receive(const BbReqCtx *ctx, BbSessionWorker *worker,
						 bool wait, const void **message, size_t *length)
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
		bb_latch_wait(ctx, -1);
	}
}

bool
bb_sessionworker_cancel(BbSessionWorker *worker)
{
	pid_t		pid;

	return worker->handle != NULL &&
		GetBackgroundWorkerPid(worker->handle, &pid) == BGWH_STARTED &&
		kill(pid, SIGINT) == 0;
}

bool
bb_sessionworker_send(const BbReqCtx *ctx, BbSessionWorker *worker,
					  const void *message, size_t length)
{
	shm_mq_result result;

	while ((result = shm_mq_send(worker->input, length, message, true,
								 true)) == SHM_MQ_WOULD_BLOCK)
		bb_latch_wait(ctx, -1);
	return result == SHM_MQ_SUCCESS;
}

void
bb_sessionworker_end_input(BbSessionWorker *worker)
{
	shm_mq_detach(worker->input);
	worker->input = NULL;
}
