/*-------------------------------------------------------------------------
 *
 * pathlist.c
 *	  A list of as many paths as a cluster has files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "files/pathlist.h"
#include "utils/memutils.h"

#define INITIAL_CAPACITY 1024

BbPathList *
bb_pathlist_new(void)
{
	BbPathList *list = palloc0(sizeof(BbPathList));

	list->capacity = INITIAL_CAPACITY;
	list->paths = palloc(list->capacity * sizeof(char *));
	return list;
}

void
bb_pathlist_prepare(BbPathList *list, const char *path)
{
	if (list->count == list->capacity)
	{
		list->paths = repalloc_huge(list->paths,
									2 * list->capacity * sizeof(char *));
		list->capacity *= 2;
	}
	list->paths[list->count] = MemoryContextStrdup(GetMemoryChunkContext(list),
												   path);
}

void
bb_pathlist_add(BbPathList *list)
{
	list->count++;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

void
bb_pathlist_sort(BbPathList *list)
{
	qsort(list->paths, list->count, sizeof(char *), compare);
}

bool
bb_pathlist_contains(const BbPathList *list, const char *path)
{
	return bsearch(&path, list->paths, list->count, sizeof(char *), compare) !=
		NULL;
}
