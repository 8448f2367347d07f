/*-------------------------------------------------------------------------
 *
 * storedpath.h
 *	  Checks paths that are read from a store.
 *
 * Other users may be able to write to a page store.  A path in it becomes a
 * member of a tar archive or a file in a restored directory, so it must not
 * lead out of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STOREDPATH_H
#define BB_STOREDPATH_H

/* The maximal length of a file name in bytes, as NAME_MAX on Linux. */
#define BB_STOREDPATH_PART_MAX 255

/*
 * bb_storedpath_error - return what is wrong with a path, as an errdetail,
 * or NULL.
 *
 * A valid path is relative and shorter than MAXPGPATH, and each of its parts is a
 * name: not empty, neither "." nor "..", at most BB_STOREDPATH_PART_MAX bytes.
 */
extern const char *bb_storedpath_error(const char *path);

#endif /* BB_STOREDPATH_H */
