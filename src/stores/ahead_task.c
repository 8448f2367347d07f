/*-------------------------------------------------------------------------
 *
 * ahead_task.c
 *	  What the background worker does that fetches ahead of a backup.
 *
 * It opens the store by itself, as the user of the backup, so that what it
 * reads is as permitted, or refused, as it was there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "process/worker.h"
#include "stats/calls.h"
#include "stores/ahead_task.h"
#include "stores/store_access.h"

void
bb_ahead_task(const void *payload, size_t length)
{
	const BbAheadTask *task = payload;
	const BbBackupTask *backup = &task->backup;
	const BbReqCtx *ctx = bb_reqctx_attached_child_of(&backup->parent,
													  BB_TASK_PREFETCH,
													  bb_worker_counters());

	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = backup->function,
									 .timeline = backup->timeline,
									 .lsn = backup->lsn});
	bb_ahead_serve(ctx,
				   bb_store_timeline_same(ctx, backup->server,
										  backup->timeline,
										  task->options_hash),
				   task);
	bb_reqctx_end(ctx);
}
