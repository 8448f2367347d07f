/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names and nodes of a mount, in memory.
 *
 * Callers hold the tree's lock, for writing where something changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "blocks.h"
#include "common/hashfn.h"
#include "tree.h"

#define HASH_SIZE_MIN 1024

BbTree *
bb_tree_new(BbOverlay *overlay)
{
	BbTree	   *tree = pg_malloc0(sizeof(BbTree));

	tree->overlay = overlay;
	tree->hash_size = HASH_SIZE_MIN;
	tree->hash = pg_malloc0(tree->hash_size * sizeof(BbName *));
	tree->window_max = 64;
	pthread_rwlock_init(&tree->lock, NULL);
	pthread_mutex_init(&tree->root.lock, NULL);
	pthread_mutex_init(&tree->root.sync_lock, NULL);
	tree->root.fd = -1;
	tree->root.base = -1;
	tree->root.type = S_IFDIR;
	tree->root.number = tree->last_number = 1;
	/* removals that an earlier mount left not durable */
	for (uint32 i = 0; i < overlay->list.count; i++)
		if (bb_map_record(overlay->map, i).state == BB_FILE_GONE)
			(void) bb_tree_gone(tree, i);
	return tree;
}

/* ---- nodes ---- */

BbNode *
bb_node_new(BbTree *tree, mode_t type)
{
	BbNode	   *node = pg_malloc0(sizeof(BbNode));

	pthread_mutex_init(&node->lock, NULL);
	pthread_mutex_init(&node->sync_lock, NULL);
	atomic_store(&node->fd, -1);
	node->base = -1;
	node->type = type & S_IFMT;
	node->number = ++tree->last_number;
	return node;
}

static void
free_node(BbNode *node)
{
	if (atomic_load(&node->fd) >= 0)
		close(node->fd);
	bb_blocks_forget(node);
	pthread_mutex_destroy(&node->lock);
	pthread_mutex_destroy(&node->sync_lock);
	pg_free(node);
}

void
bb_node_release(BbTree *tree, BbNode *node)
{
	while (node != &tree->root && node->lookups == 0 && node->opens == 0 &&
		   node->children == 0)
	{
		BbNode	   *parent = NULL;

		while (node->names != NULL)
		{
			BbNode	   *named_in = node->names->parent;

			bb_name_remove(tree, node->names);
			if (named_in->lookups == 0 && named_in->children == 0)
				parent = named_in;
		}
		if (node->linked)
		{
			BbNode	  **link = &tree->links;

			while (*link != node)
				link = &(*link)->link_next;
			*link = node->link_next;
		}
		free_node(node);
		if (parent == NULL)
			return;
		node = parent;
	}
}

void
bb_tree_free(BbTree *tree)
{
	for (uint32 i = 0; i < tree->hash_size; i++)
	{
		while (tree->hash[i] != NULL)
		{
			BbName	   *name = tree->hash[i];
			BbNode	   *node = name->node;

			bb_name_remove(tree, name);
			if (node->names == NULL && node->children == 0)
				free_node(node);
			else
				node->lookups = 0;
		}
	}
	pthread_rwlock_destroy(&tree->lock);
	pg_free(tree->hash);
	pg_free(tree->gone);
	pg_free(tree);
}

/* ---- names ---- */

static uint32
bucket(const BbTree *tree, const BbNode *parent, const char *name)
{
	return hash_combine(hash_bytes((const unsigned char *) name, strlen(name)),
						(uint32) parent->number) %
		tree->hash_size;
}

BbName *
bb_name_find(const BbTree *tree, const BbNode *parent, const char *name)
{
	BbName	   *found = tree->hash[bucket(tree, parent, name)];

	while (found != NULL &&
		   (found->parent != parent || strcmp(found->text, name) != 0))
		found = found->hash_next;
	return found;
}

static void
enlarge_hash(BbTree *tree)
{
	BbName	  **old = tree->hash;
	uint32		old_size = tree->hash_size;

	tree->hash_size *= 4;
	tree->hash = pg_malloc0(tree->hash_size * sizeof(BbName *));
	for (uint32 i = 0; i < old_size; i++)
	{
		for (BbName *name = old[i], *next; name != NULL; name = next)
		{
			uint32		to = bucket(tree, name->parent, name->text);

			next = name->hash_next;
			name->hash_next = tree->hash[to];
			tree->hash[to] = name;
		}
	}
	pg_free(old);
}

void
bb_name_add(BbTree *tree, BbNode *parent, const char *text, BbNode *node)
{
	BbName	   *name = pg_malloc(offsetof(BbName, text) + strlen(text) + 1);
	BbName	  **link;

	if (tree->count >= tree->hash_size)
		enlarge_hash(tree);
	link = &tree->hash[bucket(tree, parent, text)];
	strcpy(name->text, text);
	name->parent = parent;
	name->node = node;
	name->hash_next = *link;
	*link = name;
	name->node_next = node->names;
	node->names = name;
	parent->children++;
	tree->count++;
}

void
bb_name_remove(BbTree *tree, BbName *name)
{
	BbName	  **link = &tree->hash[bucket(tree, name->parent, name->text)];

	while (*link != name)
		link = &(*link)->hash_next;
	*link = name->hash_next;
	link = &name->node->names;
	while (*link != name)
		link = &(*link)->node_next;
	*link = name->node_next;
	name->parent->children--;
	tree->count--;
	pg_free(name);
}

/* ---- paths ---- */

/* The path as the mount shows it. */
static int
shown_path(const BbTree *tree, const BbNode *node, char *path)
{
	size_t		length;
	int			error;

	path[0] = '\0';
	if (node == &tree->root)
		return 0;
	if (node->names == NULL)
		return -ENOENT;
	error = shown_path(tree, node->names->parent, path);
	if (error != 0)
		return error;
	length = strlen(path);
	if (length + strlen(node->names->text) + 2 > BB_PATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(path + length, BB_PATH_SIZE - length, "%s%s",
			 length > 0 ? "/" : "", node->names->text);
	return 0;
}

/* The control file has another name until all is local. */
static void
hide_control_file(const BbTree *tree, char *path)
{
	if (!tree->overlay->whole && strcmp(path, BB_CONTROL_PATH) == 0)
		strcpy(path, BB_CONTROL_HIDDEN);
}

int
bb_name_path(const BbTree *tree, const BbNode *node, char *path)
{
	int			error = shown_path(tree, node, path);

	if (error == 0)
		hide_control_file(tree, path);
	return error;
}

int
bb_name_child_path(const BbTree *tree, const BbNode *parent, const char *name,
				   char *path)
{
	int			error = shown_path(tree, parent, path);
	size_t		length = strlen(path);

	if (error != 0)
		return error;
	if (strlen(name) > 255 || length + strlen(name) + 2 > BB_PATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(path + length, BB_PATH_SIZE - length, "%s%s",
			 length > 0 ? "/" : "", name);
	hide_control_file(tree, path);
	return 0;
}
