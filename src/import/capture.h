/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The small files of a data directory that are kept as they are.
 *
 * Configuration, certificates, whatever else lies beside the directories that
 * the server knows, and timeline history; and directories without such files.
 * Left out: lock files, logs, files of a backup, and the signal files that
 * would turn a clone into a standby.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CAPTURE_H
#define BB_CAPTURE_H

#include "import/inventory.h"

/*
 * bb_capture_find - list them in inventory->files and ->directories, in the
 * order of their paths, which gives them their ordinals.
 *
 * The page store's own directory (NULL: it has none) is left out, and so are
 * tablespaces and WAL, should they lie in the data directory.
 *
 * Warns of what is too large to be configuration, or can't be put into a tar;
 * a NOTICE tells where symbolic links lead to.
 *
 * REQUIRES: the inventory's tablespaces.
 */
extern void bb_capture_find(const BbReqCtx *ctx, const BbDataDir *dir,
							const char *store_directory,
							BbInventory *inventory);

#endif /* BB_CAPTURE_H */
