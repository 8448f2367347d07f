/*-------------------------------------------------------------------------
 *
 * dirtree.h
 *	  The directories that every data directory has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DIRTREE_H
#define BB_DIRTREE_H

/* The n-th one, parents before children; NULL after the last. */
extern const char *bb_dirtree_get(int n);

/* Is this one of them? */
extern bool bb_dirtree_contains(const char *path);

#endif /* BB_DIRTREE_H */
