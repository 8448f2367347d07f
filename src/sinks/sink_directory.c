/*-------------------------------------------------------------------------
 *
 * sink_directory.c
 *	  Write members as the files of a new data directory.
 *
 *	  files, pg_control.new -> fsync of all -> pg_control
 *
 * The sink has a list of the names that it created, and the memory context
 * removes these, unless the backup is complete.  Files that somebody else puts
 * there stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "sinks/treesink.h"
#include "utils/memutils.h"

typedef struct DirectorySink
{
	BbTreeSink	base;	   /* its lists have what was created */
	BbPathList *links;	   /* symbolic links to mapped tablespaces */
	bool		published; /* pg_control has its name */
	bool		done;
} DirectorySink;

static void
remove_created(void *arg)
{
	DirectorySink *directory = arg;
	const BbTree *tree = directory->base.tree;
	const BbPathList *files = directory->base.files;
	const BbPathList *links = directory->links;
	const BbPathList *directories = directory->base.directories;

	if (directory->done)
		return;
	/* first the file without which no server starts */
	if (directory->published)
		bb_tree_try_remove(tree, XLOG_CONTROL_FILE, false);
	for (size_t i = files->count; i > 0; i--)
		bb_tree_try_remove(tree, files->paths[i - 1], false);
	for (size_t i = links->count; i > 0; i--)
		bb_tree_try_remove(tree, links->paths[i - 1], false);
	for (size_t i = directories->count; i > 0; i--)
		bb_tree_try_remove(tree, directories->paths[i - 1], true);
}

static void
create_directory(DirectorySink *directory, const BbMember *member)
{
	const BbTree *tree = directory->base.tree;
	BbPathList *directories = directory->base.directories;
	const char *target = bb_tree_mapped_directory(tree, member->path);

	if (target != NULL)
	{
		bb_pathlist_prepare(directory->links, member->path);
		bb_tree_make_link(tree, member->path, target);
		bb_pathlist_add(directory->links);
	}
	else
	{
		bb_pathlist_prepare(directories, member->path);
		bb_tree_make_directory(tree, member->path);
		bb_pathlist_add(directories);
	}
	bb_tree_set_mode(tree, member->path, member->mode);
}

static void
create_file(DirectorySink *directory, const BbMember *member)
{
	const BbTree *tree = directory->base.tree;
	BbPathList *files = directory->base.files;
	const char *path = bb_member_file_path(member);
	BbFd	   *fd;

	bb_pathlist_prepare(files, path);
	fd = bb_tree_create_file(tree, path);
	bb_pathlist_add(files);
	bb_tree_set_file_mode(tree, path, fd, member->mode);
	bb_treesink_begin_file(&directory->base, member, fd, 0);
}

static void
directory_begin_member(const BbReqCtx *ctx, BbSink *sink,
					   const BbMember *member)
{
	DirectorySink *directory = (DirectorySink *) sink;
	MemoryContext old = MemoryContextSwitchTo(directory->base.context);

	if (member->kind == BB_MEMBER_DIRECTORY)
		create_directory(directory, member);
	else
		create_file(directory, member);
	MemoryContextSwitchTo(old);
}

static void
directory_end(const BbReqCtx *ctx, BbSink *sink)
{
	DirectorySink *directory = (DirectorySink *) sink;
	BbTree	   *tree = directory->base.tree;
	MemoryContext old = MemoryContextSwitchTo(directory->base.context);

	/* the links become durable with their directory */
	bb_tree_sync(ctx, tree, directory->base.files,
				 directory->base.directories);
	directory->published = true;
	bb_tree_publish(tree);
	directory->done = true;
	bb_tree_commit(tree);
	MemoryContextSwitchTo(old);
	MemoryContextReset(directory->base.context);
}

static const BbSinkOps directory_ops = {
	.begin_member = directory_begin_member,
	.write = bb_treesink_write,
	.end_member = bb_treesink_end_member,
	.end = directory_end,
};

BbSink *
bb_sink_directory_new(BbTree *tree, mode_t mode)
{
	DirectorySink *directory = palloc0(sizeof(DirectorySink));

	bb_treesink_init(&directory->base, &directory_ops, tree);
	directory->links = bb_pathlist_new();
	bb_tree_set_mode(tree, "", mode);
	/* it runs before the tree's directories are closed and removed */
	bb_on_reset(CurrentMemoryContext, remove_created, directory);
	return &directory->base.base;
}
