/*-------------------------------------------------------------------------
 *
 * backuptask.h
 *	  What a background worker of a backup is told about it.
 *
 * The worker is attached to the backup.  It opens the store by itself, and so
 * has to make sure that it reads the same timeline as the backup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUPTASK_H
#define BB_BACKUPTASK_H

#include "pagestore/snapshot.h"

typedef struct BbBackupTask
{
	BbReqCtx	parent; /* a copy: see bb_reqctx_attached_child_of */
	XLogRecPtr	lsn;
	uint64		identity;	  /* of the snapshot: bb_pagestore_identity */
	uint64		options_hash; /* of the store: BbStoreAccess */
	char		server[NAMEDATALEN];
	char		timeline[NAMEDATALEN];
	char		function[NAMEDATALEN]; /* that makes the backup */
} BbBackupTask;

#endif /* BB_BACKUPTASK_H */
