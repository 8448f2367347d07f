/*-------------------------------------------------------------------------
 *
 * pathlist.h
 *	  A list of as many paths as a cluster has files.
 *
 * Each takes about ten bytes more than its name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PATHLIST_H
#define BB_PATHLIST_H

typedef struct BbPathList
{
	char	  **paths;
	size_t		count;
	size_t		capacity;
} BbPathList;

/* bb_pathlist_new - create a list; all memory is in CurrentMemoryContext. */
extern BbPathList *bb_pathlist_new(void);

/*
 * bb_pathlist_prepare - allocate memory for a path, which bb_pathlist_add then
 * adds without failing.  A caller that creates the file in between can't lose it.
 */
extern void bb_pathlist_prepare(BbPathList *list, const char *path);
extern void bb_pathlist_add(BbPathList *list);

/* bb_pathlist_sort - sort the list; bb_pathlist_contains REQUIRES that. */
extern void bb_pathlist_sort(BbPathList *list);
extern bool bb_pathlist_contains(const BbPathList *list, const char *path);

#endif /* BB_PATHLIST_H */
