/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The library's magic block and its initialisation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "process/worker.h"
#include "redo/helper.h"
#include "stats/shared.h"
#include "stores/backup_tasks.h"
#include "stores/own_server.h"
#include "stores/prefetch_call.h"

PG_MODULE_MAGIC;

/* The tasks of background workers. */
static const BbWorkerTask worker_tasks[] = {
	{BB_PREFETCH_TASK, bb_prefetch_task},
	{BB_AHEAD_TASK, bb_ahead_task},
	{BB_PAGES_TASK, bb_pages_task},
};

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	bb_settings_init();
	bb_redo_helper_init();
	bb_stats_init();
	bb_own_server_init();
	bb_worker_init("$libdir/bbackup", worker_tasks, lengthof(worker_tasks));
}
