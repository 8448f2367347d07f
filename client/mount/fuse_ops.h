/*-------------------------------------------------------------------------
 *
 * fuse_ops.h
 *	  What the kernel asks of a mount, by libfuse's low-level interface.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_FUSE_OPS_H
#define BB_MOUNT_FUSE_OPS_H

#include "tree.h"

typedef struct BbMountOptions
{
	const char *mountpoint;
	const char *name; /* as mount shows the source */
	bool		read_only;
	int			threads;
	void		(*ready) (void *arg); /* called when it is mounted */
	void	   *arg;
} BbMountOptions;

/*
 * bb_mount_serve - mount, and answer until it is unmounted or a signal comes.
 *
 * Returns false if it can't be mounted; libfuse has said why.
 */
extern bool bb_mount_serve(BbTree *tree, const BbMountOptions *options);

#endif /* BB_MOUNT_FUSE_OPS_H */
