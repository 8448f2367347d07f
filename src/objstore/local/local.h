/*-------------------------------------------------------------------------
 *
 * local.h
 *	  The driver for a local directory, as its files share it.
 *
 *	  local.c		the operations; opening a store, reading and writing objects
 *	  local_tree.c	locks; listing, removing and sweeping objects
 *	  local_path.c	the paths of objects, the directories they are in
 *
 * Each file calls those below it only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LOCAL_H
#define BB_LOCAL_H

#include "base/resource.h"
#include "objstore/objstore_driver.h"

/* ---- local_path.c ---- */

/*
 * bb_local_path - return the path of an object, palloc'd.
 * bb_local_directory_of - return the directory part of a name, palloc'd; "":
 * the name has none.
 * bb_local_companion - return the path of a file that belongs to an object but
 * isn't an object: "a/b" -> "a/.b.SUFFIX", palloc'd.
 */
extern char *bb_local_path(const BbObjectStore *objects, const char *name);
extern char *bb_local_directory_of(const char *name);
extern char *bb_local_companion(const char *path, const char *suffix);

/*
 * bb_local_enter - open the directory that an object is in, in a store's
 * directory, and set *last to the last part of its name.  The caller closes
 * the descriptor.
 *
 * This is for callbacks: it never throws, but returns -1 with errno set.
 */
extern int bb_local_enter(const char *directory, const char *name,
						  const char **last);

/*
 * bb_local_open_parent - open the directory that an object is in, to look the
 * object up there, and set *last to the last part of its name.
 *
 * Returns NULL with errno ENOENT if there is no such directory.
 *
 * Errors: DATA_CORRUPTED (there is a symbolic link below the store's
 * directory; another user may have created it, so it isn't followed).
 */
extern BbFd *bb_local_open_parent(const BbObjectStore *objects,
								  const char *name, const char **last);

/*
 * bb_local_make_parent - do the same, and create missing directories durably.
 *
 * Returns NULL if another session removed one of them meanwhile.
 */
extern BbFd *bb_local_make_parent(const BbObjectStore *objects,
								  const char *name, const char **last);

/*
 * bb_local_sync_directory - fsync a directory below the store's; "": the
 * store's.
 */
extern void bb_local_sync_directory(const BbObjectStore *objects,
									const char *name);

/*
 * bb_local_report_link - report that a path leads through a symbolic link, if
 * that explains errno.
 */
extern void bb_local_report_link(const char *path);

/*
 * bb_local_is_current - is an open file still the one with the name "last" in
 * "parent"?
 */
extern bool bb_local_is_current(const BbFd *fd, int parent, const char *last);

/* ---- local_tree.c: operations, see BbObjectStoreOps ---- */

extern bool bb_local_lock(const BbReqCtx *ctx, BbObjectStore *objects,
						  const char *name);
extern List *bb_local_list(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *prefix);
extern List *bb_local_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
								 const char *prefix);
extern List *bb_local_remove(const BbReqCtx *ctx, BbObjectStore *objects,
							 List *names);
extern void bb_local_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *prefix);

#endif /* BB_LOCAL_H */
