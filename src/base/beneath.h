/*-------------------------------------------------------------------------
 *
 * beneath.h
 *	  Opens files beneath a directory without following symbolic links, and
 *	  checks paths that are read from a store.
 *
 * Other users may be able to write to an output directory or a local page
 * store: a symbolic link in it must not redirect a write or a removal.  From
 * Linux 5.6 on the kernel checks that during the lookup, by openat2(2);
 * elsewhere each part of the path is opened separately.
 *
 * A path in a page store becomes a member of a tar archive or a file in a
 * restored directory, so it must not lead out of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BENEATH_H
#define BB_BENEATH_H

#include <sys/types.h>

/*
 * bb_openat_beneath - open a file like openat(2), but refuse a path that is
 * absolute or has a part that is a symbolic link or "..".  Implies O_CLOEXEC.
 *
 * Returns -1 with errno set: ELOOP or ENOTDIR for a symbolic link, EXDEV for a
 * path that leads out.
 */
extern int bb_openat_beneath(int directory, const char *path, int flags,
							 mode_t mode);

/* The same without openat2(2); for kernels without it, and for tests. */
extern int bb_openat_by_parts(int directory, const char *path, int flags,
							  mode_t mode);

/*
 * bb_open_parent_beneath - open the directory that contains "path", and set *name
 * to its last part.  The descriptor can't be read, only used for lookups.
 */
extern int bb_open_parent_beneath(int directory, const char *path,
								  const char **name);

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

#endif /* BB_BENEATH_H */
