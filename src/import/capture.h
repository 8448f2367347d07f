/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The small files of a data directory that are kept as they are.
 *
 * These are configuration, certificates, all other files outside the server's
 * directories, and timeline history files; and directories without such files.
 * Lock files, logs, files of a backup, and the signal files that would turn a
 * clone into a standby are omitted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CAPTURE_H
#define BB_CAPTURE_H

#include "import/inventory.h"

/*
 * bb_capture_find - add them to inventory->files and ->directories, sorted by
 * path; their ordinals follow that order.
 *
 * The directory of the page store (NULL: it has none), tablespaces and WAL are
 * omitted, even if they are in the data directory.
 *
 * Warns of files that are too large to be configuration, or that a tar can't
 * contain.  A NOTICE reports the target of each symbolic link.
 *
 * REQUIRES: inventory->tablespaces is complete.
 */
extern void bb_capture_find(const BbReqCtx *ctx, const BbDataDir *dir,
							const char *store_directory,
							BbInventory *inventory);

#endif /* BB_CAPTURE_H */
