/*-------------------------------------------------------------------------
 *
 * pathlist.h
 *	  Paths, as many as a cluster has files.
 *
 * Each takes some ten bytes more than its name.
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

/* bb_pathlist_new - an empty one, in CurrentMemoryContext with all of it. */
extern BbPathList *bb_pathlist_new(void);

/*
 * bb_pathlist_prepare - the path to be added by bb_pathlist_add, which can't
 * fail: for who does something in between that must not be forgotten.
 */
extern void bb_pathlist_prepare(BbPathList *list, const char *path);
extern void bb_pathlist_add(BbPathList *list);

/* bb_pathlist_sort - for bb_pathlist_contains; it is REQUIRED for that. */
extern void bb_pathlist_sort(BbPathList *list);
extern bool bb_pathlist_contains(const BbPathList *list, const char *path);

#endif /* BB_PATHLIST_H */
