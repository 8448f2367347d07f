/*-------------------------------------------------------------------------
 *
 * backuptask.h
 *	  What a background worker of a backup is told of it.
 *
 * The worker is attached to the backup.  It opens the store by itself, and so
 * has to make sure that it reads the very timeline that the backup does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUPTASK_H
#define BB_BACKUPTASK_H

#include "members/options.h"
#include "pagestore/pagestore.h"

typedef struct BbBackupTask
{
	BbReqCtx	parent; /* a copy: see bb_reqctx_attached_child_of */
	XLogRecPtr	lsn;
	uint64		identity; /* of the timeline at lsn: bb_pagestore_identity */
	char		server[NAMEDATALEN];
	char		timeline[NAMEDATALEN];
	char		function[NAMEDATALEN];
} BbBackupTask;

/*
 * bb_backuptask - a backup of "store" at lsn, for a worker.  Its download
 * behaviour is the backup's, unless that has asked for all already.
 */
extern BbBackupTask bb_backuptask(const BbReqCtx *ctx, BbPageStore *store,
								  XLogRecPtr lsn,
								  const BbBackupOptions *options);

#endif /* BB_BACKUPTASK_H */
