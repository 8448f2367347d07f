/*-------------------------------------------------------------------------
 *
 * backuptask.c
 *	  What a background worker of a backup is told about it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backuptask.h"

BbBackupTask
bb_backuptask(const BbReqCtx *ctx, const char *function, const char *server,
			  uint64 options_hash, const BbSnapshot *snapshot)
{
	BbBackupTask task = {.parent = *ctx,
						 .lsn = snapshot->lsn,
						 .identity = bb_pagestore_identity(snapshot),
						 .options_hash = options_hash};

	strlcpy(task.server, server, sizeof(task.server));
	strlcpy(task.timeline, bb_pagestore_info(snapshot->store)->timeline,
			sizeof(task.timeline));
	strlcpy(task.function, function, sizeof(task.function));
	return task;
}
