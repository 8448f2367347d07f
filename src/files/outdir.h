/*-------------------------------------------------------------------------
 *
 * outdir.h
 *	  A directory on the server that a backup is written into.
 *
 * It is opened once, and everything after that begins at its descriptor: who
 * moves it, or puts a symbolic link in its place, changes nothing.  While it
 * is open it is locked, so that no two calls fill the same one.
 *
 * A directory that was made here goes again with its memory context, provided
 * that it is empty by then, unless it was kept.
 *
 * Some directories are off limits: nothing may be written into them, or into
 * what holds one of them.
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
	char	   *name;	/* the last part of it */
	BbFd	   *parent; /* where that is */
	BbFd	   *fd;
	bool		made; /* here, and not kept yet */
	MemoryContextCallback callback;
} BbOutDir;

/*
 * bb_outdir_path - a path as it is used here: absolute, canonical, not the root;
 * palloc'd.
 */
extern char *bb_outdir_path(const char *path);

/*
 * bb_outdir_new - a new or empty directory; its parent has to be there.
 * bb_outdir_open - one that is there, whatever it holds.
 *
 * off_limits: of BbOffLimits *; those that aren't there don't matter.
 */
extern BbOutDir *bb_outdir_new(const char *path, List *off_limits);
extern BbOutDir *bb_outdir_open(const char *path, List *off_limits);

/* bb_outdir_keep - it stays; and is closed. */
extern void bb_outdir_keep(BbOutDir *dir);

/*
 * bb_outdir_sync - its own entries are durable, and if it was made here, so is
 * its name.
 */
extern void bb_outdir_sync(const BbOutDir *dir);

/*
 * bb_outdir_publish - a directory that has everything, durably, and stays, gets
 * another name, beside the one that it was made by; and is closed.
 * bb_outdir_check_absent - there is nothing of that name yet.
 *
 * "path" is one of bb_outdir_path.
 */
extern void bb_outdir_publish(BbOutDir *dir, const char *path);
extern void bb_outdir_check_absent(const BbOutDir *dir, const char *path);

/*
 * bb_outdir_parent - open the directory that a path is in, for who writes one
 * file there; it may not be in one that is off limits.
 */
extern BbFd *bb_outdir_parent(const char *path, List *off_limits);

#endif /* BB_OUTDIR_H */
