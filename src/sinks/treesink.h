/*-------------------------------------------------------------------------
 *
 * treesink.h
 *	  What the two sinks that write members to a tree of files have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TREESINK_H
#define BB_TREESINK_H

#include "files/outfile.h"
#include "files/tree.h"
#include "sinks/destinations.h"

typedef struct BbTreeSink
{
	BbSink		base;
	MemoryContext context; /* reset after each member */
	BbTree	   *tree;
	BbPathList *files; /* the paths that members of a kind had */
	BbPathList *directories;
	BbOutFile  *out;
	bool		open; /* within a file */
	BbRestored	result;
} BbTreeSink;

/* bb_treesink_init - initialize a zeroed sink, in CurrentMemoryContext. */
extern void bb_treesink_init(BbTreeSink *sink, const BbSinkOps *ops,
							 BbTree *tree);

/*
 * bb_treesink_begin_file - begin to write a member to the file at fd, which has
 * old_size bytes to compare with (see outfile.h).
 */
extern void bb_treesink_begin_file(BbTreeSink *sink, const BbMember *member,
								   BbFd *fd, uint64 old_size);

/* Operations "write" and "end_member". */
extern void bb_treesink_write(const BbReqCtx *ctx, BbSink *sink,
							  const void *data, size_t length);
extern void bb_treesink_end_member(const BbReqCtx *ctx, BbSink *sink);

#endif /* BB_TREESINK_H */
