/*-------------------------------------------------------------------------
 *
 * dirtree.h
 *	  The directories that every data directory has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DIRTREE_H
#define BB_DIRTREE_H

/* Return the n-th directory, parents before children; NULL after the last. */
extern const char *bb_dirtree_get(int n);

/* Is this path one of these directories? */
extern bool bb_dirtree_contains(const char *path);

#endif /* BB_DIRTREE_H */
