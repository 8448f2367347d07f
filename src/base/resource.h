/*-------------------------------------------------------------------------
 *
 * resource.h
 *	  File descriptors and open directories that are closed with a memory
 *	  context.
 *
 * A set-returning function isn't called again if its consumer stops early; its
 * memory context is reset.  So the memory context owns the descriptors, and a
 * callback closes them when it is reset, for whatever reason.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RESOURCE_H
#define BB_RESOURCE_H

#include "base/compat.h"

/*
 * bb_on_reset - call function(arg) when a memory context is reset or deleted.
 *
 * The function must not throw.  Functions are called in the reverse order.
 */
extern void bb_on_reset(MemoryContext context,
						MemoryContextCallbackFunction function, void *arg);

/* An open file descriptor, owned by the memory context current at its opening. */
typedef struct BbFd BbFd;

/*
 * bb_fd_open - open(2), counted by the server as an external descriptor.
 *
 * Returns NULL with errno set if the file can't be opened.
 *
 * Errors: INSUFFICIENT_RESOURCES (the server has no free descriptor).
 */
extern BbFd *bb_fd_open(const char *path, int flags, mode_t mode);
/* The same with openat(2): the path is relative to an open directory. */
extern BbFd *bb_fd_openat(const BbFd *directory, const char *path, int flags,
						  mode_t mode);
/*
 * bb_fd_open_beneath - the same, but no part of the path may be a symbolic
 * link or lead out of the directory; see beneath.h.
 */
extern BbFd *bb_fd_open_beneath(const BbFd *directory, const char *path,
								int flags, mode_t mode);
/*
 * bb_fd_adopt - own a descriptor that is already open, without counting it.
 *
 * For a descriptor that will be closed soon: every server process may open a few
 * files beyond those that are counted.
 */
extern BbFd *bb_fd_adopt(int fd);
extern int bb_fd_number(const BbFd *fd);
/*
 * bb_fd_read_at - read up to "length" bytes at an offset; fewer where the file
 * ends.  Returns -1 with errno set after an error.
 */
extern ssize_t bb_fd_read_at(const BbFd *fd, void *data, size_t length,
							 uint64 offset);
/* Closes it before the context does.  Returns the result of close(2). */
extern int bb_fd_close(BbFd *fd);

/* An open directory, owned by the memory context as descriptors are. */
typedef struct BbDir BbDir;

/*
 * bb_dir_openat - open a directory, by a path beneath an open directory, to list
 * it; see bb_fd_open_beneath.
 *
 * Returns NULL with errno set if it can't be opened.
 */
extern BbDir *bb_dir_openat(const BbFd *directory, const char *path);

/*
 * bb_dir_next - return the next name except "." and "..", valid until the next
 * call; NULL with errno 0 at the end, or with errno set after an error.
 */
extern const char *bb_dir_next(BbDir *dir);
extern void bb_dir_close(BbDir *dir);

/*
 * bb_report_file - raise the error in errno; the message has a %s for the path.
 *
 * Errors: errcode_for_file_access(), always.
 */
pg_noreturn extern void bb_report_file(const char *message, const char *path);

#endif /* BB_RESOURCE_H */
