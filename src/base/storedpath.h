/*-------------------------------------------------------------------------
 *
 * storedpath.h
 *	  Whether a path that comes out of a store may be that of a file.
 *
 * Somebody else may be able to write to a page store.  A path in it becomes a
 * member of a tar archive, or a file in a directory that is restored, so it
 * must not lead out of that archive or directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STOREDPATH_H
#define BB_STOREDPATH_H

/* The longest name that a file can have, as NAME_MAX on Linux; bytes. */
#define BB_STOREDPATH_PART_MAX 255

/*
 * bb_storedpath_complaint - what is wrong with a path, as an errdetail; NULL:
 * nothing.
 *
 * A path is relative, shorter than MAXPGPATH, and each part of it is a name:
 * not empty, neither "." nor "..", at most BB_STOREDPATH_PART_MAX bytes.
 */
extern const char *bb_storedpath_complaint(const char *path);

#endif /* BB_STOREDPATH_H */
