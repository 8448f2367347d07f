/*-------------------------------------------------------------------------
 *
 * beneath.h
 *	  Opens files beneath a directory without following symbolic links.
 *
 * Other users may be able to write to an output directory or a local page
 * store: a symbolic link in it must not redirect a write or a removal.  From
 * Linux 5.6 on the kernel checks that during the lookup, by openat2(2);
 * elsewhere each part of the path is opened separately.
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

#endif /* BB_BENEATH_H */
