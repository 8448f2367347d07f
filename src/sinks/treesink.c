/*-------------------------------------------------------------------------
 *
 * treesink.c
 *	  What the two sinks that write members to a tree of files have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/treesink.h"
#include "utils/memutils.h"

void
bb_treesink_init(BbTreeSink *sink, const BbSinkOps *ops, BbTree *tree)
{
	sink->base.ops = ops;
	sink->tree = tree;
	sink->files = bb_pathlist_new();
	sink->directories = bb_pathlist_new();
	sink->out = bb_outfile_new();
	sink->context = AllocSetContextCreate(CurrentMemoryContext, "bbackup file",
										  ALLOCSET_SMALL_SIZES);
}

void
bb_treesink_begin_file(BbTreeSink *sink, const BbMember *member, BbFd *fd,
					   uint64 old_size)
{
	bb_outfile_begin(sink->out, fd,
					 bb_tree_full_path(sink->tree,
									   bb_member_file_path(member)),
					 old_size);
	sink->open = true;
	sink->result.files++;
	sink->result.bytes += member->size;
}

void
bb_treesink_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
				  size_t length)
{
	bb_outfile_write(ctx, ((BbTreeSink *) sink)->out, data, length);
	BB_COUNT(ctx, bytes_out, length);
}

void
bb_treesink_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	BbTreeSink *tree_sink = (BbTreeSink *) sink;

	if (tree_sink->open)
	{
		bb_outfile_end(ctx, tree_sink->out);
		bb_outfile_close(tree_sink->out);
		tree_sink->open = false;
	}
	MemoryContextReset(tree_sink->context);
}

BbRestored
bb_sink_tree_result(const BbSink *sink)
{
	const BbTreeSink *tree_sink = (const BbTreeSink *) sink;
	BbRestored	result = tree_sink->result;

	result.bytes_written = bb_outfile_written(tree_sink->out);
	return result;
}
