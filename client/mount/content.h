/*-------------------------------------------------------------------------
 *
 * content.h
 *	  The contents of files of a mount: reading, writing, sizes, syncing.
 *
 * All functions may be called by several threads at once, with no lock held and
 * with a node that can't vanish: it was looked up.  They return 0, or a length, or
 * -errno.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_CONTENT_H
#define BB_MOUNT_CONTENT_H

#include "node.h"

/*
 * bb_content_read - read up to "size" bytes, fewer at the end of the file.
 *
 * If there is no room in the overlay, what is read from the source isn't stored.
 */
extern ssize_t bb_content_read(BbTree *tree, BbNode *node, char *data,
							   size_t size, off_t offset);

extern ssize_t bb_content_write(BbTree *tree, BbNode *node, const char *data,
								size_t size, off_t offset);
extern int bb_content_truncate(BbTree *tree, BbNode *node, off_t size);

/* bb_content_allocate - fallocate(); no modes but keeping the size and holes. */
extern int bb_content_allocate(BbTree *tree, BbNode *node, int mode,
							   off_t offset, off_t length);

/* bb_content_sync - make what was written durable. */
extern int bb_content_sync(BbTree *tree, BbNode *node, bool data_only);

/*
 * bb_content_make_whole - make all of a file local; with "durable", the map says
 * so durably.
 */
extern int bb_content_make_whole(BbTree *tree, BbNode *node, bool durable,
								 bool background);

/* bb_content_stat - attributes, with the node's number. */
extern int bb_content_stat(BbTree *tree, BbNode *node, struct stat *status);

/*
 * bb_content_open - make sure that the overlay's file is open.
 *
 * With "create", creates that of a base file, too.  -ENOENT: it has no name.
 */
extern int bb_content_open(BbTree *tree, BbNode *node, bool create);

/* The same, for callers that hold the tree's lock. */
extern int bb_content_open_locked(BbTree *tree, BbNode *node, bool create);

#endif /* BB_MOUNT_CONTENT_H */
