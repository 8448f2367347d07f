/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  Names of files of a mount: looking up, creating, renaming, removing.
 *
 * Each node that is returned has been looked up once more; bb_tree_forget() ends
 * that.  Functions return 0 or -errno, as the system calls they are named after,
 * with these exceptions:
 *
 * - A directory that has base files which aren't whole can't be renamed: EXDEV, so
 *	 that programs copy it.
 * - A base file that is renamed, replaced by a rename, or gets a second name is made
 *	 whole first, so it may fail with EIO or ENOSPC.
 * - The directory of the state (bb_mount) and the hidden name of the control file
 *	 don't exist, and can't be created: EPERM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_TREE_H
#define BB_MOUNT_TREE_H

#include "node.h"

extern BbTree *bb_tree_new(BbOverlay *overlay);

/* bb_tree_free - free it; nobody uses it any more. */
extern void bb_tree_free(BbTree *tree);

extern int bb_tree_lookup(BbTree *tree, BbNode *parent, const char *name,
						  BbNode **node);
extern void bb_tree_forget(BbTree *tree, BbNode *node, uint64 lookups);

/* bb_tree_create - create a regular file, or open one, and count it as open. */
extern int bb_tree_create(BbTree *tree, BbNode *parent, const char *name,
						  mode_t mode, int flags, BbNode **node);
extern int bb_tree_open(BbTree *tree, BbNode *node, int flags);
extern void bb_tree_release(BbTree *tree, BbNode *node);

extern int bb_tree_mkdir(BbTree *tree, BbNode *parent, const char *name,
						 mode_t mode, BbNode **node);
extern int bb_tree_symlink(BbTree *tree, const char *target, BbNode *parent,
						   const char *name, BbNode **node);
extern int bb_tree_readlink(BbTree *tree, BbNode *node, char *target,
							size_t size);
extern int bb_tree_link(BbTree *tree, BbNode *node, BbNode *parent,
						const char *name);
extern int bb_tree_unlink(BbTree *tree, BbNode *parent, const char *name);
extern int bb_tree_rmdir(BbTree *tree, BbNode *parent, const char *name);

/* bb_tree_rename - rename; flags: RENAME_NOREPLACE or none. */
extern int bb_tree_rename(BbTree *tree, BbNode *parent, const char *name,
						  BbNode *new_parent, const char *new_name,
						  unsigned flags);
extern int bb_tree_chmod(BbTree *tree, BbNode *node, mode_t mode);
extern int bb_tree_chown(BbTree *tree, BbNode *node, uid_t uid, gid_t gid);
extern int bb_tree_utimes(BbTree *tree, BbNode *node,
						  const struct timespec times[2]);

/* bb_tree_sync_directory - make the names in a directory durable. */
extern int bb_tree_sync_directory(BbTree *tree, BbNode *node);

/*
 * bb_tree_list - the names in a directory, without "." and "..".
 *
 * Returns an array that bb_tree_list_free() frees.
 */
typedef struct BbTreeEntry
{
	char	   *name;
	mode_t		type;
} BbTreeEntry;

extern int bb_tree_list(BbTree *tree, BbNode *node, BbTreeEntry **entries,
						uint32 *count);
extern void bb_tree_list_free(BbTreeEntry *entries, uint32 count);

/* ---- for the files of the tree (names.c) ---- */

/* bb_name_path - the overlay's path of a node's first name.  Tree locked. */
extern int bb_name_path(const BbTree *tree, const BbNode *node, char *path);

/* bb_name_child_path - that of a name in a directory. */
extern int bb_name_child_path(const BbTree *tree, const BbNode *parent,
							  const char *name, char *path);
extern BbName *bb_name_find(const BbTree *tree, const BbNode *parent,
							const char *name);
extern void bb_name_add(BbTree *tree, BbNode *parent, const char *name,
						BbNode *node);

/* bb_name_remove - remove a name; the node stays. */
extern void bb_name_remove(BbTree *tree, BbName *name);

extern BbNode *bb_node_new(BbTree *tree, mode_t type);

/* bb_node_release - free a node unless it is in use, and its parents. */
extern void bb_node_release(BbTree *tree, BbNode *node);

/* bb_tree_gone - a base file was removed. */
extern int bb_tree_gone(BbTree *tree, uint32 file);

/* bb_tree_settle - make the removals of base files in a directory durable. */
extern int bb_tree_settle(BbTree *tree, const char *directory);

#endif /* BB_MOUNT_TREE_H */
