/*-------------------------------------------------------------------------
 *
 * beneath.h
 *	  Opening files beneath a directory, following no symbolic link.
 *
 * A directory that is written to, or a local page store, may be open to
 * others: a symbolic link in it must not lead a write, or a removal, to
 * somewhere else.  The kernel checks that while it looks a path up, by
 * openat2(2) of Linux 5.6; elsewhere each part is opened by itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BENEATH_H
#define BB_BENEATH_H

#include <sys/types.h>

/*
 * bb_openat_beneath - as openat(2), but no part of the path may be a symbolic
 * link or "..", nor may the path be absolute.  O_CLOEXEC is implied.
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
 * bb_open_parent_beneath - the directory that "path" is in, and in *name its
 * last part.  The descriptor is for looking up files, not for reading.
 */
extern int bb_open_parent_beneath(int directory, const char *path,
								  const char **name);

#endif /* BB_BENEATH_H */
