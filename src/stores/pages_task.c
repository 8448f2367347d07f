/*-------------------------------------------------------------------------
 *
 * pages_task.c
 *	  What a background worker of a backup does.
 *
 * It opens the store by itself, as the user of the backup, so that what it
 * reads is as permitted, or refused, as it was there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "process/worker.h"
#include "stats/calls.h"
#include "stores/pages_task.h"
#include "stores/store_access.h"

void
bb_pages_task(const void *payload, size_t length)
{
	const BbBackupTask *task = payload;
	const BbReqCtx *ctx = bb_reqctx_attached_child_of(&task->parent,
													  task->parent.task_kind,
													  bb_worker_counters());

	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = task->function,
									 .lsn = task->lsn});
	bb_parallel_serve(ctx,
					  bb_store_timeline(ctx, task->server, task->timeline),
					  task);
	bb_reqctx_end(ctx);
}
