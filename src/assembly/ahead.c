/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  Fetching ahead of a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "assembly/ahead.h"
#include "assembly/prefetch.h"
#include "base/settings.h"
#include "base/worker.h"

/* A worker's note says what was counted since the last one. */
#define NOTE_BYTES (sizeof(BbCounters) + 2 * sizeof(Size))

/*
 * The queue has room for one after each layer, up to so many: a consumer may
 * let the backup wait for long, and the worker is not to wait for it.
 */
#define NOTES_MAX 1000

struct BbAhead
{
	BbWorker   *worker;
};

/* ---- the backup's side ---- */

static List *
list_missing(const BbObjectStore *objects, List *needed)
{
	List	   *missing = NIL;
	ListCell   *cell;

	foreach(cell, needed)
	{
		if (!bb_object_is_resident(objects, lfirst(cell)))
			missing = lappend(missing, lfirst(cell));
	}
	return missing;
}

BbAhead *
bb_ahead_new(const BbReqCtx *ctx, BbObjectStore *objects, uint64 options_hash,
			 BbPageStore *store, XLogRecPtr lsn,
			 const BbBackupOptions *options)
{
	BbAheadTask task = {.parent = *ctx,
						.lsn = lsn,
						.full = options->full,
						.options_hash = options_hash};
	BbWorkerRequest request = {.task = BB_AHEAD_TASK,
							   .payload = &task,
							   .payload_length = sizeof(task),
							   .optional = true};
	BbAhead	   *ahead;
	BbWorker   *worker;
	List	   *missing;
	ListCell   *cell;

	if (bb_objstore_cache_size(objects) == 0 ||
		(ctx->download_behavior == BB_DOWNLOAD_ERROR &&
		 !bb_setting_download_error_as_warn))
		return NULL;
	missing = list_missing(objects,
						   bb_prefetch_objects(ctx, store, lsn,
											   options->full));
	/* one by itself comes as fast without help */
	if (list_length(missing) < 2)
		return NULL;

	task.identity = bb_pagestore_identity(store, lsn);
	/* it's asked here whether they may be fetched */
	task.parent.download_behavior = BB_DOWNLOAD_ALLOW;
	strlcpy(task.server, options->server, sizeof(task.server));
	strlcpy(task.timeline, bb_pagestore_info(store)->timeline,
			sizeof(task.timeline));
	strlcpy(task.function, options->function, sizeof(task.function));
	request.output_bytes = NOTE_BYTES *
		(Min(list_length(missing), NOTES_MAX) + 2);
	worker = bb_worker_try_start(ctx, &request);
	if (worker == NULL)
		return NULL;
	foreach(cell, missing)
		bb_object_ask_leave(ctx, objects, lfirst(cell));
	ahead = palloc(sizeof(BbAhead));
	ahead->worker = worker;
	return ahead;
}

/* Take notes until there are none, or for good.  Returns whether it ended. */
static bool
take_notes(const BbReqCtx *ctx, BbAhead *ahead, bool wait)
{
	const void *message;
	size_t		length;
	BbWorkerEvent event;

	while ((event = bb_worker_receive(ctx, ahead->worker, wait, &message,
									  &length)) == BB_WORKER_MESSAGE)
	{
		if (length != sizeof(BbCounters))
			elog(ERROR, "background worker for %s sent %zu bytes",
				 BB_AHEAD_TASK, length);
		bb_reqctx_add(ctx, message);
	}
	return event == BB_WORKER_ENDED;
}

static void
drop_worker(BbAhead *ahead)
{
	bb_worker_stop(ahead->worker);
	ahead->worker = NULL;
}

void
bb_ahead_poll(const BbReqCtx *ctx, BbAhead *ahead)
{
	if (ahead->worker != NULL && take_notes(ctx, ahead, false))
		drop_worker(ahead);
}

void
bb_ahead_end(const BbReqCtx *ctx, BbAhead *ahead)
{
	if (ahead->worker == NULL)
		return;
	/* what it fetches now is for nobody; but what it did is to be counted */
	if (bb_worker_cancel(ahead->worker))
		(void) take_notes(ctx, ahead, true);
	drop_worker(ahead);
}

/* ---- the worker's side ---- */

static void
put_note(const BbReqCtx *ctx, BbCounters *told)
{
	BbCounters	note = bb_counters_since(told, ctx->counters);

	(void) bb_worker_put(ctx, &note, sizeof(note));
}

static void
tell(const BbReqCtx *ctx, const BbWholeObject *object, void *told)
{
	put_note(ctx, told);
}

void
bb_ahead_serve(const BbReqCtx *ctx, BbObjectStore *objects, BbPageStore *store,
			   const BbAheadTask *task)
{
	BbCounters	told = {0};

	/* replaced since the backup began? */
	if (bb_pagestore_identity(store, task->lsn) != task->identity)
		return;
	PG_TRY();
	{
		(void) bb_objects_hold(ctx, objects,
							   bb_prefetch_objects(ctx, store, task->lsn,
												   task->full),
							   tell, &told);
	}
	PG_FINALLY();
	{
		/* an end by force is a FATAL, and doesn't come here */
		HOLD_CANCEL_INTERRUPTS();
		put_note(ctx, &told);
		RESUME_CANCEL_INTERRUPTS();
	}
	PG_END_TRY();
}
