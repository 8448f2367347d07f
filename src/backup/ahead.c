/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  Fetching ahead of a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/ahead.h"
#include "backup/prefetch.h"
#include "base/settings.h"
#include "process/sessionworker.h"

/*
 * An empty message wakes the backup after each layer.  The queue has room for
 * so many: a consumer may let the backup wait for long, and the worker is not
 * to wait for it.
 */
#define WAKE_UPS_MAX 1000
#define WAKE_UP_BYTES (2 * MAXALIGN(sizeof(Size)))

struct BbAhead
{
	BbSessionWorker *worker;
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

bool
bb_ahead_ask(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			 bool full, List **missing)
{
	BbObjectStore *objects = bb_pagestore_object_store(store);
	ListCell   *cell;

	if (objects == NULL || bb_objstore_cache_size(objects) == 0 ||
		(ctx->download_behavior == BB_DOWNLOAD_ERROR &&
		 !bb_setting_download_error_as_warn))
		return false;
	*missing = list_missing(objects,
							bb_prefetch_objects(ctx, store, lsn, full));
	foreach(cell, *missing)
		bb_object_permit_download(ctx, objects, lfirst(cell));
	return true;
}

BbAhead *
bb_ahead_new(const BbReqCtx *ctx, List *missing, const BbBackupTask *backup,
			 bool full)
{
	BbAheadTask task = {.backup = *backup, .full = full};
	BbSessionWorkerRequest request = {.task = BB_AHEAD_TASK,
									  .payload = &task,
									  .payload_length = sizeof(task),
									  .errors = BB_WORKER_ERRORS_LOGGED};
	BbAhead	   *ahead;
	BbSessionWorker *worker;
	const char *shortage;

	/* one by itself comes as fast without help */
	if (list_length(missing) < 2)
		return NULL;

	request.output_bytes = WAKE_UP_BYTES *
		(Min(list_length(missing), WAKE_UPS_MAX) + 2);
	worker = bb_sessionworker_try_start(ctx, &request, &shortage);
	if (worker == NULL)
		return NULL;
	ahead = palloc(sizeof(BbAhead));
	ahead->worker = worker;
	return ahead;
}

/* Hear what the worker has to say so far, or all.  Returns whether it ended. */
static bool
hear(const BbReqCtx *ctx, BbAhead *ahead, bool to_the_end)
{
	const void *message;
	size_t		length;
	BbWorkerEvent event;

	do
		event = bb_sessionworker_receive(ctx, ahead->worker, to_the_end,
										 &message, &length);
	while (event == BB_WORKER_MESSAGE);
	return event == BB_WORKER_ENDED;
}

/* It stops, and what it counted counts. */
static void
drop_worker(BbAhead *ahead)
{
	bb_sessionworker_stop(ahead->worker);
	ahead->worker = NULL;
}

void
bb_ahead_poll(const BbReqCtx *ctx, BbAhead *ahead)
{
	if (ahead->worker == NULL)
		return;
	if (hear(ctx, ahead, false))
		drop_worker(ahead);
	else
		bb_sessionworker_collect(ahead->worker);
}

void
bb_ahead_end(const BbReqCtx *ctx, BbAhead *ahead)
{
	if (ahead->worker == NULL)
		return;
	/* what it fetches now is for nobody; a cancel isn't worth a line in the log */
	if (bb_sessionworker_cancel(ahead->worker))
		(void) hear(ctx, ahead, true);
	drop_worker(ahead);
}

/* ---- the worker's side ---- */

static void
wake_up(const BbReqCtx *ctx, const BbWholeObject *object, void *arg)
{
	(void) bb_sessionworker_put(ctx, "", 0);
}

void
bb_ahead_serve(const BbReqCtx *ctx, BbPageStore *store,
			   const BbAheadTask *task)
{
	XLogRecPtr	lsn = task->backup.lsn;
	List	   *needed;

	/* replaced since the backup began? */
	if (bb_pagestore_identity(store, lsn) != task->backup.identity)
		return;
	needed = bb_prefetch_objects(ctx, store, lsn, task->full);
	(void) bb_objects_hold(ctx, bb_pagestore_object_store(store), needed,
						   wake_up, NULL);
}
