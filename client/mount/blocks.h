/*-------------------------------------------------------------------------
 *
 * blocks.h
 *	  The blocks of a base file: which are local, and how others become local.
 *
 * Callers hold the node's lock unless the contrary is said.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_BLOCKS_H
#define BB_MOUNT_BLOCKS_H

#include "node.h"

/* At most so many blocks are read from the source at once. */
#define BB_BLOCKS_AT_ONCE 1024

/*
 * bb_blocks_load - load what the map says of a file.
 *
 * -ENOENT: the overlay's file has vanished, so it was removed.
 */
extern int bb_blocks_load(BbTree *tree, BbNode *node);

/* bb_blocks_create_file - open the overlay's file; create it if it is remote. */
extern int bb_blocks_create_file(BbTree *tree, BbNode *node, const char *path);

extern bool bb_blocks_have(const BbBlocks *blocks, uint32 block);

/* bb_blocks_add - a range was written: say so, in the map as well. */
extern int bb_blocks_add(BbTree *tree, BbNode *node, uint32 first, uint32 end);

/* bb_blocks_cut - the file was truncated: blocks from "limit" on are local. */
extern int bb_blocks_cut(BbTree *tree, BbNode *node, uint32 limit);

/*
 * bb_blocks_fetch - make a range local, and up to "extra" blocks after it.
 *
 * The descriptor is open.  The lock is not held.  Returns 0 or -errno: -ENOSPC if
 * there is no room in the overlay, -EIO if the source can't be read.
 */
extern int bb_blocks_fetch(BbTree *tree, BbNode *node, uint32 first,
						   uint32 end, uint32 extra, bool background);

/* bb_blocks_fetch_all - make a file whole, under the same conditions. */
extern int bb_blocks_fetch_all(BbTree *tree, BbNode *node, bool background);

/* bb_blocks_forget - free what is in memory. */
extern void bb_blocks_forget(BbNode *node);

#endif /* BB_MOUNT_BLOCKS_H */
