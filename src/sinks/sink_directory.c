/*-------------------------------------------------------------------------
 *
 * sink_directory.c
 *	  Members to files: a data directory that a server starts in.
 *
 *	  files, pg_control.new -> fsync of all -> pg_control
 *
 * What was made is remembered by name, and removed again with the memory
 * context unless all went well: that, and nothing else, so what somebody else
 * puts there meanwhile stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog_internal.h"
#include "files/outfile.h"
#include "files/tree.h"
#include "sinks/sink.h"
#include "utils/memutils.h"

typedef struct DirectorySink
{
	BbSink		base;
	MemoryContext context; /* of the open file */
	BbTree	   *tree;
	BbPathList *files; /* that were made */
	BbPathList *links; /* symbolic ones, to mapped tablespaces */
	BbPathList *directories;
	bool		published; /* pg_control has its name */
	bool		done;
	MemoryContextCallback callback;

	BbOutFile  *out;
	bool		open; /* in the midst of a file */
	BbRestored	result;
} DirectorySink;

static void
remove_made(void *arg)
{
	DirectorySink *directory = arg;
	const BbTree *tree = directory->tree;

	if (directory->done)
		return;
	/* what would let a server start goes first */
	if (directory->published)
		bb_tree_discard(tree, XLOG_CONTROL_FILE, false);
	for (size_t i = directory->files->count; i > 0; i--)
		bb_tree_discard(tree, directory->files->paths[i - 1], false);
	for (size_t i = directory->links->count; i > 0; i--)
		bb_tree_discard(tree, directory->links->paths[i - 1], false);
	for (size_t i = directory->directories->count; i > 0; i--)
		bb_tree_discard(tree, directory->directories->paths[i - 1], true);
}

static void
make_directory(DirectorySink *directory, const BbMember *member)
{
	const char *target = bb_tree_mapped(directory->tree, member->path);

	if (target != NULL)
	{
		bb_pathlist_prepare(directory->links, member->path);
		bb_tree_make_link(directory->tree, member->path, target);
		bb_pathlist_add(directory->links);
	}
	else
	{
		bb_pathlist_prepare(directory->directories, member->path);
		bb_tree_make_directory(directory->tree, member->path);
		bb_pathlist_add(directory->directories);
	}
	bb_tree_set_mode(directory->tree, member->path, member->mode);
}

static void
make_file(DirectorySink *directory, const BbMember *member)
{
	const char *path = bb_member_file_path(member);
	BbFd	   *fd;

	bb_pathlist_prepare(directory->files, path);
	fd = bb_tree_create(directory->tree, path);
	bb_pathlist_add(directory->files);
	bb_tree_set_file_mode(directory->tree, path, fd, member->mode);
	bb_outfile_begin(directory->out, fd, bb_tree_text(directory->tree, path),
					 0);
	directory->open = true;
	directory->result.files++;
	directory->result.bytes += member->size;
}

static void
directory_begin_member(const BbReqCtx *ctx, BbSink *sink,
					   const BbMember *member)
{
	DirectorySink *directory = (DirectorySink *) sink;
	MemoryContext old = MemoryContextSwitchTo(directory->context);

	if (member->kind == BB_MEMBER_DIRECTORY)
		make_directory(directory, member);
	else
		make_file(directory, member);
	MemoryContextSwitchTo(old);
}

static void
directory_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
				size_t length)
{
	bb_outfile_write(ctx, ((DirectorySink *) sink)->out, data, length);
	BB_COUNT(ctx, bytes_out, length);
}

static void
directory_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	DirectorySink *directory = (DirectorySink *) sink;

	if (directory->open)
	{
		bb_outfile_end(ctx, directory->out);
		bb_outfile_close(directory->out);
		directory->open = false;
	}
	MemoryContextReset(directory->context);
}

static void
directory_end(const BbReqCtx *ctx, BbSink *sink)
{
	DirectorySink *directory = (DirectorySink *) sink;
	MemoryContext old = MemoryContextSwitchTo(directory->context);

	/* links are made durable with the directory that they are in */
	bb_tree_sync(ctx, directory->tree, directory->files,
				 directory->directories);
	directory->published = true;
	bb_tree_publish(directory->tree);
	directory->done = true;
	bb_tree_keep(directory->tree);
	directory->result.bytes_written = bb_outfile_written(directory->out);
	MemoryContextSwitchTo(old);
	MemoryContextReset(directory->context);
}

static const BbSinkOps directory_ops = {
	.begin_member = directory_begin_member,
	.write = directory_write,
	.end_member = directory_end_member,
	.end = directory_end,
};

BbSink *
bb_sink_directory_new(BbTree *tree, mode_t mode)
{
	DirectorySink *directory = palloc0(sizeof(DirectorySink));

	directory->base.ops = &directory_ops;
	directory->tree = tree;
	directory->files = bb_pathlist_new();
	directory->links = bb_pathlist_new();
	directory->directories = bb_pathlist_new();
	directory->out = bb_outfile_new();
	directory->context = AllocSetContextCreate(CurrentMemoryContext,
											   "bbackup file",
											   ALLOCSET_SMALL_SIZES);
	bb_tree_set_mode(tree, "", mode);
	/* runs before the tree's own directories are closed, and removed */
	directory->callback.func = remove_made;
	directory->callback.arg = directory;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &directory->callback);
	return &directory->base;
}

BbRestored
bb_sink_directory_result(const BbSink *sink)
{
	return ((const DirectorySink *) sink)->result;
}
