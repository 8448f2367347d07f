/*-------------------------------------------------------------------------
 *
 * backupend.h
 *	  Where the WAL ends that a base backup needs, as its backup_manifest says.
 *
 * This is for messages.  Import reads WAL until it is consistent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUPEND_H
#define BB_BACKUPEND_H

#include "access/xlogdefs.h"
#include "import/sourcetree.h"

/* bb_backupend_read - return that LSN; Invalid: it is unknown. */
extern XLogRecPtr bb_backupend_read(const BbReqCtx *ctx,
									const BbSourceTree *tree);

#endif /* BB_BACKUPEND_H */
