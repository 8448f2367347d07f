/*-------------------------------------------------------------------------
 *
 * receivedtree.c
 *	  The files of a base backup that was received, as a tree.
 *
 * One array has all entries, sorted by path in such a way that all entries below
 * a directory follow it.  So each operation is a binary search.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/receivedtree.h"
#include "utils/memutils.h"

/* Entries for which there is room at first; the room doubles. */
#define ENTRIES_FIRST 1024

typedef struct Entry
{
	const char *path;
	const char *target; /* of a link */
	uint64		size;
	uint64		offset; /* of the content */
	uint32		order;	/* in which it was added */
	uint32		uid;
	uint32		gid;
	uint16		mode;
	uint8		kind; /* BbSourceKind */
	bool		elsewhere;
} Entry;

struct BbReceivedTree
{
	BbSourceTree base;
	MemoryContext context; /* owns the tree */
	BbTempFile *content;
	Entry	   *entries;
	uint32		count;
	uint32		allocated;
	bool		finished;
};

typedef struct ReceivedList
{
	BbSourceList base;
	const BbReceivedTree *tree;
	size_t		below; /* the length of the directory's path, with its '/' */
	uint32		at;
	uint32		end;
	char	   *name; /* returned last */
} ReceivedList;

typedef struct ReceivedFile
{
	BbSourceFile base;
	BbTempFile *content;
	uint64		offset;
} ReceivedFile;

/* ---- order ---- */

/* The rank of a byte of a path: a directory's entries come right after it. */
static inline int
rank_of(char c)
{
	return c == '\0' ? 0 : c == '/' ? 1 : 1 + (uint8) c;
}

static int
compare_paths(const char *a, const char *b)
{
	while (*a == *b && *a != '\0')
	{
		a++;
		b++;
	}
	return rank_of(*a) - rank_of(*b);
}

static int
compare_entries(const void *a, const void *b)
{
	const Entry *left = a;
	const Entry *right = b;
	int			order = compare_paths(left->path, right->path);

	if (order != 0)
		return order;
	return left->order < right->order ? -1 : 1;
}

/* Return the first entry whose path isn't before "path". */
static uint32
search(const BbReceivedTree *tree, const char *path)
{
	uint32		low = 0;
	uint32		high = tree->count;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (compare_paths(tree->entries[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Return the entry with that very path, or NULL. */
static const Entry *
find(const BbReceivedTree *tree, const char *path)
{
	uint32		at = search(tree, path);

	return at < tree->count && strcmp(tree->entries[at].path, path) == 0
		? &tree->entries[at]
		: NULL;
}

/*
 * Find the entries below a directory.  The byte that ranks above '/' is 1.
 */
static void
find_below(const BbReceivedTree *tree, const char *path, uint32 *first,
		   uint32 *end)
{
	char	   *bound;

	*first = 0;
	*end = tree->count;
	if (path[0] == '\0')
		return;
	bound = psprintf("%s/", path);
	*first = search(tree, bound);
	bound[strlen(path)] = '\x01';
	*end = search(tree, bound);
	pfree(bound);
}

static bool
has_entries_below(const BbReceivedTree *tree, const char *path)
{
	uint32		first;
	uint32		end;

	find_below(tree, path, &first, &end);
	return first < end;
}

/* ---- operations of the tree ---- */

static BbSourceList *
list_directory(const BbReqCtx *ctx, const BbSourceTree *base, const char *path)
{
	const BbReceivedTree *tree = (const BbReceivedTree *) base;
	const Entry *entry = find(tree, path);
	ReceivedList *list = palloc0(sizeof(ReceivedList));

	find_below(tree, path, &list->at, &list->end);
	if (path[0] != '\0' && list->at == list->end &&
		(entry == NULL || entry->kind != BB_SOURCE_DIRECTORY))
	{
		errno = ENOENT;
		return NULL;
	}
	list->base.ops = base->ops;
	list->tree = tree;
	list->below = path[0] != '\0' ? strlen(path) + 1 : 0;
	return &list->base;
}

static const char *
next_name(BbSourceList *base)
{
	ReceivedList *list = (ReceivedList *) base;
	const char *path;
	const char *slash;
	char	   *below;
	uint32		first;

	if (list->name != NULL)
		pfree(list->name);
	list->name = NULL;
	if (list->at >= list->end)
		return NULL;
	path = list->tree->entries[list->at].path;
	slash = strchr(path + list->below, '/');
	below = slash ? pnstrdup(path, slash - path) : pstrdup(path);

	/* go on behind all that is below that name */
	find_below(list->tree, below, &first, &list->at);
	list->name = pstrdup(below + list->below);
	pfree(below);
	return list->name;
}

static void
close_list(BbSourceList *base)
{
	ReceivedList *list = (ReceivedList *) base;

	if (list->name != NULL)
		pfree(list->name);
	pfree(list);
}

static bool
stat_file(const BbSourceTree *base, const char *path, bool follow,
		  BbSourceStat *st)
{
	const BbReceivedTree *tree = (const BbReceivedTree *) base;
	const Entry *entry = find(tree, path);

	memset(st, 0, sizeof(*st));
	if (entry == NULL || (follow && entry->kind == BB_SOURCE_LINK))
	{
		/* the target of a tablespace's link has its own archive */
		if (!has_entries_below(tree, path))
		{
			errno = ENOENT;
			return false;
		}
		st->kind = BB_SOURCE_DIRECTORY;
	}
	else
		st->kind = (BbSourceKind) entry->kind;
	if (entry != NULL)
	{
		st->size = entry->size;
		st->mode = entry->mode;
		st->uid = entry->uid;
		st->gid = entry->gid;
	}
	st->inode = search(tree, path);
	st->device = entry != NULL;
	return true;
}

static char *
link_target(const BbSourceTree *base, const char *path)
{
	const Entry *entry = find((const BbReceivedTree *) base, path);

	return entry != NULL && entry->kind == BB_SOURCE_LINK
		? pstrdup(entry->target)
		: NULL;
}

static BbSourceFile *
open_file(const BbReqCtx *ctx, const BbSourceTree *base, const char *path)
{
	const BbReceivedTree *tree = (const BbReceivedTree *) base;
	const Entry *entry = find(tree, path);
	ReceivedFile *file;

	if (entry == NULL)
		return NULL;
	if (entry->kind != BB_SOURCE_FILE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s/%s\" is not a regular file", base->name, path)));
	if (entry->elsewhere)
		elog(ERROR, "content of file \"%s/%s\" was not kept", base->name,
			 path);
	file = palloc0(sizeof(ReceivedFile));
	file->base.path = psprintf("%s/%s", base->name, path);
	file->base.size = entry->size;
	file->content = tree->content;
	file->offset = entry->offset;
	return &file->base;
}

static size_t
read_file(BbSourceFile *base, void *data, size_t length, uint64 offset)
{
	ReceivedFile *file = (ReceivedFile *) base;

	length = (size_t) Min((uint64) length, base->size - offset);
	bb_tempfile_read(file->content, file->offset + offset, data, length);
	return length;
}

static const BbSourceTreeOps received_ops = {
	.list = list_directory,
	.next = next_name,
	.close_list = close_list,
	.stat = stat_file,
	.link_target = link_target,
	.open = open_file,
	.read = read_file,
};

/* ---- building it ---- */

BbReceivedTree *
bb_receivedtree_new(const char *name, BbTempFile *content)
{
	BbReceivedTree *tree = palloc0(sizeof(BbReceivedTree));

	tree->base.ops = &received_ops;
	tree->base.name = pstrdup(name);
	tree->context = CurrentMemoryContext;
	tree->content = content;
	tree->allocated = ENTRIES_FIRST;
	tree->entries = palloc(ENTRIES_FIRST * sizeof(Entry));
	return tree;
}

void
bb_receivedtree_add(BbReceivedTree *tree, const char *path,
					const BbSourceStat *st, const char *target, bool elsewhere)
{
	Entry	   *entry;

	Assert(!tree->finished);
	if (tree->count == tree->allocated)
	{
		if (tree->allocated > PG_UINT32_MAX / 2)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("base backup has too many files")));
		tree->allocated *= 2;
		tree->entries = repalloc_huge(tree->entries,
									  tree->allocated * sizeof(Entry));
	}
	entry = &tree->entries[tree->count];
	memset(entry, 0, sizeof(*entry));
	entry->path = MemoryContextStrdup(tree->context, path);
	entry->target = target ? MemoryContextStrdup(tree->context, target) : NULL;
	entry->size = st->size;
	entry->offset = bb_tempfile_size(tree->content);
	entry->order = tree->count++;
	entry->uid = st->uid;
	entry->gid = st->gid;
	entry->mode = (uint16) st->mode;
	entry->kind = (uint8) st->kind;
	entry->elsewhere = elsewhere;
}

void
bb_receivedtree_append(BbReceivedTree *tree, const void *data, size_t length)
{
	bb_tempfile_append(tree->content, data, length);
}

const BbSourceTree *
bb_receivedtree_finish(BbReceivedTree *tree)
{
	uint32		kept = 0;

	qsort(tree->entries, tree->count, sizeof(Entry), compare_entries);
	for (uint32 i = 0; i < tree->count; i++)
	{
		/* of equal paths, the last */
		if (i + 1 == tree->count ||
			strcmp(tree->entries[i].path, tree->entries[i + 1].path) != 0)
			tree->entries[kept++] = tree->entries[i];
	}
	tree->count = kept;
	tree->finished = true;
	return &tree->base;
}
