/*-------------------------------------------------------------------------
 *
 * receivedtree.h
 *	  The files of a base backup that was received, as a tree.
 *
 * Their contents are in a temporary file, one after the other, as they arrived.
 * Memory has an entry for each file.  Files whose content went elsewhere have an
 * entry, too, but can't be opened.
 *
 *	  add, append*, add, append*, … ; finish ── then sourcetree.h
 *
 * If a path is added twice, the last one counts: a file that was removed and
 * made again while the server read the directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RECEIVEDTREE_H
#define BB_RECEIVEDTREE_H

#include "files/tempfile.h"
#include "import/sourcetree.h"

typedef struct BbReceivedTree BbReceivedTree;

/*
 * bb_receivedtree_new - create an empty tree in CurrentMemoryContext.
 *
 * "content" must live as long as the tree.
 */
extern BbReceivedTree *bb_receivedtree_new(const char *name,
										   BbTempFile *content);

/*
 * bb_receivedtree_add - add a file, directory or symbolic link; device and inode
 * are ignored.
 *
 * elsewhere: the content isn't appended here.
 */
extern void bb_receivedtree_add(BbReceivedTree *tree, const char *path,
								const BbSourceStat *st, const char *target,
								bool elsewhere);

/* bb_receivedtree_append - append content of the file that was added last. */
extern void bb_receivedtree_append(BbReceivedTree *tree, const void *data,
								   size_t length);

/* bb_receivedtree_finish - return the tree, now complete. */
extern const BbSourceTree *bb_receivedtree_finish(BbReceivedTree *tree);

#endif /* BB_RECEIVEDTREE_H */
