/*-------------------------------------------------------------------------
 *
 * local.h
 *	  The driver for a local directory, as its files share it.
 *
 *	  local.c		the store: its URL, its paths, its directories
 *	  local_read.c	objects read
 *	  local_write.c	objects written, and small ones replaced
 *	  local_tree.c	locks; objects listed, removed, swept
 *
 * The operations do what objstore.h says of those of the same name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LOCAL_H
#define BB_LOCAL_H

#include "base/resource.h"
#include "objstore/objstore_driver.h"

typedef struct BbLocalStore
{
	BbObjectStore base;
	char	   *directory;
} BbLocalStore;

/* Where an object is, palloc'd. */
extern char *bb_local_path(const BbObjectStore *objects, const char *name);

/* "a/b" -> "a/.b.SUFFIX": the companion of a file, which is no object. */
extern char *bb_local_companion(const char *path, const char *suffix);

/* The directory that path is in, into MAXPGPATH bytes. */
extern void bb_local_parent(const char *path, char *parent);

/*
 * bb_local_enter - the directory, below that of a store, which an object is in,
 * and in *last the last part of its name.  The descriptor is the caller's.
 *
 * For callbacks: it throws no errors, but returns -1 with errno set.
 */
extern int bb_local_enter(const char *directory, const char *name,
						  const char **last);

/*
 * bb_local_open_parent - the directory that an object is in, for looking the
 * object up, and in *last the last part of its name.  Below the store's
 * own directory no symbolic link is followed: somebody may have put it there.
 *
 * Returns NULL with errno ENOENT when there is no such directory.
 *
 * Errors: DATA_CORRUPTED (a symbolic link).
 */
extern BbFd *bb_local_open_parent(const BbObjectStore *objects,
								  const char *name, const char **last);

/* The same; missing directories are made, durably. */
extern BbFd *bb_local_make_parent(const BbObjectStore *objects,
								  const char *name, const char **last);

/* fsync a directory, by its name below the store's; "": that itself. */
extern void bb_local_sync_directory(const BbObjectStore *objects,
									const char *name);

/* Report that a path in a store is a symbolic link, if errno says so. */
extern void bb_local_complain_link(const char *path);

/* ---- local_read.c ---- */

extern BbObjectReader *bb_local_open_object(const BbReqCtx *ctx,
											BbObjectStore *objects,
											const char *name);
extern void bb_local_read(const BbReqCtx *ctx, BbObjectReader *reader,
						  uint64 offset, void *data, size_t length);
extern void bb_local_close(BbObjectReader *reader);
extern bool bb_local_get(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *name, size_t max_length, char **data,
						 size_t *length, BbObjectTag *tag);

/* ---- local_write.c ---- */

extern BbObjectWriter *bb_local_create(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const char *name);
extern void bb_local_write(const BbReqCtx *ctx, BbObjectWriter *writer,
						   const void *data, size_t length);
extern void bb_local_finish(const BbReqCtx *ctx, BbObjectWriter *writer);
extern bool bb_local_put_if(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *name, const void *data, size_t length,
							BbObjectTag expected, BbObjectTag *tag);

/* ---- local_tree.c ---- */

extern bool bb_local_lock(const BbReqCtx *ctx, BbObjectStore *objects,
						  const char *name);
extern List *bb_local_list(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *prefix);
extern List *bb_local_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
								 const char *prefix);
extern void bb_local_remove(const BbReqCtx *ctx, BbObjectStore *objects,
							List *names);
extern void bb_local_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *prefix);

#endif /* BB_LOCAL_H */
