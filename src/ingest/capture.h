/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The small files of a data directory that are kept as they are.
 *
 * Configuration, certificates, whatever else lies beside the directories that
 * the server knows, and timeline history.  Left out: lock files, logs, files
 * of a backup, and the signal files that would turn a clone into a standby.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CAPTURE_H
#define BB_CAPTURE_H

#include "ingest/inventory.h"

/*
 * bb_capture_find - list them in inventory->files, in the order of their
 * paths, which gives them their ordinals.
 *
 * Warns of what is too large to be configuration, or can't be put into a tar.
 */
extern void bb_capture_find(const BbReqCtx *ctx, const BbDataDir *dir,
							BbInventory *inventory);

#endif /* BB_CAPTURE_H */
