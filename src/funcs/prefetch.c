/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  Fetching what a backup needs, ahead of it, in a background worker.
 *
 *	  bb_prefetch()					   worker: a detached child
 *	  arguments, permissions ────────► store, LSN, layers, do they fit?
 *	  return, or wait for the end ◄─── its call's number
 *									   downloads
 *
 * So what would go wrong at once is an error of the function itself.  Nothing
 * is read but by the worker, since the caller may not be allowed to download.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/prefetch.h"
#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "funcs/prefetch.h"
#include "process/worker.h"
#include "stats/shared.h"
#include "stores/store_access.h"
#include "utils/builtins.h"

BB_SQL_FUNCTION(bb_sql_prefetch);

/* What the worker is told. */
typedef struct Payload
{
	uint64		parent_call_id;
	uint64		options_hash; /* of the store, as its starter sees it */
	XLogRecPtr	lsn;		  /* Invalid: the end */
	bool		full;
	char		store[NAMEDATALEN];
	char		timeline[BB_TIMELINE_NAME_MAX + 1];
} Payload;

void
bb_prefetch_task(const void *payload, size_t length)
{
	const Payload *wanted = payload;
	const BbReqCtx *ctx;
	BbPageStore *store;
	BbPrefetch *prefetch;
	XLogRecPtr	lsn;

	/* that is what it's for, whatever the session's calls may do */
	ctx = bb_reqctx_detached_child_of(wanted->parent_call_id, BB_TASK_PREFETCH,
									  BB_DOWNLOAD_ALLOW);
	bb_calls_describe(ctx, &(BbCallAbout){.function = "bb_prefetch"});
	store = bb_store_timeline_same(ctx, wanted->store, wanted->timeline,
								   wanted->options_hash);
	lsn = bb_store_lsn(ctx, store, wanted->lsn);
	prefetch = bb_prefetch_new(ctx, store, lsn, wanted->full);
	(void) bb_worker_put(ctx, &ctx->call_id, sizeof(ctx->call_id));
	bb_prefetch_run(ctx, prefetch);
	bb_reqctx_end(ctx);
}

/*
 * bb_prefetch(lsn, full_backup, store, timeline, wait)
 *
 * Gives the worker's call_id; NULL when nobody else's statistics know it.
 */
static Datum
bb_sql_prefetch_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_PREFETCH);
	char	   *server = bb_arg_name(fcinfo, 2, "store");
	char	   *timeline = bb_arg_text(fcinfo, 3, "timeline");
	bool		wait = bb_arg_bool(fcinfo, 4, "wait");
	Payload		payload = {.parent_call_id = ctx->call_id,
						   .lsn = bb_arg_lsn(fcinfo, 0, "lsn"),
						   .full = bb_arg_bool(fcinfo, 1, "full_backup")};
	BbWorker   *worker;
	const void *message;
	size_t		length;
	uint64		call_id;

	bb_calls_describe(ctx,
					  &(BbCallAbout){.timeline = timeline,
									 .lsn = payload.lsn});
	bb_store_need_cache(bb_store_open_told(ctx, server, &payload.options_hash),
						server);
	bb_timeline_name_check(timeline);
	strlcpy(payload.store, server, sizeof(payload.store));
	strlcpy(payload.timeline, timeline, sizeof(payload.timeline));

	worker = bb_worker_start(ctx,
							 &(BbWorkerRequest){.task = "prefetch",
												.payload = &payload,
												.payload_length = sizeof(
													payload)});
	if (bb_worker_receive(ctx, worker, true, &message, &length) !=
			BB_WORKER_MESSAGE ||
		length != sizeof(call_id))
		elog(ERROR, "background worker for prefetch did not say its number");
	memcpy(&call_id, message, sizeof(call_id));
	if (wait)
	{
		while (bb_worker_receive(ctx, worker, true, &message, &length) !=
			   BB_WORKER_ENDED)
			;
		bb_worker_stop(worker);
	}
	else
		bb_worker_let_go(worker);
	bb_reqctx_end(ctx);

	if (!bb_stats_shared())
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) call_id);
}
