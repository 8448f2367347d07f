/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  A worker that downloads layers before a backup reads them.
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
 * this many, so that the worker doesn't wait when a consumer makes the backup
 * wait for a long time.
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
		if (!bb_object_is_resident(objects, lfirst(cell)))
			missing = lappend(missing, lfirst(cell));
	return missing;
}

bool
bb_ahead_ask(const BbReqCtx *ctx, const BbSnapshot *snapshot, bool full,
			 List **missing)
{
	BbObjectStore *objects = bb_pagestore_object_store(snapshot->store);
	ListCell   *cell;

	if (objects == NULL || bb_objstore_cache_size(objects) == 0 ||
		(ctx->download_behavior == BB_DOWNLOAD_ERROR &&
		 !bb_setting_download_error_as_warn))
		return false;
	*missing = list_missing(objects, bb_prefetch_objects(ctx, snapshot, full));
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

	/* a single layer arrives as fast without a worker */
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

/* Receive messages: those sent so far, or all.  Returns whether it ended. */
static bool
receive(const BbReqCtx *ctx, BbAhead *ahead, bool to_the_end)
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

/* Stop the worker, and add its counters to the backup's. */
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
	if (receive(ctx, ahead, false))
		drop_worker(ahead);
	else
		bb_sessionworker_collect(ahead->worker);
}

void
bb_ahead_end(const BbReqCtx *ctx, BbAhead *ahead)
{
	if (ahead->worker == NULL)
		return;
	/* nobody needs what it fetches now; a cancel isn't worth a line in the log */
	if (bb_sessionworker_cancel(ahead->worker))
		(void) receive(ctx, ahead, true);
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
	BbSnapshot	snapshot = bb_snapshot_at(store, task->backup.lsn);
	BbHold		hold = {.snapshot = &snapshot, .fetched = wake_up};
	List	   *needed;

	/* replaced since the backup began? */
	if (bb_pagestore_identity(&snapshot) != task->backup.identity)
		return;
	do
		needed = bb_prefetch_objects(ctx, &snapshot, task->full);
	while (!bb_prefetch_hold(ctx, &hold, needed));
}
