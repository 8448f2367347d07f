/*-------------------------------------------------------------------------
 *
 * backuptask.c
 *	  What a background worker of a backup is told of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backuptask.h"

BbBackupTask
bb_backuptask(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			  const BbBackupOptions *options)
{
	BbBackupTask task = {.parent = *ctx,
						 .lsn = lsn,
						 .identity = bb_pagestore_identity(store, lsn)};

	/* each worker would ask again */
	if (options->asked)
		task.parent.download_behavior = BB_DOWNLOAD_ALLOW;
	strlcpy(task.server, options->server, sizeof(task.server));
	strlcpy(task.timeline, bb_pagestore_info(store)->timeline,
			sizeof(task.timeline));
	strlcpy(task.function, options->function, sizeof(task.function));
	return task;
}
