/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  A cluster's files: in a data directory, and in mapped tablespaces.
 *
 *	  base/5/1259					-> data directory
 *	  pg_tblspc/16400				-> data directory, a symbolic link
 *	  pg_tblspc/16400/PG_15_.../5/1 -> directory of that tablespace
 *
 * Paths are those of members.  All operations are beneath the data directory or
 * the directory of a mapped tablespace; see place.h.
 *
 * The operations are the steps of sinks/sink_directory.c and sinks/sink_delta.c.
 * Memory is allocated in CurrentMemoryContext.
 *
 * Errors: errcode_for_file_access().
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TREE_H
#define BB_TREE_H

#include "base/reqctx.h"
#include "files/outdir.h"
#include "files/pathlist.h"
#include "files/place.h"

/*
 * The name of the control file until the rest of the backup is durable, and the
 * name of the one that it replaces.  A server doesn't start with either.
 */
#define BB_CONTROL_NEW "global/pg_control.new"
#define BB_CONTROL_REPLACED "global/pg_control.replaced"

/* A tablespace that is written to another directory. */
typedef struct BbMappedTablespace
{
	Oid			spc;
	char	   *directory; /* canonical */
} BbMappedTablespace;

typedef struct BbTree
{
	BbOutDir   *root;
	List	   *tablespaces; /* BbTreeTablespace * */
} BbTree;

typedef struct BbTreeTablespace
{
	Oid			spc;
	BbOutDir   *dir;
} BbTreeTablespace;

/*
 * bb_tree_open - open an existing tree, or create one, in new or empty
 * directories, one of them for each mapped tablespace (BbMappedTablespace *).
 *
 * In an existing tree, the directory of a tablespace may have files if the
 * tablespace's symbolic link leads there.
 *
 * off_limits: see outdir.h.
 *
 * Errors: those of outdir.h.
 */
extern BbTree *bb_tree_open(const char *directory, List *mapped,
							List *off_limits, bool existing);

/*
 * bb_tree_mapped_directory - the directory of the mapped tablespace with the
 * path "pg_tblspc/OID", or NULL.
 */
extern const char *bb_tree_mapped_directory(const BbTree *tree,
											const char *path);

/* "/directory/base/5/1259", for messages; palloc'd. */
extern char *bb_tree_full_path(const BbTree *tree, const char *path);

/* bb_tree_stat - as lstat(2); false if there is no such file. */
extern bool bb_tree_stat(const BbTree *tree, const char *path,
						 struct stat *st);

/*
 * bb_tree_make_directory, _make_link, _create_file - create something; it is an
 * error if it exists.
 * bb_tree_open_file - open a file; NULL, with errno set, if that fails.
 */
extern void bb_tree_make_directory(const BbTree *tree, const char *path);
extern void bb_tree_make_link(const BbTree *tree, const char *path,
							  const char *target);
extern BbFd *bb_tree_create_file(const BbTree *tree, const char *path);
extern BbFd *bb_tree_open_file(const BbTree *tree, const char *path,
							   int flags);

/*
 * Set the permission bits of a directory ("" is the data directory), or of an
 * open file.
 */
extern void bb_tree_set_mode(const BbTree *tree, const char *path,
							 mode_t mode);
extern void bb_tree_set_file_mode(const BbTree *tree, const char *path,
								  const BbFd *fd, mode_t mode);
/* The target of a symbolic link; palloc'd. */
extern char *bb_tree_read_link(const BbTree *tree, const char *path);

/*
 * bb_tree_list - the names (char *) in a directory; "" is the data directory.
 */
extern List *bb_tree_list(const BbTree *tree, const char *path);

/*
 * bb_tree_remove - remove a file, or a directory with its content.  Returns the
 * number of files removed, not counting directories.
 */
extern uint64 bb_tree_remove(const BbReqCtx *ctx, const BbTree *tree,
							 const char *path);

/* bb_tree_try_remove - remove a file or an empty directory, ignoring errors. */
extern void bb_tree_try_remove(const BbTree *tree, const char *path,
							   bool directory);

extern void bb_tree_rename(const BbTree *tree, const char *from,
						   const char *to);

/*
 * bb_tree_sync - make durable the files, then the directories, and the
 * directories of the tree and its tablespaces.
 *
 * If a file can't be synced, it is removed, since another fsync of it would
 * report success.
 */
extern void bb_tree_sync(const BbReqCtx *ctx, const BbTree *tree,
						 const BbPathList *files,
						 const BbPathList *directories);
extern void bb_tree_sync_directory(const BbTree *tree, const char *path);

/* bb_tree_publish - give the new control file its name, durably. */
extern void bb_tree_publish(const BbTree *tree);

/* bb_tree_commit - keep the directories that were created, and close them. */
extern void bb_tree_commit(BbTree *tree);

#endif /* BB_TREE_H */
