/*-------------------------------------------------------------------------
 *
 * tree_internal.h
 *	  What tree.c and tree_change.c share.  Callers hold the tree's lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_TREE_INTERNAL_H
#define BB_MOUNT_TREE_INTERNAL_H

#include "tree.h"

/* bb_tree_find - find or make the node of a name; it isn't looked up by that. */
extern int bb_tree_find(BbTree *tree, BbNode *parent, const char *name,
						BbNode **node);

/* bb_tree_needs_source - is a base file remote or partial?  -1: none is not. */
extern bool bb_tree_needs_source(const BbTree *tree, int64 file);
extern bool bb_tree_is_hidden(const BbTree *tree, const BbNode *parent,
							  const char *name);

/*
 * bb_tree_before_name - before a name is created: if a base file had it, make its
 * removal durable, so that the new file is not taken for the old one.
 */
extern int bb_tree_before_name(BbTree *tree, const char *path);

/* bb_tree_remember_link - remember a node that has several names. */
extern void bb_tree_remember_link(BbTree *tree, BbNode *node,
								  const struct stat *status);

#endif /* BB_MOUNT_TREE_INTERNAL_H */
