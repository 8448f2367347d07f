/*-------------------------------------------------------------------------
 *
 * resource.h
 *	  Things that are no memory but die with a memory context.
 *
 * A set-returning function whose consumer stops early is never told; its
 * memory context is simply reset.  So descriptors hang on the context: when
 * it goes, for whatever reason, they go.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RESOURCE_H
#define BB_RESOURCE_H

/* An open file descriptor, owned by the memory context that it was made in. */
typedef struct BbFd BbFd;

/*
 * bb_fd_open - open(2), counted by the server as an external descriptor.
 *
 * Returns NULL with errno set when the file can't be opened.
 *
 * Errors: INSUFFICIENT_RESOURCES when the server has no descriptor to spare.
 */
extern BbFd *bb_fd_open(const char *path, int flags, mode_t mode);
/* The same with openat(2): a path that begins in an open directory. */
extern BbFd *bb_fd_openat(const BbFd *directory, const char *path, int flags,
						  mode_t mode);
/*
 * bb_fd_open_beneath - the same, but no part of the path may be a symbolic
 * link or lead out of the directory; see beneath.h.
 */
extern BbFd *bb_fd_open_beneath(const BbFd *directory, const char *path,
								int flags, mode_t mode);
/*
 * bb_fd_adopt - a descriptor that is open, for the moment: it is not counted.
 *
 * As every server process may open a few files beyond what is counted, for
 * what is closed again at once.
 */
extern BbFd *bb_fd_adopt(int fd);
extern int bb_fd_number(const BbFd *fd);
/* Close now rather than with the context.  Returns close(2)'s result. */
extern int bb_fd_close(BbFd *fd);

/* A directory being listed, owned by the memory context as descriptors are. */
typedef struct BbDir BbDir;

/*
 * bb_dir_openat - list a directory, by a path that begins in an open one; no
 * part of it may be a symbolic link, or lead out of it.
 *
 * Returns NULL with errno set when it can't be opened.
 */
extern BbDir *bb_dir_openat(const BbFd *directory, const char *path);

/*
 * bb_dir_next - the next name, but "." and "..", valid until the next call;
 * NULL at the end, with errno 0, or on an error, with errno set.
 */
extern const char *bb_dir_next(BbDir *dir);
extern void bb_dir_close(BbDir *dir);

#endif /* BB_RESOURCE_H */
