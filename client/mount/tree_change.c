/*-------------------------------------------------------------------------
 *
 * tree_change.c
 *	  Names of files of a mount: removing, renaming, linking, attributes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <unistd.h>

#include "content.h"
#include "tree_internal.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

/* ---- removing ---- */

/* The name of a file goes; its bytes stay as long as it is open. */
static int
remove_name(BbTree *tree, BbNode *parent, const char *text)
{
	BbNode	   *node;
	BbMap	   *map = tree->overlay->map;
	char		path[BB_PATH_SIZE];
	bool		remote;
	int			error = bb_tree_find(tree, parent, text, &node);

	if (error != 0)
		return error;
	if (node->type == S_IFDIR)
		return -EISDIR;
	/* an open file has no path later */
	if (node->opens > 0 &&
		(error = bb_content_open_locked(tree, node, true)) != 0)
		return error;
	if ((error = bb_name_child_path(tree, parent, text, path)) != 0)
		return error;
	remote = node->base >= 0 &&
		bb_map_record(map, node->base).state == BB_FILE_REMOTE;
	if (!remote && unlinkat(tree->overlay->root, path, 0) < 0)
		return -errno;
	pthread_mutex_lock(&node->lock);
	if (node->blocks != NULL)
		node->blocks->orphan = true;
	/* a whole file with a second name was made durable when it got it */
	if (node->base >= 0 && node->names->node_next == NULL)
	{
		node->undurable = false;
		if (bb_map_record(map, node->base).state != BB_FILE_GONE)
			error = bb_tree_gone(tree, node->base);
	}
	pthread_mutex_unlock(&node->lock);
	bb_name_remove(tree, bb_name_find(tree, parent, text));
	bb_node_release(tree, node);
	return error;
}

int
bb_tree_unlink(BbTree *tree, BbNode *parent, const char *name)
{
	int			error;

	pthread_rwlock_wrlock(&tree->lock);
	error = remove_name(tree, parent, name);
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

/* Are there base files in a directory that the overlay doesn't have? */
static bool
has_remote_files(const BbTree *tree, const char *path)
{
	uint32		end;

	for (uint32 i = bb_list_directory(&tree->overlay->list, path, &end);
		 i < end; i++)
		if (bb_map_record(tree->overlay->map, i).state == BB_FILE_REMOTE)
			return true;
	return false;
}

int
bb_tree_rmdir(BbTree *tree, BbNode *parent, const char *text)
{
	char		path[BB_PATH_SIZE];
	BbNode	   *node;
	int			error;

	pthread_rwlock_wrlock(&tree->lock);
	error = bb_tree_find(tree, parent, text, &node);
	if (error == 0)
		error = bb_name_child_path(tree, parent, text, path);
	if (error == 0 && node->type == S_IFDIR && has_remote_files(tree, path))
		error = -ENOTEMPTY;
	if (error == 0 && unlinkat(tree->overlay->root, path, AT_REMOVEDIR) < 0)
		error = -errno;
	if (error == 0)
	{
		bb_name_remove(tree, bb_name_find(tree, parent, text));
		bb_node_release(tree, node);
	}
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

/* ---- renaming and linking ---- */

/* Must a file be made whole, durably, before its names change? */
static bool
must_be_whole(const BbNode *node)
{
	return node != NULL && node->type == S_IFREG &&
		(atomic_load(&node->partial) || node->undurable);
}

/* Unlock the tree, make a node whole, and lock the tree again. */
static int
make_whole(BbTree *tree, BbNode *node)
{
	int			error;

	node->lookups++;
	pthread_rwlock_unlock(&tree->lock);
	error = bb_tree_open(tree, node, 0);
	if (error == 0)
	{
		error = bb_content_make_whole(tree, node, true, false);
		bb_tree_release(tree, node);
	}
	pthread_rwlock_wrlock(&tree->lock);
	node->lookups--;
	bb_node_release(tree, node);
	return error;
}

/* Can a directory with this path be renamed? */
static int
check_directory(const BbTree *tree, const char *path)
{
	const BbFileList *list = &tree->overlay->list;
	size_t		length = strlen(path);

	if (!tree->overlay->whole && strcmp(path, "global") == 0)
		return -EXDEV;
	for (uint32 i = 0; i < list->count; i++)
	{
		if (strncmp(list->files[i].path, path, length) == 0 &&
			list->files[i].path[length] == '/' &&
			(bb_tree_needs_source(tree, i) ||
			 bb_map_durable_record(tree->overlay->map, i).state <
				 BB_FILE_LOCAL))
			return -EXDEV;
	}
	return 0;
}

/* What a rename is about. */
typedef struct Rename
{
	BbNode	   *parent;
	const char *name;
	BbNode	   *new_parent;
	const char *new_name;
	unsigned	flags;
	BbNode	   *node;
	BbNode	   *old; /* that is replaced, or NULL */
} Rename;

/* Find both nodes, and make them whole. */
static int
find_renamed(BbTree *tree, Rename *rename)
{
	for (;;)
	{
		int			error = bb_tree_find(tree, rename->parent, rename->name,
										 &rename->node);

		if (error != 0)
			return error;
		rename->old = NULL;
		error = bb_tree_find(tree, rename->new_parent, rename->new_name,
							 &rename->old);
		if (error != 0 && error != -ENOENT)
			return error;
		if (bb_tree_is_hidden(tree, rename->new_parent, rename->new_name))
			return -EPERM;
		if (rename->old != NULL && (rename->flags & RENAME_NOREPLACE) != 0)
			return -EEXIST;
		if (must_be_whole(rename->node))
			error = make_whole(tree, rename->node);
		else if (must_be_whole(rename->old) && rename->old != rename->node)
			error = make_whole(tree, rename->old);
		else
			return 0;
		if (error != 0)
			return error;
	}
}

static int
do_rename(BbTree *tree, Rename *rename)
{
	char		from[BB_PATH_SIZE];
	char		to[BB_PATH_SIZE];
	BbNode	   *old;
	int			error = find_renamed(tree, rename);

	if (error != 0)
		return error;
	old = rename->old;
	if (old == rename->node)
		return 0; /* two names of one file: nothing happens */
	if ((error = bb_name_child_path(tree, rename->parent, rename->name,
									from)) != 0 ||
		(error = bb_name_child_path(tree, rename->new_parent, rename->new_name,
									to)) != 0)
		return error;
	if (rename->node->type == S_IFDIR &&
		(error = check_directory(tree, from)) != 0)
		return error;
	if (old != NULL && old->type == S_IFDIR && has_remote_files(tree, to))
		return -ENOTEMPTY;
	if (old != NULL && old->opens > 0 && old->type == S_IFREG &&
		(error = bb_content_open_locked(tree, old, false)) != 0)
		return error;
	if ((error = bb_tree_before_name(tree, to)) != 0)
		return error;
	if (renameat(tree->overlay->root, from, tree->overlay->root, to) < 0)
		return -errno;
	if (old != NULL)
	{
		bb_name_remove(tree,
					   bb_name_find(tree, rename->new_parent,
									rename->new_name));
		bb_node_release(tree, old);
	}
	/* the new name first: it keeps the node and its parents */
	bb_name_add(tree, rename->new_parent, rename->new_name, rename->node);
	bb_name_remove(tree, bb_name_find(tree, rename->parent, rename->name));
	bb_node_release(tree, rename->parent);
	return 0;
}

int
bb_tree_rename(BbTree *tree, BbNode *parent, const char *name,
			   BbNode *new_parent, const char *new_name, unsigned flags)
{
	Rename		rename = {.parent = parent,
						  .name = name,
						  .new_parent = new_parent,
						  .new_name = new_name,
						  .flags = flags};
	int			error;

	if ((flags & ~RENAME_NOREPLACE) != 0)
		return -EINVAL;
	pthread_rwlock_wrlock(&tree->lock);
	error = do_rename(tree, &rename);
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

int
bb_tree_link(BbTree *tree, BbNode *node, BbNode *parent, const char *name)
{
	char		from[BB_PATH_SIZE];
	char		to[BB_PATH_SIZE];
	BbNode	   *old;
	struct stat status;
	int			error = 0;

	pthread_rwlock_wrlock(&tree->lock);
	while (error == 0 && must_be_whole(node))
		error = make_whole(tree, node);
	if (error == 0)
	{
		error = bb_tree_find(tree, parent, name, &old);
		if (error == 0)
			error = -EEXIST;
		else if (error == -ENOENT)
			error = bb_tree_is_hidden(tree, parent, name) ? -EPERM : 0;
	}
	if (error == 0 && (error = bb_name_path(tree, node, from)) == 0 &&
		(error = bb_name_child_path(tree, parent, name, to)) == 0 &&
		(error = bb_tree_before_name(tree, to)) == 0 &&
		(linkat(tree->overlay->root, from, tree->overlay->root, to, 0) < 0 ||
		 fstatat(tree->overlay->root, to, &status, AT_SYMLINK_NOFOLLOW) < 0))
		error = -errno;
	if (error == 0)
	{
		bb_name_add(tree, parent, name, node);
		bb_tree_remember_link(tree, node, &status);
		node->lookups++;
	}
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

/* ---- attributes ---- */

typedef struct Attributes
{
	bool		has_mode;
	mode_t		mode;
	bool		has_owner;
	uid_t		uid;
	gid_t		gid;
	const struct timespec *times;
} Attributes;

static int
set_of_descriptor(int fd, const Attributes *attributes)
{
	if (attributes->has_mode && fchmod(fd, attributes->mode & 07777) < 0)
		return -errno;
	if (attributes->has_owner &&
		fchown(fd, attributes->uid, attributes->gid) < 0)
		return -errno;
	if (attributes->times != NULL && futimens(fd, attributes->times) < 0)
		return -errno;
	return 0;
}

static int
set_of_path(int root, const char *path, const Attributes *attributes)
{
	if (attributes->has_mode &&
		fchmodat(root, path, attributes->mode & 07777, 0) < 0)
		return -errno;
	if (attributes->has_owner &&
		fchownat(root, path, attributes->uid, attributes->gid,
				 AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (attributes->times != NULL &&
		utimensat(root, path, attributes->times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int
set_attributes(BbTree *tree, BbNode *node, const Attributes *attributes)
{
	char		path[BB_PATH_SIZE];
	int			error;

	if (node->type == S_IFREG)
	{
		error = bb_tree_open(tree, node, 0);
		if (error != 0)
			return error;
		error = bb_content_open(tree, node, true);
		if (error == 0)
			error = set_of_descriptor(node->fd, attributes);
		bb_tree_release(tree, node);
		return error;
	}
	pthread_rwlock_rdlock(&tree->lock);
	error = bb_name_path(tree, node, path);
	if (error == 0)
		error = set_of_path(tree->overlay->root, path[0] != '\0' ? path : ".",
							attributes);
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

int
bb_tree_chmod(BbTree *tree, BbNode *node, mode_t mode)
{
	return set_attributes(tree, node,
						  &(Attributes){.has_mode = true, .mode = mode});
}

int
bb_tree_chown(BbTree *tree, BbNode *node, uid_t uid, gid_t gid)
{
	return set_attributes(tree, node,
						  &(Attributes){.has_owner = true,
										.uid = uid,
										.gid = gid});
}

int
bb_tree_utimes(BbTree *tree, BbNode *node, const struct timespec times[2])
{
	return set_attributes(tree, node, &(Attributes){.times = times});
}

int
bb_tree_sync_directory(BbTree *tree, BbNode *node)
{
	char		path[BB_PATH_SIZE];
	int			error;

	pthread_rwlock_wrlock(&tree->lock);
	error = bb_name_path(tree, node, path);
	if (error == 0)
		error = bb_tree_settle(tree, path);
	pthread_rwlock_unlock(&tree->lock);
	return error;
}
