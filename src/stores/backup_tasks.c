/*-------------------------------------------------------------------------
 *
 * backup_tasks.c
 *	  The tasks of a backup's background workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "process/sessionworker.h"
#include "stats/calls.h"
#include "stores/backup_tasks.h"
#include "stores/store_access.h"

void
bb_ahead_task(const void *payload, size_t length)
{
	const BbAheadTask *task = payload;
	const BbBackupTask *backup = &task->backup;
	const BbReqCtx
		*ctx = bb_reqctx_attached_child_of(&backup->parent, BB_TASK_PREFETCH,
										   bb_sessionworker_counters());

	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = backup->function,
									 .timeline = backup->timeline,
									 .lsn = backup->lsn});
	bb_ahead_serve(ctx,
				   bb_store_timeline_same(ctx, backup->server,
										  backup->timeline,
										  backup->options_hash),
				   task);
	bb_reqctx_end(ctx);
}

void
bb_pages_task(const void *payload, size_t length)
{
	const BbBackupTask *task = payload;
	const BbReqCtx
		*ctx = bb_reqctx_attached_child_of(&task->parent,
										   task->parent.task_kind,
										   bb_sessionworker_counters());

	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = task->function,
									 .lsn = task->lsn});
	bb_parallel_serve(ctx,
					  bb_store_timeline(ctx, task->server, task->timeline),
					  task);
	bb_reqctx_end(ctx);
}
