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
bb_backuptask(const BbReqCtx *ctx, const char *function, const char *server,
			  uint64 options_hash, BbPageStore *store, XLogRecPtr lsn)
{
	BbBackupTask task = {.parent = *ctx,
						 .lsn = lsn,
						 .identity = bb_pagestore_identity(store, lsn),
						 .options_hash = options_hash};

	strlcpy(task.server, server, sizeof(task.server));
	strlcpy(task.timeline, bb_pagestore_info(store)->timeline,
			sizeof(task.timeline));
	strlcpy(task.function, function, sizeof(task.function));
	return task;
}
