/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  Names of files of a mount: looking up, creating, opening, listing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "blocks.h"
#include "content.h"
#include "tree.h"
#include "tree_internal.h"

/* ---- base files ---- */

bool
bb_tree_needs_source(const BbTree *tree, int64 file)
{
	BbFileState state;

	if (file < 0)
		return false;
	state = bb_map_record(tree->overlay->map, file).state;
	return state == BB_FILE_REMOTE || state == BB_FILE_PARTIAL;
}

static bool
is_undurable(const BbTree *tree, int64 file)
{
	return file >= 0 &&
		bb_map_durable_record(tree->overlay->map, file).state < BB_FILE_LOCAL;
}

int
bb_tree_gone(BbTree *tree, uint32 file)
{
	BbMap	   *map = tree->overlay->map;

	if (is_undurable(tree, file))
	{
		if (tree->gone_count == tree->gone_room)
		{
			tree->gone_room = Max(64, 2 * tree->gone_room);
			tree->gone = pg_realloc(tree->gone,
									tree->gone_room * sizeof(uint32));
		}
		tree->gone[tree->gone_count++] = file;
	}
	return bb_map_write_record(map, file, false,
							   (BbMapRecord){BB_FILE_GONE, 0});
}

static bool
is_in_directory(const BbTree *tree, uint32 file, const char *directory)
{
	const char *path = tree->overlay->list.files[file].path;
	const char *slash = strrchr(path, '/');
	size_t		length = slash ? (size_t) (slash - path) : 0;

	return strlen(directory) == length && memcmp(path, directory, length) == 0;
}

int
bb_tree_settle(BbTree *tree, const char *directory)
{
	BbMap	   *map = tree->overlay->map;
	uint32		kept = 0;
	uint32		settled = 0;
	int			error = bb_overlay_sync_directory(tree->overlay, directory);

	for (uint32 i = 0; i < tree->gone_count; i++)
	{
		uint32		file = tree->gone[i];

		if (error != 0 || !is_in_directory(tree, file, directory))
		{
			tree->gone[kept++] = file;
			continue;
		}
		settled++;
		error = bb_map_write_record(map, file, true,
									(BbMapRecord){BB_FILE_GONE, 0});
	}
	tree->gone_count = kept;
	return error == 0 && settled > 0 ? bb_map_sync(map) : error;
}

int
bb_tree_before_name(BbTree *tree, const char *path)
{
	int64		file = bb_list_find(&tree->overlay->list, path);
	char		directory[BB_PATH_SIZE];
	char	   *slash;

	if (!is_undurable(tree, file) || bb_tree_needs_source(tree, file))
		return 0;
	strlcpy(directory, path, sizeof(directory));
	slash = strrchr(directory, '/');
	*(slash != NULL ? slash : directory) = '\0';
	return bb_tree_settle(tree, directory);
}

/* ---- looking up ---- */

bool
bb_tree_is_hidden(const BbTree *tree, const BbNode *parent, const char *name)
{
	char		path[BB_PATH_SIZE];

	if (parent == &tree->root)
		return strcmp(name, BB_STATE_DIRECTORY) == 0;
	return strcmp(name, "pg_control.mounted") == 0 &&
		bb_name_child_path(tree, parent, name, path) == 0 &&
		strcmp(path, BB_CONTROL_HIDDEN) == 0;
}

void
bb_tree_remember_link(BbTree *tree, BbNode *node, const struct stat *status)
{
	if (node->linked)
		return;
	node->device = status->st_dev;
	node->inode = status->st_ino;
	node->linked = true;
	node->link_next = tree->links;
	tree->links = node;
}

/* The node of a file of the overlay. */
static BbNode *
local_node(BbTree *tree, const struct stat *status, int64 file)
{
	BbNode	   *node;

	if (S_ISREG(status->st_mode) && status->st_nlink > 1)
	{
		for (node = tree->links; node != NULL; node = node->link_next)
			if (node->inode == status->st_ino &&
				node->device == status->st_dev && node->names != NULL)
				return node;
	}
	node = bb_node_new(tree, status->st_mode);
	if (S_ISREG(status->st_mode) && status->st_nlink > 1)
		bb_tree_remember_link(tree, node, status);
	node->base = file;
	node->undurable = file >= 0 &&
		bb_map_record(tree->overlay->map, file).state == BB_FILE_LOCAL &&
		is_undurable(tree, file);
	atomic_store(&node->settle_first,
				 node->undurable && status->st_size % BLCKSZ != 0);
	return node;
}

int
bb_tree_find(BbTree *tree, BbNode *parent, const char *text, BbNode **node)
{
	BbName	   *name = bb_name_find(tree, parent, text);
	char		path[BB_PATH_SIZE];
	int64		file;
	struct stat status;
	int			error;

	if (name != NULL)
	{
		*node = name->node;
		return 0;
	}
	if (bb_tree_is_hidden(tree, parent, text))
		return -ENOENT;
	error = bb_name_child_path(tree, parent, text, path);
	if (error != 0)
		return error;
	file = bb_list_find(&tree->overlay->list, path);
	if (file < 0 ||
		bb_map_record(tree->overlay->map, file).state != BB_FILE_REMOTE)
	{
		if (fstatat(tree->overlay->root, path, &status, AT_SYMLINK_NOFOLLOW) <
			0)
		{
			error = -errno;
			/* its removal was interrupted */
			if (error == -ENOENT && bb_tree_needs_source(tree, file))
				(void) bb_tree_gone(tree, file);
			return error;
		}
	}
	if (bb_tree_needs_source(tree, file))
	{
		*node = bb_node_new(tree, S_IFREG);
		(*node)->base = file;
		atomic_store(&(*node)->partial, true);
	}
	else
		*node = local_node(tree, &status, file);
	bb_name_add(tree, parent, text, *node);
	return 0;
}

int
bb_tree_lookup(BbTree *tree, BbNode *parent, const char *name, BbNode **node)
{
	int			error;

	pthread_rwlock_wrlock(&tree->lock);
	error = bb_tree_find(tree, parent, name, node);
	if (error == 0)
		(*node)->lookups++;
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

void
bb_tree_forget(BbTree *tree, BbNode *node, uint64 lookups)
{
	pthread_rwlock_wrlock(&tree->lock);
	node->lookups -= Min(lookups, node->lookups);
	bb_node_release(tree, node);
	pthread_rwlock_unlock(&tree->lock);
}

/* ---- opening ---- */

int
bb_tree_open(BbTree *tree, BbNode *node, int flags)
{
	int			error = 0;

	pthread_rwlock_rdlock(&tree->lock);
	pthread_mutex_lock(&node->lock);
	node->opens++;
	pthread_mutex_unlock(&node->lock);
	error = bb_content_open_locked(tree, node, false);
	pthread_rwlock_unlock(&tree->lock);
	if (error == 0 && (flags & O_TRUNC) != 0)
		error = bb_content_truncate(tree, node, 0);
	if (error != 0)
		bb_tree_release(tree, node);
	return error;
}

void
bb_tree_release(BbTree *tree, BbNode *node)
{
	pthread_rwlock_wrlock(&tree->lock);
	pthread_mutex_lock(&node->lock);
	if (--node->opens == 0)
	{
		if (atomic_load(&node->fd) >= 0)
			close(node->fd);
		atomic_store(&node->fd, -1);
		/* the map has all that is needed, except of files without a name */
		bb_blocks_forget(node);
	}
	pthread_mutex_unlock(&node->lock);
	bb_node_release(tree, node);
	pthread_rwlock_unlock(&tree->lock);
}

/* ---- creating ---- */

/* Check a new name and compose its path. */
static int
new_path(BbTree *tree, BbNode *parent, const char *name, char *path)
{
	int			error;

	if (bb_tree_is_hidden(tree, parent, name))
		return -EPERM;
	error = bb_name_child_path(tree, parent, name, path);
	return error != 0 ? error : bb_tree_before_name(tree, path);
}

static int
create_file(BbTree *tree, BbNode *parent, const char *name, mode_t mode,
			BbNode **node)
{
	char		path[BB_PATH_SIZE];
	int			error = new_path(tree, parent, name, path);
	int			fd;

	if (error != 0)
		return error;
	fd = openat(tree->overlay->root, path,
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	*node = bb_node_new(tree, S_IFREG);
	atomic_store(&(*node)->fd, fd);
	bb_name_add(tree, parent, name, *node);
	return 0;
}

int
bb_tree_create(BbTree *tree, BbNode *parent, const char *name, mode_t mode,
			   int flags, BbNode **node)
{
	int			error;
	bool		existed;

	pthread_rwlock_wrlock(&tree->lock);
	error = bb_tree_find(tree, parent, name, node);
	existed = error == 0;
	if (existed && (flags & O_EXCL) != 0)
		error = -EEXIST;
	else if (error == -ENOENT)
		error = create_file(tree, parent, name, mode, node);
	if (error == 0)
	{
		(*node)->lookups++;
		pthread_mutex_lock(&(*node)->lock);
		(*node)->opens++;
		pthread_mutex_unlock(&(*node)->lock);
		if (existed)
			error = bb_content_open_locked(tree, *node, false);
	}
	else
		*node = NULL;
	pthread_rwlock_unlock(&tree->lock);
	if (error == 0 && existed && (flags & O_TRUNC) != 0)
		error = bb_content_truncate(tree, *node, 0);
	if (error != 0 && *node != NULL)
	{
		bb_tree_release(tree, *node);
		bb_tree_forget(tree, *node, 1);
	}
	return error;
}

/* Make a directory, or a symbolic link if there is a target. */
static int
make_other(BbTree *tree, BbNode *parent, const char *name, mode_t mode,
		   const char *target, BbNode **node)
{
	int			root = tree->overlay->root;
	char		path[BB_PATH_SIZE];
	int			error;

	pthread_rwlock_wrlock(&tree->lock);
	error = bb_tree_find(tree, parent, name, node);
	if (error == 0)
		error = -EEXIST;
	else if (error == -ENOENT)
		error = new_path(tree, parent, name, path);
	if (error == 0 &&
		(target != NULL ? symlinkat(target, root, path)
						: mkdirat(root, path, mode)) < 0)
		error = -errno;
	if (error == 0)
	{
		*node = bb_node_new(tree, target != NULL ? S_IFLNK : S_IFDIR);
		bb_name_add(tree, parent, name, *node);
		(*node)->lookups++;
	}
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

int
bb_tree_mkdir(BbTree *tree, BbNode *parent, const char *name, mode_t mode,
			  BbNode **node)
{
	return make_other(tree, parent, name, mode, NULL, node);
}

int
bb_tree_symlink(BbTree *tree, const char *target, BbNode *parent,
				const char *name, BbNode **node)
{
	return make_other(tree, parent, name, 0, target, node);
}

int
bb_tree_readlink(BbTree *tree, BbNode *node, char *target, size_t size)
{
	char		path[BB_PATH_SIZE];
	ssize_t		length = 0;
	int			error;

	pthread_rwlock_rdlock(&tree->lock);
	error = bb_name_path(tree, node, path);
	if (error == 0)
	{
		length = readlinkat(tree->overlay->root, path, target, size - 1);
		if (length < 0)
			error = -errno;
		else
			target[length] = '\0';
	}
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

/* ---- listing ---- */

typedef struct Listing
{
	BbTreeEntry *entries;
	uint32		count;
	uint32		room;
} Listing;

static void
list_add(Listing *listing, const char *name, mode_t type)
{
	if (listing->count == listing->room)
	{
		listing->room = Max(64, 2 * listing->room);
		listing->entries = pg_realloc(listing->entries,
									  listing->room * sizeof(BbTreeEntry));
	}
	listing->entries[listing->count++] = (BbTreeEntry){pg_strdup(name), type};
}

/* Is a name of the overlay's directory shown, and which one? */
static const char *
shown_name(BbTree *tree, BbNode *parent, const char *directory,
		   const char *name)
{
	char		path[BB_PATH_SIZE];
	int64		file;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	if (parent != &tree->root && bb_tree_is_hidden(tree, parent, name))
		return "pg_control";
	if (bb_tree_is_hidden(tree, parent, name))
		return NULL;
	snprintf(path, sizeof(path), "%s%s%s", directory,
			 directory[0] != '\0' ? "/" : "", name);
	file = bb_list_find(&tree->overlay->list, path);
	return file >= 0 &&
			bb_map_record(tree->overlay->map, file).state == BB_FILE_REMOTE
		? NULL
		: name;
}

static int
list_overlay(BbTree *tree, BbNode *node, const char *path, Listing *listing)
{
	int			fd = openat(tree->overlay->root, path[0] != '\0' ? path : ".",
							O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR		   *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int			error = 0;

	if (directory == NULL)
		return -errno;
	while (errno = 0, (entry = readdir(directory)) != NULL)
	{
		const char *name = shown_name(tree, node, path, entry->d_name);

		if (name != NULL)
			list_add(listing, name, DTTOIF(entry->d_type));
	}
	if (errno != 0)
		error = -errno;
	closedir(directory);
	return error;
}

int
bb_tree_list(BbTree *tree, BbNode *node, BbTreeEntry **entries, uint32 *count)
{
	const BbFileList *list = &tree->overlay->list;
	char		path[BB_PATH_SIZE];
	Listing		listing = {0};
	uint32		end;
	int			error;

	/* no file may change from remote to partial meanwhile */
	pthread_rwlock_wrlock(&tree->lock);
	error = bb_name_path(tree, node, path);
	if (error == 0)
		error = list_overlay(tree, node, path, &listing);
	for (uint32 i = bb_list_directory(list, path, &end); error == 0 && i < end;
		 i++)
	{
		const char *slash = strrchr(list->files[i].path, '/');

		if (bb_map_record(tree->overlay->map, i).state == BB_FILE_REMOTE)
			list_add(&listing, slash ? slash + 1 : list->files[i].path,
					 S_IFREG);
	}
	pthread_rwlock_unlock(&tree->lock);
	if (error != 0)
		bb_tree_list_free(listing.entries, listing.count);
	else
	{
		*entries = listing.entries;
		*count = listing.count;
	}
	return error;
}

void
bb_tree_list_free(BbTreeEntry *entries, uint32 count)
{
	for (uint32 i = 0; i < count; i++)
		pg_free(entries[i].name);
	pg_free(entries);
}
