/*-------------------------------------------------------------------------
 *
 * mounts.h
 *	  The mounts of this machine: listing them, and waiting until one is whole.
 *
 * A mount keeps its process ID in its overlay, as bb_mount/pid, as long as it runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_MOUNTS_H
#define BB_MOUNT_MOUNTS_H

#include "overlay.h"

/* bb_mounts_begin, bb_mounts_end - keep the process ID, and remove it. */
extern void bb_mounts_begin(const BbOverlay *overlay, const char *mountpoint);
extern void bb_mounts_end(const BbOverlay *overlay);

/* bb_mounts_list - print the mounts.  Returns the exit code. */
extern int bb_mounts_list(bool json);

/*
 * bb_mounts_finish - let a mount fetch the rest, and wait until it has.
 *
 * Returns the exit code: 1 if it isn't mounted, or ends before.
 */
extern int bb_mounts_finish(const char *mountpoint, const char *overlay);

#endif /* BB_MOUNT_MOUNTS_H */
