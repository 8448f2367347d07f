/*-------------------------------------------------------------------------
 *
 * outdir.h
 *	  A directory on the server that a backup is written into.
 *
 * It is opened once, and all later operations use its descriptor.  So it doesn't
 * matter if somebody moves it or puts a symbolic link in its place.  It is locked
 * while it is open, so that only one call can write to it.
 *
 * A directory that was created here is removed with its memory context if it is
 * empty, unless it was committed.
 *
 * Some directories are off limits: a backup may not be written into them, nor
 * into a directory that contains one of them.
 *
 * Errors: INVALID_PARAMETER_VALUE (path); OBJECT_NOT_IN_PREREQUISITE_STATE (not
 * empty, off limits); OBJECT_IN_USE (locked); DUPLICATE_FILE (its final name);
 * errcode_for_file_access().
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OUTDIR_H
#define BB_OUTDIR_H

#include "base/resource.h"
#include "nodes/pg_list.h"

typedef struct BbOffLimits
{
	const char *path;
	const char *what; /* "the data directory of this server" */
} BbOffLimits;

typedef struct BbOutDir
{
	char	   *path;	/* canonical */
	char	   *name;	/* the last part of the path */
	BbFd	   *parent; /* the directory that has it */
	BbFd	   *fd;
	bool		created; /* here, and not committed yet */
} BbOutDir;

/*
 * bb_outdir_path - canonicalize a path, which has to be absolute and not the
 * root; palloc'd.
 */
extern char *bb_outdir_path(const char *path);

/*
 * bb_outdir_new - create a directory, or open an empty one; its parent has to
 * exist.
 * bb_outdir_open - open a directory, which may have files.
 *
 * off_limits: a list of BbOffLimits *; they need not exist.
 */
extern BbOutDir *bb_outdir_new(const char *path, List *off_limits);
extern BbOutDir *bb_outdir_open(const char *path, List *off_limits);

/* bb_outdir_commit - keep the directory, and close it. */
extern void bb_outdir_commit(BbOutDir *dir);

/*
 * bb_outdir_sync - make the entries of the directory durable, and its name if it
 * was created here.
 */
extern void bb_outdir_sync(const BbOutDir *dir);

/*
 * bb_outdir_publish - rename a directory, whose files are durable, to another
 * name in the same parent; make that durable and commit.
 *
 * "path" is a result of bb_outdir_path.
 */
extern void bb_outdir_publish(BbOutDir *dir, const char *path);

/*
 * bb_outdir_parent - open the parent directory of a path, to write a file there;
 * it may not be in a directory that is off limits.
 */
extern BbFd *bb_outdir_parent(const char *path, List *off_limits);

/*
 * bb_outdir_check_absent - raise an error if the parent directory has the last
 * part of the path.
 */
extern void bb_outdir_check_absent(const BbFd *parent, const char *path);

/*
 * bb_outdir_fsync - make the entries of an open directory durable, if its file
 * system can; NULL is the result of an open that failed, with errno set.
 */
extern void bb_outdir_fsync(const BbFd *fd, const char *path);

#endif /* BB_OUTDIR_H */
