/*-------------------------------------------------------------------------
 *
 * sessionworker_main.c
 *	  Session workers: the worker's side.
 *
 * The session becomes like the starter's as in PostgreSQL's
 * access/transam/parallel.c, except for settings (sessionworker_settings.c) and
 * for the characteristics of the transaction (bb_worker_begin_transaction).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "mb/pg_wchar.h"
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
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

static const BbWorkerAbout *worker_about = NULL;
static shm_mq_handle *worker_output = NULL;
static shm_mq_handle *worker_input = NULL;
static BbCounters *worker_counters = NULL;

extern PGDLLEXPORT void bb_sessionworker_main(Datum handle);

BbCounters *
bb_sessionworker_counters(void)
{
	return worker_counters;
}

static bool
put(const BbReqCtx *ctx, const void *message, size_t length, bool flush)
{
	shm_mq_result result;

	while ((result = shm_mq_send(worker_output, length, message, true,
								 flush)) == SHM_MQ_WOULD_BLOCK)
		bb_latch_wait(ctx, -1);
	return result == SHM_MQ_SUCCESS;
}

bool
bb_sessionworker_put(const BbReqCtx *ctx, const void *message, size_t length)
{
	return put(ctx, message, length, true);
}

bool
bb_sessionworker_put_lazily(const BbReqCtx *ctx, const void *message,
							size_t length)
{
	return put(ctx, message, length, false);
}

bool
bb_sessionworker_get(const BbReqCtx *ctx, const void **message, size_t *length)
{
	shm_mq_result result;
	Size		bytes;
	void	   *data;

	while ((result = shm_mq_receive(worker_input, &bytes, &data, true)) ==
		   SHM_MQ_WOULD_BLOCK)
		bb_latch_wait(ctx, -1);
	*message = data;
	*length = bytes;
	return result == SHM_MQ_SUCCESS;
}

static shm_mq_handle *
attach_queue(dsm_segment *segment, shm_toc *toc, int key)
{
	shm_mq	   *queue = shm_toc_lookup(toc, key, false);

	if (key == BB_WORKER_INPUT)
		shm_mq_set_receiver(queue, MyProc);
	else
		shm_mq_set_sender(queue, MyProc);
	return shm_mq_attach(queue, segment, NULL);
}

/* Make this session like the starter's. */
static void
become(const BbWorkerAbout *about, const char *settings)
{
	uint32		flags = BGWORKER_BYPASS_ALLOWCONN;

	/* the starter is connected, even if it could not connect again */
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
	flags |= BGWORKER_BYPASS_ROLELOGINCHECK;
#endif
	BackgroundWorkerInitializeConnectionByOid(about->database,
											  about->authenticated_user,
											  flags);
	StartTransactionCommand();
	bb_sessionworker_settings_apply(settings, about->settings_length);
	/* the starter converts messages that it passes on */
	SetClientEncoding(GetDatabaseEncoding());
	CommitTransactionCommand();
}

static void
run_task(const BbWorkerAbout *about, const void *payload)
{
	const BbWorkerTask *task = bb_worker_find_task(about->task);

	bb_worker_begin_transaction();
	SetCurrentRoleId(about->outer_user, superuser_arg(about->outer_user));
	SetUserIdAndSecContext(about->user, about->security_context);
	pgstat_report_activity(STATE_RUNNING, MyBgworkerEntry->bgw_type);
	pq_putemptymessage('B');
	task->run(payload, about->payload_length);
	bb_worker_end_transaction();
}

/* For BB_WORKER_ERRORS_LOGGED.  A cancellation is not worth a line. */
static void
log_error(void)
{
	ErrorData  *error;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		return;
	error->elevel = LOG_SERVER_ONLY;
	ThrowErrorData(error);
}

/* The segment is about to be unmapped. */
static void
forget_about(dsm_segment *segment, Datum unused)
{
	worker_about = NULL;
}

/*
 * SIGTERM.  A worker that its starter stops ends by a cancel, since die() would
 * write a FATAL error to the server's log, as for a session that is terminated.
 */
static void
stop_or_die(SIGNAL_ARGS)
{
	if (worker_about != NULL && worker_about->stopped)
		StatementCancelHandler(BB_SIGNAL_ARGS);
	else
		die(BB_SIGNAL_ARGS);
}

/* Where the postmaster's child begins. */
void
bb_sessionworker_main(Datum handle)
{
	dsm_segment *segment;
	shm_toc	   *toc;
	const BbWorkerAbout *about;

	bb_worker_enter(stop_or_die);
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		proc_exit(1); /* the starter has stopped it already */
	toc = shm_toc_attach(BB_WORKER_MAGIC, dsm_segment_address(segment));
	if (toc == NULL)
		elog(ERROR, "the segment of a background worker is invalid");
	about = worker_about = shm_toc_lookup(toc, BB_WORKER_ABOUT, false);
	on_dsm_detach(segment, forget_about, (Datum) 0);
	/* from now on errors go to the starter as well */
	pq_redirect_to_shm_mq(segment,
						  attach_queue(segment, toc, BB_WORKER_REPORTS));
	worker_counters = shm_toc_lookup(toc, BB_WORKER_COUNTERS, false);
	worker_output = attach_queue(segment, toc, BB_WORKER_OUTPUT);
	if (about->has_input)
		worker_input = attach_queue(segment, toc, BB_WORKER_INPUT);

	PG_TRY();
	{
		become(about, shm_toc_lookup(toc, BB_WORKER_SETTINGS, false));
		run_task(about, shm_toc_lookup(toc, BB_WORKER_PAYLOAD, false));
	}
	PG_CATCH();
	{
		/* the abort releases everything that depends on a memory context */
		HOLD_INTERRUPTS();
		if (about->stopped && geterrcode() == ERRCODE_QUERY_CANCELED)
			FlushErrorState();
		else if (about->errors_logged)
			log_error();
		else
			EmitErrorReport();
		AbortCurrentTransaction();
		proc_exit(1);
	}
	PG_END_TRY();
	pq_putemptymessage('X');
	proc_exit(0);
}
